"""``scanside external``, as a Gadgetron uses it: our own step plays the Gadgetron."""

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from server.chain import build, parse
from server.cli import main
from server.engine.line import run
from server.errors import ExternalError
from server.external.node import serve
from server.wire.header import read_header
from server.wire.readouts import split
from tests.endtoend.scans import scan

INNER = "chain: [RemoveOversampling, Accumulate, Fourier, {Combine: {method: rss}}]"


@contextmanager
def node(text):
    """A chain of ours that listens as an external node; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one():
            connection, _ = listener.accept()
            with connection:
                serve(connection, parse(text))

        thread = threading.Thread(target=one)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)
        assert not thread.is_alive()


def through(text, **sampling):
    xml, items = scan(noise_readouts=0, **sampling)
    source = [part for item in items for part in split(item)]
    return [each for each in run(build(parse(text)), source, read_header(xml)) if hasattr(each, "role")]


@pytest.mark.parametrize(
    ("before", "inner", "behind"),
    [
        ("", "RemoveOversampling, Accumulate, Fourier, {Combine: {method: rss}}", ""),
        ("RemoveOversampling, ", "Accumulate", ", Fourier, {Combine: {method: rss}}"),
        ("RemoveOversampling, Accumulate, ", "Fourier, {Combine: {method: rss}}", ""),
        ("RemoveOversampling, Accumulate, Fourier, {Combine: {method: rss}}, ", "Magnitude", ""),
    ],
)
def test_a_chain_in_two_programs_gives_the_images_of_one(before, inner, behind):
    with node(f"chain: [{inner}]") as address:
        step = f"External: {{name: scanside, address: '{address}'}}"
        found = through(f"chain: [{before}{{{step}}}{behind}]", repetitions=2)
    expected = through(INNER, repetitions=2)
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-5, atol=1e-6 * float(other.data.max()))


def test_a_bucket_is_taken_apart():
    with node("chain: [Accumulate, Fourier, {Combine: {method: rss}}]") as address:
        step = f"External: {{name: scanside, address: '{address}', kspace: bucket}}"
        found = through(f"chain: [RemoveOversampling, Accumulate, {{{step}}}]")
    (one,), (other,) = found, through(INNER)
    np.testing.assert_allclose(one.data, other.data, rtol=1e-5, atol=1e-6 * float(other.data.max()))


def test_why_the_chain_failed_is_told_the_gadgetron():
    with node("chain: [Accumulate, Grappa]") as address:
        step = f"External: {{name: scanside, address: '{address}'}}"
        with pytest.raises(ExternalError, match="external scanside: the chain ends with CoilImage"):
            through(f"chain: [{{{step}}}]")


def test_the_command_connects_to_the_port_that_a_gadgetron_gives(tmp_path):
    chain = tmp_path / "inner.yml"
    chain.write_text(INNER)
    environment = {"GADGETRON_EXTERNAL_MODULE": str(chain)}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment["GADGETRON_EXTERNAL_PORT"] = str(listener.getsockname()[1])
        command = ["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable]
        with subprocess.Popen([*command, "-m", "server.cli", "external"], stderr=subprocess.PIPE) as process:
            listener.settimeout(60)
            connection, _ = listener.accept()
            connection.settimeout(60)
            with connection:
                assert answered(connection)
            assert process.wait(30) == 0, process.stderr.read().decode()


def answered(connection):
    from gadgets.data import Image
    from server.wire import encode
    from server.wire.buffer import Buffer
    from server.wire.messages import Close

    xml, items = scan(noise_readouts=0)
    said = b"".join(
        (encode.config_text("<configuration/>"), encode.header(xml), *map(encode.readouts, items))
    )
    connection.sendall(said + encode.close())
    image, close = list(Buffer().messages(connection.recv_into))
    return isinstance(image, Image) and isinstance(close, Close)


@pytest.mark.parametrize(
    ("words", "says"), [(["external"], "needs a port"), (["external", "9999"], "needs a chain")]
)
def test_what_is_missing_is_named(words, says, capsys, monkeypatch):
    for name in ("GADGETRON_EXTERNAL_PORT", "GADGETRON_EXTERNAL_MODULE"):
        monkeypatch.delenv(name, raising=False)
    assert main(words) == 2
    assert says in capsys.readouterr().err
