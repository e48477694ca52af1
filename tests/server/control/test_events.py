import base64
import json

import pytest

from server.control.events import FIELDS, TEMPLATES, pack, unpack, words

GADGET = {"name": "Grappa", "seconds": 0.25, "items": 3, "queue": 1}
SAID = [
    ("server", {"pid": 1, "port": 9002, "since": 1.5, "draining": False, "limits": {"sessions": 16}}),
    ("session", {"peer": "[::1]:5000", "chain": "cartesian_fft", "keeper_pid": 7, "started": 1e9}),
    ("worker", {"worker_pid": 8}),
    ("progress", {"bytes": 1, "readouts": 2, "images": 0, "lag": 0.0, "gadgets": [GADGET]}),
    ("warning", {"template": "lag", "values": {"seconds": 3.5}}),
    ("outcome", {"state": "failed", "error": "a gadget failed", "images": 0}),
    ("view", {"name": "noise", "width": 1, "height": 1, "pixels": "AA==", "levels": [1.0], "marks": [0]}),
    ("preview", {"width": 128, "height": 128, "pixels": base64.b64encode(bytes(128 * 128)).decode()}),
]


@pytest.mark.parametrize(("kind", "fields"), SAID)
def test_what_is_packed_is_unpacked(kind, fields):
    event = unpack(pack("a-1", kind, fields))
    assert (event.session, event.kind, event.fields) == ("a-1", kind, fields)


def test_every_kind_of_event_was_tried():
    assert {kind for kind, _ in SAID} == set(FIELDS)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("patient", {}),
        ("session", {"patient": "DOE"}),
        ("session", {"peer": "DOE JOHN"}),
        ("session", {"chain": "x" * 81}),
        ("progress", {"bytes": -1}),
        ("progress", {"lag": float("nan")}),
        ("progress", {"bytes": 1 << 70}),
        ("progress", {"gadgets": [GADGET] * 65}),
        ("progress", {"gadgets": [GADGET | {"patient": "DOE"}]}),
        ("warning", {"template": "hello DOE"}),
        ("warning", {"template": "lag"}),
        ("warning", {"template": "lag", "values": {"seconds": "DOE JOHN"}}),
        ("outcome", {"state": "running"}),
        ("outcome", {"error": "x" * 1001}),
        ("preview", {"width": 4096, "height": 1, "pixels": ""}),
        ("preview", {"width": 1, "height": 1, "pixels": "A" * (1 << 16)}),
    ],
)
def test_what_is_not_on_the_list_cannot_be_said(kind, fields):
    with pytest.raises((ValueError, TypeError)):
        pack("a", kind, fields)


@pytest.mark.parametrize("session", ["", "../a", "DOE JOHN", "x" * 41, 3])
def test_a_session_is_named_by_a_plain_id(session):
    with pytest.raises(ValueError, match="id"):
        pack(session, "worker", {})


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"{}", b"3", b"null", b'["a"]', b"[" * 5000, json.dumps([1, 2, 3]).encode()]
)
def test_garbage_is_no_event(data):
    with pytest.raises((ValueError, TypeError)):
        unpack(data)


def test_an_oversized_event_is_not_read():
    with pytest.raises(ValueError, match="65536"):
        unpack(b"[" + b" " * (1 << 16) + b"]")


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_is_filled_by_numbers_and_words(template):
    values = dict.fromkeys(("gadget", "limit", "seconds", "bytes", "signal", "count"), 9)
    assert "{" not in words(template, values)
