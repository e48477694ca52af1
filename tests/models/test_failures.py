"""The model that comes with the project fails in no way that the table of failures knows."""

import pytest

from benchmarks import failures


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_failure_stays_within_its_limit():
    figures = list(failures.run())
    assert len(figures) > 20
    assert [
        f"{each.name}: {each.value:.3g}, limit {each.limit}" for each in figures if each.met is False
    ] == []
