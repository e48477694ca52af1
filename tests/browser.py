"""A browser that a test drives: Chromium by its driver's own protocol (W3C WebDriver), no library between."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress

import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1280,1000",
]


class Browser:
    """One window."""

    def __init__(self, base):
        self._base = base
        options = {"goog:chromeOptions": {"args": FLAGS, "binary": shutil.which("chromium")}}
        found = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self._base += f"/session/{found['sessionId']}"

    def _ask(self, method, path, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self._base + path, data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, address):
        self._ask("POST", "/url", {"url": address})

    def run(self, script, *arguments):
        """What a script in the page returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def _find(self, selector):
        return self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._ask("POST", f"/element/{self._find(selector)}/click")

    def write(self, selector, text):
        self._ask("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def set(self, selector, value):
        """Give a control its value, as a hand would: its own events follow."""
        self.run(
            "const it = document.querySelector(arguments[0]); it.value = arguments[1];"
            "for (const each of ['input', 'change']) it.dispatchEvent(new Event(each, {bubbles: true}))",
            selector,
            value,
        )

    def until(self, question, seconds=90.0):
        """Wait for what a question about the browser answers to be true."""
        end = time.monotonic() + seconds
        while not (found := question(self)):
            assert time.monotonic() < end, (
                f"not within {seconds} s: {self.run('return document.body.innerText')}"
            )
            time.sleep(0.2)
        return found

    def picture(self, path):
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def close(self):
        with suppress(OSError):
            self._ask("DELETE", "")


@contextmanager
def browser():
    if not shutil.which("chromedriver") or not shutil.which("chromium"):
        pytest.skip("chromium and chromedriver are not installed")
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            line = next(each for each in driver.stdout if "started successfully on port" in each)
            made = Browser(f"http://127.0.0.1:{line.rstrip().rstrip('.').rpartition(' ')[2]}")
            try:
                yield made
            finally:
                made.close()
        finally:
            driver.terminate()
