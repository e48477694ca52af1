import time

import numpy as np
import pytest

from gadgets.data import Image
from server.chain import build, parse
from server.engine.line import run
from server.errors import AccessError, ChainError, ExternalError, Interrupted
from server.external.programs import VARIABLE
from server.files.header import write_header
from server.site import wire_safe, wire_safe_parameters
from server.step import Step
from server.wire.header import read_header
from tests.endtoend.scans import pixels, scan
from tests.server.external.fake import children, install, programs

WHOLE = "chain: [RemoveOversampling, Accumulate, Fourier, {Combine: {method: rss}}]"
PLACES = {
    "readouts": "[{E}, RemoveOversampling, Accumulate, Fourier, {{Combine: {{method: rss}}}}]",
    "readouts in x": "[RemoveOversampling, {E}, Accumulate, Fourier, {{Combine: {{method: rss}}}}]",
    "k-space": "[RemoveOversampling, Accumulate, {E}, Fourier, {{Combine: {{method: rss}}}}]",
    "images": "[RemoveOversampling, Accumulate, Fourier, {{Combine: {{method: rss}}}}, {E}]",
}


@pytest.fixture
def living(tmp_path, monkeypatch):
    """The program is known; its processes. None may be left at the end."""
    monkeypatch.setenv(VARIABLE, programs(install(tmp_path / "modules"), "echo"))
    with children() as found:
        yield found
        assert found() == []


@pytest.fixture(scope="module")
def parts():
    from server.wire.readouts import split

    xml, items = scan(repetitions=2, noise_readouts=0)
    return read_header(xml), [part for item in items for part in split(item)]


def through(text, parts):
    header, items = parts
    return [each for each in run(build(parse(text)), items, header) if isinstance(each, Image)]


def external(target, patience=60):
    return f"{{External: {{name: fake, target: {target}, patience: {patience}}}}}"


@pytest.mark.parametrize("place", PLACES)
def test_a_program_that_gives_back_what_it_gets_changes_no_image(living, parts, place):
    chain = f"chain: {PLACES[place].format(E=external('echo'))}"
    found, expected = through(chain, parts), through(WHOLE, parts)
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-5, atol=1e-6 * float(other.data.max()))
        assert one.meta["ScansideExternal"] == "fake.echo"
        assert one.meta["ScansideScale"] == other.meta["ScansideScale"]
        assert (one.head["position"] == other.head["position"]).all()
        assert one.head["repetition"] == other.head["repetition"]


def test_reference_lines_go_with_their_buffer_and_come_back(living):
    from server.wire.readouts import split

    xml, items = scan(acceleration=2, noise_readouts=0)
    parts = read_header(xml), [part for item in items for part in split(item)]
    inner = "RemoveOversampling, Accumulate, {E}Grappa, {{Combine: {{gfactor: true}}}}"
    with_it = f"chain: [{inner.format(E=external('echo') + ', ')}]"
    found, expected = through(with_it, parts), through(f"chain: [{inner.format(E='')}]", parts)
    assert [each.role for each in found] == [each.role for each in expected] == ["image", "gfactor"]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-3, atol=1e-4 * float(other.data.abs().max()))


FAULTS = {
    "crash": r"fake\.crash failed \(exit code 1\): Traceback .*ZeroDivisionError: one",
    "kill": r"fake\.kill failed \(exit code 3\)",
    "segfault": r"fake\.segfault was ended by signal 11: Fatal Python error: Segmentation fault",
    "early": r"fake\.early closed before the scan's end",
    "late": r"fake\.late failed \(exit code 1\): Traceback .*one over nothing, at the end",
    "error": r"fake\.error: the magnet is warm",
    "nonsense": r"fake\.nonsense sent what cannot be read: message id 39321 is unknown",
    "unborn": r"fake\.unborn ended with exit code 1: Traceback .*ImportError: no module is called so",
}


@pytest.mark.parametrize("target", FAULTS)
def test_a_program_that_fails_ends_the_scan_with_its_own_words(living, parts, target):
    text = f"chain: {PLACES['readouts'].format(E=external(target))}"
    with pytest.raises(ExternalError, match=f"(?s){FAULTS[target]}"):
        through(text, parts)


@pytest.mark.parametrize(
    ("target", "patience", "says"),
    [
        ("lazy", 6, r"fake\.lazy hangs: it did nothing for 6 s: Fatal Python error: Aborted.*__main__\.py"),
        ("never", 1, r"fake\.never did not connect in 1 s"),
    ],
)
def test_a_program_that_hangs_is_ended_and_says_where(living, parts, target, patience, says):
    began = time.monotonic()
    with pytest.raises(ExternalError, match=f"(?s){says}"):
        through(f"chain: {PLACES['readouts'].format(E=external(target, patience=patience))}", parts)
    assert time.monotonic() - began < 30


def test_a_program_that_does_not_read_is_ended(living):
    """The scan is larger than what sockets hold."""
    from server.wire.readouts import split

    xml, items = scan(columns=128, lines=128, coils=24, repetitions=2, noise_readouts=0)
    parts = read_header(xml), [part for item in items for part in split(item)]
    with pytest.raises(ExternalError, match=r"(?s)fake\.deaf hangs: it did nothing for 6 s.*__main__\.py"):
        through(f"chain: {PLACES['readouts'].format(E=external('deaf', patience=6))}", parts)


def test_a_scan_that_breaks_off_gives_no_image_of_the_program(living, parts):
    header, items = parts

    def broken():
        yield from items[: len(items) // 2]
        raise Interrupted

    found, text = [], f"chain: {PLACES['readouts'].format(E=external('echo'))}"
    with pytest.raises(Interrupted):
        for each in run(build(parse(text)), broken(), header):
            found.append(each)
    whole = through(text, parts)
    assert all(image in pixels(whole) for image in pixels(found))
    assert len(found) < len(whole)


def test_a_program_that_the_site_does_not_know_is_an_error(living, parts):
    text = "chain: [{External: {name: unknown, target: t}}, RemoveOversampling, Accumulate, Fourier, Combine]"
    with pytest.raises(ChainError, match="no program is called 'unknown'; the settings name fake"):
        through(text, parts)


def test_a_chain_off_the_wire_starts_only_what_the_site_allows_by_name_and_target(living):
    wire_safe(parse("chain: [{External: {name: fake, target: echo}}]"))
    for refused in (
        "{name: fake, target: crash}",
        "{name: fake}",
        "{name: other, target: echo}",
        "{name: fake, target: echo, python: /bin/sh}",
        "{name: fake, target: echo, address: 'localhost:1'}",
    ):
        with pytest.raises(AccessError, match="External"):
            wire_safe(parse(f"chain: [{{External: {refused}}}]"))
    installed = [Step("External", {"name": "fake", "target": "echo"})]
    wire_safe_parameters(installed, {"config": "x"})
    for name in ("External.target", "target", "External.python", "externaladdress"):
        with pytest.raises(AccessError, match="External"):
            wire_safe_parameters(installed, {name: "crash"})


def test_external_nodes_of_gadgetron_are_refused_off_the_wire_unless_allowed(living):
    text = (
        "<configuration><stream><external><execute name='{name}' target='{target}' type='python'/>"
        "<configuration/></external></stream></configuration>"
    )
    wire_safe(parse(text.format(name="fake", target="echo")))
    with pytest.raises(AccessError):
        wire_safe(parse(text.format(name="os", target="system")))
    inner = "<external><connect address='h' port='1'/></external>"
    connect = f"<configuration><stream>{inner}</stream></configuration>"
    with pytest.raises(AccessError):
        wire_safe(parse(connect))
    (step,) = parse(connect)
    assert step.parameters["address"] == "h:1"


def test_a_header_is_given_as_it_came():
    from models.simulation.sampling import Sampling
    from models.simulation.scan import Protocol
    from server.acquisition import describe

    xml = write_header(describe(Protocol(sampling=Sampling(lines=8), columns=8), "p"))
    assert read_header(xml).xml == xml
