"""Ended scans become traces, once, and an endpoint that is not there costs nothing."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from server.access import guard
from server.control.board import ROW
from server.settings import Settings, SettingsError
from server.status import traces
from tests.endtoend.scans import said, scan, send
from tests.endtoend.spawn import spawned, until

pytest.importorskip("opentelemetry.sdk.trace")


@contextmanager
def endpoint():
    """(address, the spans that came) of what takes OTLP over HTTP."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                found.extend(span for scope in each.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", found
        finally:
            server.shutdown()
            thread.join()


def session(name, state, **more):
    gadget = {"name": "Fourier", "seconds": 1.5, "items": 3, "queue": 0}
    facts = {"started": 1000.0, "seconds": 4.0, "chain": "cartesian_fft", "images": 3, "gadgets": [gadget]}
    return {"id": name, **ROW, **facts, "state": state, "warnings": 0, **more}


def values(span):
    return {
        each.key: each.value.string_value or each.value.int_value or each.value.double_value
        for each in span.attributes
    }


def test_an_ended_scan_is_one_span_and_one_for_each_gadget():
    with endpoint() as (address, found):
        made = traces.Traces(address, since=0.0)
        for state in ("running", "complete", "complete"):
            made.look({"sessions": [session("s-1", state), session("s-2", "failed", kind="data")]})
        made.close()
    assert sorted(each.name for each in found) == ["Fourier", "Fourier", "scan", "scan"]
    one = next(each for each in found if values(each).get("scanside.session") == "s-1")
    inner = next(each for each in found if each.parent_span_id == one.span_id)
    assert one.end_time_unix_nano - one.start_time_unix_nano == 4_000_000_000
    assert inner.end_time_unix_nano - inner.start_time_unix_nano == 1_500_000_000
    assert values(one)["scanside.images"] == values(inner)["scanside.items"] == 3
    (bad,) = (each for each in found if each.status.message)
    assert (bad.status.code, bad.status.message) == (2, "data")


def test_what_ended_before_it_began_is_not_sent_again():
    with endpoint() as (address, found):
        made = traces.Traces(address)
        made.look({"sessions": [session("s-1", "complete")]})
        made.close()
    assert found == []


def test_traces_without_their_package_are_refused_at_the_start(monkeypatch):
    with pytest.raises(SettingsError, match=r"pip install 'scanside\[traces\]'"):
        monkeypatch.setattr("server.access.lacking", lambda: "opentelemetry.sdk.trace")
        guard(Settings(traces="http://127.0.0.1:4318/v1/traces"))
    assert traces.lacking() == ""


@pytest.mark.slow
def test_a_server_sends_the_trace_of_a_real_scan(tmp_path):
    with endpoint() as (address, found), spawned(tmp_path / "state", traces=address) as server:
        answer, images = send(server.address, said("cartesian_fft", scan()))
        assert images
        assert not answer.error
        assert until(lambda: any(each.name == "scan" for each in found), 60), server.log
        assert {"Fourier", "Magnitude"} <= {each.name for each in found}
