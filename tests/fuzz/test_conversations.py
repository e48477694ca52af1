"""Whole conversations of chance against a spawned server, and content made to hurt."""

import re
import socket
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from gadgets.head import IMAGE_HEAD
from server.parameters import to_text
from server.wire import encode
from server.wire.decode import decode_all
from tests.endtoend.conftest import PLUGIN
from tests.endtoend.scans import said, scan, send, singles
from tests.endtoend.spawn import spawned
from tests.fuzz.decoder import NUMBERS, image, mutated, waveform

XML, ITEMS = SCAN = scan(columns=16, lines=16, reference_lines=4, noise_readouts=16)
GOOD = said("cartesian_fft", SCAN)
LINES = [encode.readouts(each) for each in singles(ITEMS)]
SITE = (
    PLUGIN
    + '''

from typing import Annotated

from gadgets.gadget import Site


@dataclass(frozen=True, kw_only=True)
class Fetch(Gadget):
    """Asks somebody for something; does nothing."""

    what: Annotated[str, Site] = ""
    command: str = ""
    folder: str = ""
    host: str = ""
    harmless: int = 0

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Block]:
        yield from stream
'''
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with spawned(
        tmp_path_factory.mktemp("fuzz") / "state", plugin=SITE, memory=1 << 30, finish=5, idle=5
    ) as found:
        assert found.ready(), "its limits of seconds are for scans, not for loading the gadgets"
        assert not send(found.address, GOOD)[0].error
        yield found


def answered(server, data):
    """All that comes back to some bytes and the peer's half-close; what a peer may never see is not in it."""
    with socket.create_connection(server.address, timeout=30) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        found = decode_all(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
    said_ = " ".join(getattr(each, "text", "") for each in found)
    assert "Traceback" not in said_
    assert "internal error" not in said_, said_
    assert "died" not in said_, said_
    assert type(found[-1]).__name__ == "Close"
    return found


def test_conversations_of_chance_end_with_close_and_harm_nobody(server):
    class Conversation(RuleBasedStateMachine):
        """Messages in any order, whole, mutated or cut; at the end the server answers, and serves another."""

        @initialize()
        def begin(self):
            self.parts = []

        @rule(
            name=st.sampled_from(["cartesian_fft", "isalive.xml", "gtquery", "../x", "", "cartesian_grappa"])
        )
        def chain(self, name):
            self.parts.append(encode.config_file(name))

        @rule(
            text=st.sampled_from(
                ["chain:\n- MeasureNoise\n", "chain: []\n", "<a/>", "", "chain:\n- Fetch: {host: x}\n"]
            )
        )
        def chain_text(self, text):
            self.parts.append(encode.config_text(text))

        @rule(
            xml=st.sampled_from(
                [XML, "", "Dummy XML header", "<ismrmrdHeader/>", XML[:-9], XML.replace("32", "0")]
            )
        )
        def header(self, xml):
            self.parts.append(encode.header(xml))

        @rule(start=st.integers(0, len(LINES) - 1), count=st.integers(1, 64))
        def lines(self, start, count):
            self.parts += LINES[start : start + count]

        @rule(which=st.sampled_from(["image", "waveform", "query", "text", "close", "unknown", "array"]))
        def other(self, which):
            self.parts.append(
                {
                    "image": image(),
                    "waveform": waveform(),
                    "query": encode.query(1, "gadgetron::info"),
                    "text": encode.text(to_text({"combinemethod": "rss"})),
                    "close": encode.close(),
                    "unknown": struct.pack("<H", 77),
                    "array": struct.pack("<HHHHQ", 1030, 5, 1, 1, 2) + bytes(8),
                }[which]
            )

        @rule(seed=st.integers(0, 2**32 - 1), number=st.sampled_from(NUMBERS))
        def mutation(self, seed, number):
            if self.parts:
                self.parts[-1] = mutated(self.parts[-1], np.random.default_rng(seed), self.parts)

        @rule(size=st.integers(1, 2000))
        def cut(self, size):
            if self.parts:
                self.parts[-1] = self.parts[-1][:-size]

        def teardown(self):
            data = b"".join(getattr(self, "parts", []))
            answered(server, data)

    quick = [HealthCheck.too_slow, HealthCheck.data_too_large]
    found = settings(
        max_examples=40, stateful_step_count=12, deadline=None, suppress_health_check=quick, derandomize=True
    )
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Conversation, settings=found)
    assert not send(server.address, GOOD)[0].error
    assert "the keeper failed" not in server.log
    assert "Traceback" not in server.log, server.log[-3000:]


LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
BOMB = "chain:\n- &a [x, x]\n- &b [*a, *a]\n- [*b, *b]\n"
BODY = XML.partition("?>")[2]


def header(xml):
    return said("cartesian_fft", (xml, ITEMS))


def text(words):
    return said(words, SCAN)


def with_meta(meta):
    head = np.zeros((), IMAGE_HEAD)
    head["channels"], head["data_type"], head["matrix_size"] = 1, 5, (1, 1, 1)
    start = encode.config_file("default_measurement_dependencies") + encode.header(XML)
    return (
        start
        + struct.pack("<H", 1022)
        + head.tobytes()
        + struct.pack("<Q", len(meta))
        + meta
        + bytes(4)
        + encode.close()
    )


HOSTILE = {
    "billion laughs": (header(LAUGHS + BODY), "DOCTYPE"),
    "external entity": (header(OUTSIDE + BODY), "DOCTYPE"),
    "deep header": (header("<a>" * 10_000 + "</a>" * 10_000), "deeper than 64"),
    "YAML bomb": (text(BOMB), "anchors or aliases"),
    "deep YAML": (text("chain:\n- " + "[" * 1000 + "]" * 1000 + "\n"), "deeper than 16"),
    "deep YAML without end": (text("chain:\n- " + "[" * 30_000), "deeper than 16|malformed"),
    "long YAML": (text("chain:\n" + "- Magnitude\n" * 10_000), "at most 65536"),
    "python in YAML": (text("chain:\n- !!python/object/apply:os.system [id]\n"), "malformed YAML"),
    "oversized meta": (with_meta(b" " * ((1 << 20) + 1)), "above the limit of 1048576"),
    "deep meta": (with_meta(b"<a>" * 20 + b"</a>" * 20), "deeper than 16"),
    "entities in meta": (with_meta(LAUGHS.encode() + b"<a/>"), "DOCTYPE"),
    "entities in a question": (encode.config_text(LAUGHS + "<a/>") + encode.close(), None),
    "unbound prefix in a question": (encode.config_text("<a b:c='d'/>") + encode.close(), None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_content_made_to_hurt_is_refused(server, name):
    data, reason = HOSTILE[name]
    words = " ".join(getattr(each, "text", "") for each in answered(server, data))
    assert reason is None or re.search(reason, words), words
    assert "the keeper failed" not in server.log


@pytest.mark.parametrize("field", ["what", "command", "folder", "host"])
@pytest.mark.parametrize("way", ["chain", "parameter"])
def test_a_path_an_address_or_a_command_off_the_wire_is_refused_by_name(server, field, way):
    chain = "chain:\n- Fetch: {harmless: 1}\n- RemoveOversampling\n- Accumulate\n- Fourier\n- Combine\n"
    if way == "chain":
        data = said(chain.replace("harmless: 1", f"{field}: rm"), SCAN)
    else:
        data = said(chain, SCAN, parameters=to_text({f"Fetch.{field}": "rm"}))
    words = " ".join(getattr(each, "text", "") for each in answered(server, data))
    assert f"Fetch.{field} names something of this site" in words
    assert not send(server.address, said(chain, SCAN))[0].error
