"""What all sessions together have done since the collector began: sums that only grow, under few names."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST = 64
"""Names of chains or gadgets that are told apart; the rest is one."""

REST = "(other)"
SUMS = ("bytes", "readouts", "images")


@dataclass
class Totals:
    """Sums by chain, state, kind of error and gadget; none of these is a word of a peer's own."""

    sums: Counter[str] = field(default_factory=Counter)
    sessions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Sessions that ended, by (chain, state)."""

    seconds: Counter[str] = field(default_factory=Counter)
    """How long they took, by chain."""

    errors: Counter[str] = field(default_factory=Counter)
    """By kind."""

    gadget_seconds: Counter[str] = field(default_factory=Counter)
    gadget_items: Counter[str] = field(default_factory=Counter)
    warnings: int = 0

    def grow(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Add what a session did between two of its states."""
        for name in SUMS:
            self.sums[name] += max(0, after[name] - before[name])
        known = [*before["gadgets"], *[{}] * len(after["gadgets"])]
        for old, new in zip(known, after["gadgets"], strict=False):
            old = old if old.get("name") == new["name"] else {}
            name = _bounded(new["name"], self.gadget_seconds)
            self.gadget_seconds[name] += max(0.0, new["seconds"] - old.get("seconds", 0.0))
            self.gadget_items[name] += max(0, new["items"] - old.get("items", 0))

    def ended(self, facts: Mapping[str, Any]) -> None:
        """Count a session whose end is known."""
        chain = _bounded(facts["chain"] or "(none)", self.seconds)
        self.sessions[chain, facts["state"]] += 1
        self.seconds[chain] += facts["seconds"]
        if facts["error"]:
            self.errors[facts["kind"] or "unknown"] += 1

    def shown(self) -> dict[str, Any]:
        """As plain values."""
        return {
            **{name: self.sums[name] for name in SUMS},
            "sessions": [[*names, count] for names, count in sorted(self.sessions.items())],
            "seconds": dict(self.seconds),
            "errors": dict(self.errors),
            "gadget_seconds": dict(self.gadget_seconds),
            "gadget_items": dict(self.gadget_items),
            "warnings": self.warnings,
        }


def _bounded(name: str, known: Iterable[str]) -> str:
    names = set(known)
    return name if name in names or len(names) < MOST else REST
