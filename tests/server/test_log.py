import json
import logging
import sys

import pytest

from server import log


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(log, "HERE", log.Context())


def record(message, *values, fault=None):
    info = (type(fault), fault, None) if fault else None
    return logging.LogRecord("server.here", logging.WARNING, __file__, 1, message, values, info)


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_hidden_stands_in_no_line_and_no_traceback(here, form):
    log.hide({"DOE^JANE", "Müller"})
    lines = log.FORMS[form]()
    said = lines.format(
        record("the scan of %s, says Müller", "doe^jane", fault=ValueError("no DOE^JANE here"))
    )
    assert "doe" not in said.lower()
    assert "ller" not in said
    assert said.count("[hidden]") == 3


def test_a_json_line_is_one_object_with_the_session(here):
    log.belong("s-7")
    said = log.FORMS["json"]().format(record("two\nlines", fault=ValueError("x")))
    assert "\n" not in said
    found = json.loads(said)
    assert found["message"] == "two\nlines"
    assert (found["level"], found["where"], found["session"]) == ("warning", "server.here", "s-7")
    assert found["traceback"] == "ValueError: x"
    assert found["time"].endswith("+00:00")


def test_printed_lines_become_events_whole_and_bounded(here, caplog):
    stream = log.Printed(logging.WARNING)
    with caplog.at_level(logging.WARNING):
        print("one", "line", file=stream)
        print("half a", end="", file=stream)
        print(" line", file=stream)
        stream.write("\n\n" + "x" * 10_000)
    texts = [each.getMessage() for each in caplog.records]
    assert texts[:2] == ["printed: one line", "printed: half a line"]
    assert len(texts[2]) <= log.LONGEST + 10
    assert sys.stdout is not stream
