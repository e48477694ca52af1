"""Whether the server lives, and whether it should be given scans."""

from collections.abc import Mapping
from typing import Any

SILENT = 30.0
"""Seconds without a word of the listener, which speaks every two, after which it counts as hung."""


def dead(snapshot: Mapping[str, Any] | None) -> list[str]:
    """Why the server is to be started anew; a scan that runs, a drain or broken plug-ins are no reasons.

    Without a snapshot nothing is known: the listener itself replaces a collector that is gone.
    """
    heard = snapshot["server"]["heard"] if snapshot else None
    silent = heard is not None and heard > SILENT
    return [f"the listener has said nothing for {heard:.0f} s"] if silent else []


def unready(snapshot: Mapping[str, Any] | None, room: str = "") -> list[str]:
    """Why no scan should be sent here now; ``room`` is why the spool takes none."""
    if snapshot is None:
        return ["the collector does not answer"]
    server = snapshot["server"]
    reasons = dead(snapshot)
    if server["heard"] is None:
        reasons.append("the listener has not said anything yet")
    elif server["draining"]:
        reasons.append("the server is being stopped")
    elif server["fault"]:
        reasons.append(server["fault"])
    elif not server["ready"]:
        reasons.append("gadgets are being loaded")
    return [*reasons, room] if room else reasons
