"""Other programs as steps, through a spawned server: what the console sees, and when."""

import time

import pytest

from tests.endtoend.conftest import serving
from tests.endtoend.scans import said, scan, send
from tests.server.external.fake import children, install, programs

CHAIN = "chain:\n- External: {{name: fake, target: {target}, patience: 8}}\n- RemoveOversampling\n"
CHAIN += "- Accumulate\n- Fourier\n- Combine: {{method: rss}}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = install(tmp_path_factory.mktemp("programs") / "modules")
    wire = ("echo", "crash", "kill", "early", "lazy", "late")
    with (
        children() as living,
        serving(tmp_path_factory.mktemp("external") / "state", external=programs(folder, *wire)) as address,
    ):
        yield address
        assert living() == []


def test_a_program_that_peers_may_name_gives_the_images(server):
    answer, images = send(server, said(CHAIN.format(target="echo"), scan(repetitions=2, noise_readouts=0)))
    assert not answer.error
    assert [image.meta["ScansideExternal"] for image in images] == ["fake.echo"] * 2


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("crash", ("failed (exit code 1)", "Traceback", "one over nothing")),
        ("kill", ("failed (exit code 3)",)),
        ("early", ("closed before the scan's end",)),
        ("lazy", ("hangs: it did nothing for 8 s", "__main__.py")),
        ("late", ("failed (exit code 1)", "one over nothing, at the end")),
    ],
)
def test_a_console_reads_why_the_program_failed(server, target, says):
    began = time.monotonic()
    answer, _ = send(server, said(CHAIN.format(target=target), scan(repetitions=2, noise_readouts=0)))
    assert time.monotonic() - began < 30
    assert all(each in answer.error for each in (f"external fake.{target} ", *says)), answer.error


@pytest.mark.parametrize("step", ["{name: fake, target: nonsense}", "{name: os, target: system}"])
def test_a_chain_off_the_wire_starts_no_other_program(server, step):
    chain = f"chain:\n- External: {step}\n- Magnitude\n"
    answer, images = send(server, said(chain, scan(noise_readouts=0)))
    assert "may use no program that the settings do not allow" in answer.error
    assert not images
