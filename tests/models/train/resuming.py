"""A training that was stopped behind a checkpoint, and gone on with."""

import json

import pytest
import torch


def goes_on(train, folder, steps, every):
    """Assert that a stopped ``train(folder, tell)`` ends as if it had not been stopped."""
    whole = train(folder, None)
    for name in ("checkpoint.pt", "curve.jsonl"):
        (folder / name).unlink()

    def stop(step, loss):
        if step == every + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(folder, stop)
    assert (folder / "checkpoint.pt").exists()
    again = []
    parts = train(folder, lambda step, loss: again.append(step))
    assert again == list(range(every + 1, steps + 1))
    curve = [json.loads(line)["step"] for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert curve == list(range(every, steps + 1, every))
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
