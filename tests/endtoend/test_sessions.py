"""Probes, queries, FIRE's way of speaking, several scanners at once, and the order of the end."""

import socket
import threading

import pytest

from server.parameters import to_text
from server.wire import encode
from server.wire.decode import decode_all
from tests.endtoend.scans import pixels, said, scan, send, singles

SCAN = scan(repetitions=2)


def talk(server, data):
    with socket.create_connection(server, timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        parts = iter(lambda: connection.recv(1 << 16), b"")
        return decode_all(b"".join(parts))


@pytest.mark.parametrize(
    "data",
    [
        encode.config_file("isalive.xml") + encode.close(),
        encode.config_file("cartesian_fft") + encode.close(),
        encode.close(),
    ],
    ids=["isalive", "chain and close", "close alone"],
)
def test_a_probe_is_answered_with_close_alone(server, data):
    assert [type(each).__name__ for each in talk(server, data)] == ["Close"]


def test_a_question_about_dependencies_is_answered_without_a_scan(server):
    found = talk(server, encode.config_file("gtquery.xml") + encode.close())
    assert [type(each).__name__ for each in found] == ["DependencyQuery", "Close"]
    assert "failed" in found[0].meta


def test_connecting_and_closing_is_no_error(server):
    assert [type(each).__name__ for each in talk(server, b"")] == ["Close"]


def test_a_query_may_come_before_the_configuration(server):
    found = talk(server, encode.query(42, "gadgetron::info") + encode.query(43, "what?") + encode.close())
    assert found[0].correlation == 42
    assert "Scanside" in found[0].text
    assert found[1].text == "Unknown query"


def test_fire_speaks_with_nul_and_sends_its_parameters_as_text(server):
    text = to_text({"RemoveOversampling.nothing": 1})
    answer, _ = send(server, said("cartesian_fft", SCAN, parameters=text, profile=encode.FIRE))
    assert "RemoveOversampling.nothing is no parameter" in answer.error
    text = to_text({"combinemethod": "adaptive", "sendOriginal": "True"})
    answer, images = send(server, said("cartesian_fft", SCAN, parameters=text, profile=encode.FIRE))
    assert not answer.error
    assert images[0].meta["ScansideCombine"] == "adaptive"
    assert any("'sendOriginal' belongs to no gadget" in each for each in answer.texts)


def test_fires_parameters_may_name_the_chain(server):
    text = to_text({"config": "cartesian_fft"})
    answer, images = send(server, said("openrecon", SCAN, parameters=text, profile=encode.FIRE))
    assert not answer.error
    assert len(images) == 2


def test_scanners_at_once_get_their_own_images(server):
    """Eight at once, each other noise; and one that idles between them stops nobody."""
    scans = [scan(seed=seed) for seed in range(8)]
    alone = [pixels(send(server, said("cartesian_fft", each))[1]) for each in scans]
    found = [None] * len(scans)

    def one(index):
        answer, images = send(server, said("cartesian_fft", scans[index]))
        found[index] = (answer.error, pixels(images))

    with socket.create_connection(server) as idle:
        idle.sendall(encode.config_file("cartesian_fft"))
        threads = [threading.Thread(target=one, args=(index,)) for index in range(len(scans))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [("", each) for each in alone]


def test_images_leave_while_data_still_arrive(server):
    """The first repetition's image is there before the second repetition is sent."""
    xml, items = SCAN
    arrived = threading.Event()
    every = [encode.readouts(each) for each in singles(items)]
    half = 64 + 32

    def parts():
        yield encode.config_file("cartesian_fft") + encode.header(xml)
        yield b"".join(every[:half])
        assert arrived.wait(30), "no image of the first repetition"
        yield b"".join(every[half:]) + encode.close()

    from server.client import converse

    answer = converse(server, parts(), lambda image: arrived.set(), patience=60)
    assert not answer.error
    assert answer.images == 2


def test_every_slice_leaves_on_its_own_last_line(server):
    xml, items = scan(slices=3, slice_order="interleaved")
    every = [encode.readouts(each) for each in singles(items)]
    seen = threading.Semaphore(0)

    def parts():
        yield encode.config_file("cartesian_fft") + encode.header(xml)
        yield b"".join(every[:-2])
        assert seen.acquire(timeout=30), "the first slice waits for the others"
        yield every[-2]
        assert seen.acquire(timeout=30), "the second slice waits for the third"
        yield every[-1] + encode.close()

    from server.client import converse

    answer = converse(server, parts(), lambda image: seen.release(), patience=60)
    assert not answer.error
    assert answer.images == 3


def test_images_carry_geometry_counters_and_meta(server):
    _, images = send(server, said("cartesian_fft", scan(slices=2, repetitions=2)))
    assert [(int(i.head["slice"]), int(i.head["repetition"])) for i in images] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
    ]
    assert len({tuple(i.head["position"]) for i in images}) == 2
    assert all(int(i.head["image_series_index"]) == 1 for i in images)
    assert [int(i.head["image_index"]) for i in images] == [1, 2, 3, 4]
    meta = images[0].meta
    for name in ("DataRole", "Keep_image_geometry", "ImageRowDir", "GADGETRON_ImageNumber", "ScansideNoise"):
        assert name in meta
    assert meta["ScansideNoiseSamples"] == str(64 * 64)
    assert len({i.meta["ScansideScale"] for i in images}) == 1
