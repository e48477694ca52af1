"""gadgetron_ismrmrd_client, unmodified, sends scans and questions to our server."""

import pytest

from server.paths import configs
from tests.interop.peers import assert_same_images, run_gadgetron, series

pytestmark = pytest.mark.interop

OUT = ("-G", "dataset", "-o", "out.h5")


@pytest.mark.parametrize("name", ["cartesian_grappa", "cartesian_grappa.yml"])
def test_it_writes_the_images_that_our_own_client_receives(
    gadgetron_client, port, scan, replayed, tmp_path, name
):
    code, said = run_gadgetron(gadgetron_client, port, tmp_path, "-f", scan, "-c", name, *OUT)
    assert (code, "ERROR" in said) == (0, False)
    assert_same_images(tmp_path / "out.h5", replayed(scan, "cartesian_grappa"))
    assert series(tmp_path / "out.h5")[1].shape == (2, 1, 1, 64, 64)


def test_its_local_chain_is_run_as_text(gadgetron_client, port, scan, replayed, tmp_path):
    chain = configs() / "cartesian_grappa.yml"
    code, _ = run_gadgetron(gadgetron_client, port, tmp_path, "-f", scan, "-C", chain, *OUT)
    assert code == 0
    assert_same_images(tmp_path / "out.h5", replayed(scan, "cartesian_grappa"))


def test_it_writes_the_images_of_a_real_scan_after_asking_for_its_noise(
    gadgetron_client, port, skyra, replayed, tmp_path
):
    options = ("-f", skyra, "-c", "cartesian_grappa", *OUT)
    code, said = run_gadgetron(gadgetron_client, port, tmp_path, *options)
    assert "Querying the Gadgetron instance for the dependent measurement" in said
    assert code == 0, said
    assert_same_images(tmp_path / "out.h5", replayed(skyra, "cartesian_grappa"))


def test_it_writes_images_in_the_analyze_format(gadgetron_client, port, scan, tmp_path):
    options = ("-f", scan, "-c", "cartesian_grappa", "-F", "hdr", "-o", "out")
    code, said = run_gadgetron(gadgetron_client, port, tmp_path, *options)
    assert code == 0
    assert said.count("Receiving image : ") == 3
    assert len(list(tmp_path.glob("*.img"))) == 3


@pytest.mark.parametrize(
    ("question", "answer"), [("gadgetron::info", "Scanside "), ("no::such::thing", "Unknown query")]
)
def test_its_questions_are_answered(gadgetron_client, port, tmp_path, question, answer):
    code, said = run_gadgetron(gadgetron_client, port, tmp_path, "-Q", question)
    assert code == 0
    assert said.startswith(answer)


def test_its_probe_ends_well(gadgetron_client, port, tmp_path):
    assert run_gadgetron(gadgetron_client, port, tmp_path, "-q", "-c", "gtquery.xml") == (0, "")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("-c", "no_such.xml"), "ERROR no chain is called 'no_such.xml'; known are"),
        (("-C", "bad.yml"), "ERROR no gadget is called 'Nonsense'"),
    ],
)
def test_it_prints_why_a_scan_was_refused(gadgetron_client, port, scan, tmp_path, options, reason):
    (tmp_path / "bad.yml").write_text("chain: [Nonsense]")
    _, said = run_gadgetron(gadgetron_client, port, tmp_path, "-f", scan, *options, *OUT)
    assert reason in said
    assert not (tmp_path / "out.h5").exists()
