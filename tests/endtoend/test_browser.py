"""A real browser on the page of a server that reconstructs a live scan."""

import os
import threading
import time
from pathlib import Path

import pytest

from server.client import conversation
from tests.browser import browser
from tests.endtoend.pages import paged
from tests.endtoend.scans import scan, send

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

PICTURES = os.environ.get("SCANSIDE_PICTURES")
"""Where the pictures of the documents go, when they are to be made anew."""


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_browser_follows_a_scan_and_runs_it_again(tmp_path):
    with paged(tmp_path / "state") as (server, address, tokens), browser() as window:
        window.open(address)
        window.write("#token", tokens["operator"])
        window.click("button")
        window.until(lambda it: "ready" in it.text("#server"))
        assert window.text("#none") == "No scan yet."
        scanner = threading.Thread(target=lambda: _scan(server))
        scanner.start()
        try:
            window.until(lambda it: "running" in it.text("#sessions"))
            first = int(window.until(lambda it: it.text("#sessions td:nth-child(5)") or None))
            window.until(lambda it: int(it.text("#sessions td:nth-child(5)")) > first)
            window.until(lambda it: it.text("#about"))
            window.until(lambda it: "of 96 lines" in it.text("#kspace-said"))
            window.until(lambda it: "4 channels" in it.text("#noise-said"))
        finally:
            scanner.join()
        window.until(lambda it: it.text("#outcome") == "complete")
        _window_and_level(window)
        _shoot(window, "page-live.png")
        window.click("nav button[data-view=history]")
        window.until(lambda it: "complete" in it.text("#entries"))
        window.click("#entries button")
        window.until(lambda it: "AlignEcho" in it.text("#graph"))
        window.set("#chain", "cartesian_grappa")
        window.until(lambda it: it.run("return !!document.querySelector('[name=\"Grappa.kernel\"]')"))
        window.set("[name='Grappa.kernel']", "wide")
        window.click("#check")
        window.until(lambda it: "Grappa.kernel" in it.text("#said"))
        _shoot(window, "page-chains.png")
        window.set("[name='Grappa.kernel']", "[7, 2]")
        window.click("#rerun")
        window.until(lambda it: it.run("return document.querySelectorAll('#sessions tr').length") == 2)
        window.until(lambda it: it.text("#sessions tr:first-child td:nth-child(3)") == "complete")


def _scan(server):
    """Twelve repetitions, one a second."""
    header, items = scan(columns=96, lines=96, coils=4, repetitions=12)
    messages = list(conversation("cartesian_fft", header, items))
    wait = 12.0 / len(messages)
    send(server, b"", (_late(each, wait) for each in messages))


def _late(message, seconds):
    time.sleep(seconds)
    return message


def _window_and_level(window):
    """A narrower window about a lower level makes the picture brighter."""
    total = (
        "const it = document.getElementById('image');"
        "return it.getContext('2d').getImageData(0, 0, it.width, it.height).data.reduce((a, b) => a + b, 0)"
    )
    before = window.until(lambda it: it.run(total))
    window.set("#window", "40")
    window.set("#level", "20")
    window.until(lambda it: it.run(total) > before)
    window.set("#window", "255")
    window.set("#level", "128")


def _shoot(window, name):
    if PICTURES:
        window.picture(Path(PICTURES) / name)
