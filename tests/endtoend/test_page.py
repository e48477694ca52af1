"""The page shows a scan to those who have a token, lets operators act, and refuses everybody else."""

import json
import time

import pytest

from server import audit
from tests.endtoend.pages import Client, paged
from tests.endtoend.scans import said, scan, send

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "state"
    with paged(folder) as found:
        send(found[0], said("cartesian_fft", scan()))
        yield *found, folder


@pytest.fixture
def viewer(page):
    made = Client(page[1])
    made.enter(page[2]["viewer"])
    return made


@pytest.fixture
def operator(page):
    made = Client(page[1])
    made.enter(page[2]["operator"])
    return made


def test_without_a_token_there_is_only_the_door(page):
    stranger = Client(page[1])
    assert "Token" in stranger.ask("/")[2]
    for path in ("/api/events", "/api/me", "/api/history", "/api/picture/x", "/api/chains"):
        assert stranger.ask(path)[0] == 403
    for path in ("/api/check", "/api/rerun", "/api/cancel"):
        assert stranger.ask(path, {})[0] == 403
    assert stranger.ask("/login", form={"token": "x"})[0] == 401


def test_the_cookie_is_for_this_page_alone(page):
    cookie = Client(page[1]).enter(page[2]["viewer"])
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert page[2]["viewer"] not in cookie


def test_every_answer_forbids_what_a_browser_need_not_do(page):
    for path in ("/", "/static/page.js", "/api/me", "/nothing"):
        headers = Client(page[1]).ask(path)[1]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_another_name_and_another_origin_are_refused(page, operator):
    assert operator.ask("/", Host="evil.example:9004")[0] == 421
    for origin in ("http://evil.example", "null", "https" + page[1].removeprefix("http")):
        assert operator.ask("/api/cancel", {"session": "x"}, Origin=origin)[0] == 403
    assert operator.ask("/api/check", {"chain": "x" * (1 << 17)})[0] == 413


def test_a_watcher_sees_sessions_with_their_pictures_and_no_patient(page, viewer):
    import urllib.request

    request = urllib.request.Request(page[1] + "/api/events", headers={"Cookie": viewer.cookie})
    with urllib.request.urlopen(request, timeout=30) as events:
        state = json.loads(events.readline().decode().removeprefix("data: "))
    (session,) = state["sessions"]
    assert (session["state"], session["chain"]) == ("complete", "cartesian_fft")
    assert session["series"]
    status, _, text = viewer.ask(f"/api/picture/{session['id']}?series={session['series'][0]}")
    picture = json.loads(text)
    assert (status, picture["width"], picture["height"]) == (200, 32, 32)
    assert viewer.ask("/api/picture/unknown")[0] == 404
    assert session["views"] == ["kspace", "noise"]
    shown = json.loads(viewer.ask(f"/api/picture/{session['id']}?view=kspace")[2])
    assert (shown["width"], shown["levels"]) == (32, [32, 32])
    assert viewer.ask(f"/api/picture/{session['id']}?view=trace")[0] == 404


def test_a_viewer_only_watches(viewer):
    assert json.loads(viewer.ask("/api/me")[2]) == {"role": "viewer"}
    for path in ("/api/rerun", "/api/cancel"):
        status, _, text = viewer.ask(path, {"session": "x", "chain": "cartesian_fft"})
        assert (status, json.loads(text)["error"]) == (403, "only an operator may do this")


def test_a_wrong_parameter_is_refused_with_its_reason(viewer):
    def checked(**parameters):
        named = {name.replace("_", ".", 1): value for name, value in parameters.items()}
        status, _, text = viewer.ask("/api/check", {"chain": "cartesian_grappa", "parameters": named})
        return status, json.loads(text).get("error", "")

    assert checked(Grappa_kernel="[7, 2]") == (200, "")
    assert checked(Grappa_kernel="wide")[0] == 422
    assert "Grappa.kernel" in checked(Grappa_kernel="wide")[1]
    assert "Nothing.at" in checked(Nothing_at="1")[1]
    assert viewer.ask("/api/chains/no_such")[0] == 422
    form = json.loads(viewer.ask("/api/chains/cartesian_grappa")[2])
    assert {"AlignEcho", "RemoveOversampling", "Grappa"} <= {each["gadget"] for each in form}


def test_an_operator_runs_a_spooled_scan_again_and_it_is_recorded(page, operator):
    (first,) = json.loads(operator.ask("/api/history")[2])
    assert first["state"] == "complete"
    asked = {"chain": "cartesian_fft", "entry": first["name"], "parameters": {"Combine.method": "rss"}}
    assert operator.ask("/api/rerun", asked)[0] == 200
    end = time.monotonic() + 60
    while (found := json.loads(operator.ask("/api/history")[2]))[-1]["rerun"] != "done":
        assert time.monotonic() < end, found
        time.sleep(0.2)
    assert [each["state"] for each in found] == ["complete", "complete"]
    noted = [each for each in audit.lines(page[3]) if each["who"].startswith("page operator")]
    assert {"entered", "re-ran"} <= {each["did"] for each in noted}
    audit.verify(page[3])
    assert operator.ask("/api/rerun", asked | {"entry": "../../etc"})[0] == 422
    assert operator.ask("/api/rerun", asked | {"chain": "/etc/passwd"})[0] == 422


def test_guessing_is_stopped(page):
    guesser = Client(page[1])
    answers = [guesser.ask("/login", form={"token": str(number)})[0] for number in range(7)]
    assert answers[-1] == 429
