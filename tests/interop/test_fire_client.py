"""client.py of python-ismrmrd-server, unmodified, sends scans to our server."""

import json

import pytest

from tests.interop.peers import assert_same_images, run, series

pytestmark = pytest.mark.interop


def send(fire, port, folder, path, *options):
    python, home = fire
    address = ("-a", "127.0.0.1", "-p", port, "-g", "dataset", "-G", "dataset", "-o", "out.h5")
    return run([python, home / "client.py", *address, *options, path], folder)


def test_it_writes_the_images_that_our_own_client_receives(fire, port, scan, replayed, tmp_path):
    code, said = send(fire, port, tmp_path, scan, "-c", "cartesian_grappa")
    assert code == 0
    assert said.count("<-- Received MRD_MESSAGE_ISMRMRD_IMAGE (1022)") == 3
    assert said.count("Image is size 64 x 64 x 1 with 1 channels of type float32") == 3
    assert "<-- Received MRD_MESSAGE_CLOSE (4)" in said
    assert "Received     3 images" in said
    assert "Traceback" not in said
    assert_same_images(tmp_path / "out.h5", replayed(scan, "cartesian_grappa"))
    assert series(tmp_path / "out.h5")[1].shape == (2, 1, 1, 64, 64)


def test_it_writes_the_images_of_a_real_scan(fire, port, skyra, replayed, tmp_path):
    code, said = send(fire, port, tmp_path, skyra, "-c", "cartesian_grappa")
    assert code == 0
    assert said.count("Image is size 192 x 144 x 1 with 1 channels of type float32") == 2
    assert "Sent    69 acquisitions" in said
    assert_same_images(tmp_path / "out.h5", replayed(skyra, "cartesian_grappa"))


def test_its_parameter_text_changes_the_chain(fire, port, scan, replayed, tmp_path):
    parameters = {"Combine.gfactor": "false", "sendOriginal": "False", "options": ""}
    text = json.dumps({"version": "1.1.0", "parameters": parameters})
    (tmp_path / "cartesian_grappa.json").write_text(text)
    code, said = send(fire, port, tmp_path, scan, "-c", "cartesian_grappa")
    assert code == 0
    assert "--> Sending MRD_MESSAGE_TEXT (5)" in said
    assert "WARNING parameter 'sendOriginal' belongs to no gadget of the chain and is ignored" in said
    assert "Received     2 images" in said
    expected = replayed(scan, "cartesian_grappa", "--param", "Combine.gfactor=false")
    assert_same_images(tmp_path / "out.h5", expected)


def test_its_local_chain_is_run_as_text(fire, port, scan, replayed, tmp_path):
    (tmp_path / "mine.yml").write_text(
        "chain: [AlignEcho, RemoveOversampling, Prewhiten, Accumulate, Grappa, Combine, Resize, Magnitude]"
    )
    code, said = send(fire, port, tmp_path, scan, "-C", "mine.yml")
    assert code == 0
    assert "Received     2 images" in said
    assert_same_images(tmp_path / "out.h5", replayed(scan, str(tmp_path / "mine.yml")))


def test_it_prints_why_a_scan_was_refused(fire, port, scan, tmp_path):
    code, said = send(fire, port, tmp_path, scan, "-c", "cartesian_gripa")
    assert code == 0
    assert "ERROR no chain is called 'cartesian_gripa'; known are" in said
    assert "<-- Received MRD_MESSAGE_CLOSE (4)" in said
    assert "Received     0 images" in said
