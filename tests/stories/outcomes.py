"""The recorded stories with what must come out of them, read from outcomes.txt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Outcome:
    """A story, the recording it is replayed from, how the office is set up for it, and what comes out."""

    story: int
    recording: str
    setup: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def setup_of(self, what: str) -> dict[str, str]:
        return dict(self.setup.get(what, {}))


def read_outcomes() -> dict[str, Outcome]:
    """name -> outcome, as outcomes.txt says at its head."""
    outcomes: dict[str, Outcome] = {}
    text = (HERE / "outcomes.txt").read_text(encoding="utf-8")
    for block in text.split("\n= ")[1:]:
        head, *lines = block.strip().splitlines()
        number, name, recording, *rest = (part.strip() for part in head.split("|"))
        setup: dict[str, dict[str, str]] = {}
        for word in " ".join(rest).split():
            what, _, value = word.partition("=")
            room, _, key = what.partition(".")
            setup.setdefault(room, {})[key] = value
        outcomes[name] = Outcome(int(number), recording, setup, lines)
    return outcomes


OUTCOMES = read_outcomes()
