"""A short run of the fuzzers, and what longer ones have found."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from server.errors import ProtocolError
from server.wire.header import SPECIMEN, read_header
from server.wire.meta import read_meta
from tests.fuzz.decoder import fuzz


def test_mutated_conversations_headers_and_meta_are_read_or_refused():
    found, _ = fuzz(10_000)
    assert {target for target, _ in found} == {"stream", "header", "meta"}
    assert all(found["stream", what] for what in ("read", "refused", "content"))


@pytest.mark.parametrize("digits", [309, 400, 4000, 5000])
def test_a_number_too_large_for_a_float_is_none_at_all(digits):
    """Found by the fuzzer: an OverflowError."""
    scan = read_header(SPECIMEN.replace("<x>1</x>", f"<x>{'9' * digits}</x>"))
    assert scan.encodings[0].encoded.matrix[0] == 1


def test_a_prefix_of_no_namespace_is_malformed_xml():
    """Found by the fuzzer: ElementTree's own error, for the look at the XML before knew no namespaces."""
    with pytest.raises(ProtocolError, match="unbound prefix"):
        read_meta("<ismrmrdMeta><meta><name xsi:nil='true'>x</name></meta></ismrmrdMeta>")
    assert "unbound prefix" in read_header(SPECIMEN.replace("<TR>", "<TR xsi:nil='true'>")).fault


@pytest.mark.slow
def test_a_coverage_guided_run_finds_nothing(tmp_path):
    if find_spec("atheris") is None:
        pytest.skip("atheris has no wheel for this platform")
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.guided",
        "--seconds",
        "30",
        "--corpus",
        str(tmp_path / "corpus"),
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    assert "Done" in found.stderr
