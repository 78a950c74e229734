"""The 40 stories as scripts of events, read from scripts.txt, and a house to rehearse them in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from nutshellpbx.calls.policy import EntryOwner, Policy
from nutshellpbx.calls.rehearsal import Desk, House, Line, What
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind, Via

START = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
PEOPLE = {"101": "Ada", "102": "Ben", "103": "Cyd", "104": "Dan", "105": "Eve"}
KINDS = {
    "rings": Kind.RINGING,
    "dials": Kind.DIALING,
    "answers": Kind.ANSWERED,
    "holds": Kind.HELD,
    "resumes": Kind.RESUMED,
    "updates": Kind.UPDATED,
    "joins": Kind.JOINED,
    "ends": Kind.ENDED,
}
WAYS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND, "internal": Direction.INTERNAL}


@dataclass(frozen=True, slots=True)
class Script:
    """A story's events in the order in which they come, what is set up in another way, and what comes out."""

    story: int
    events: list[CallEvent]
    setup: Mapping[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def house(self) -> House:
        """Five extensions; `owner.102=Ada`, `open_mode=…` (everybody's), `group_policy`, `entry_owner`."""
        owners = {**PEOPLE, **{key[6:]: who for key, who in self.setup.items() if key.startswith("owner.")}}
        open_mode = self.setup.get("open_mode", "ring")
        policy = Policy(
            group_policy=self.setup.get("group_policy", "card"),
            entry_owner=EntryOwner(self.setup.get("entry_owner", "longest")),
        )
        desks = {number: Desk(owner, ("crm",), open_mode=open_mode) for number, owner in owners.items()}
        return House(desks=desks, policy=policy, never=self.setup.get("never", ""))


def read_scripts() -> dict[str, Script]:
    """name -> script, as scripts.txt says at its head."""
    scripts: dict[str, Script] = {}
    text = (Path(__file__).parent / "scripts.txt").read_text(encoding="utf-8")
    for block in text.split("\n= ")[1:]:
        head, *lines = block.strip().splitlines()
        number, name, *rest = (part.strip() for part in head.split("|"))
        setup = dict(word.split("=") for word in " ".join(rest).split())
        numbers = count(1)
        events = [read_event(line, next(numbers)) for line in lines if not line.startswith(">")]
        told = [line[2:] for line in lines if line.startswith(">")]
        scripts[name] = Script(int(number), events, setup, told)
    return scripts


def read_event(line: str, number: int) -> CallEvent:
    """An event such as "12 101 answers": second, extension ("-": the whole call), what, and how."""
    second, extension, kind, *words = line.split()
    event = CallEvent(
        pbx="pbx",
        call_uid="c1",
        kind=KINDS[kind],
        at=START + timedelta(seconds=float(second)),
        leg="" if extension == "-" else extension,
        extension="" if extension == "-" else extension,
        direction=Direction.INBOUND,
        number="+13125550142",
        seq=f"1-{number}",
    )
    for word in words:
        what, _, value = word.partition("=")
        match what:
            case "in" | "out" | "internal":
                event = replace(event, direction=WAYS[what])
            case "queue" | "group":
                event = replace(event, via=Via(what), via_name=value)
            case "menu":
                event = replace(event, via=Via.MENU)
            case "call":
                event = replace(event, call_uid=value)
            case "leg" | "number" | "joins" | "seq":
                values: dict[str, Any] = {what: value}
                event = replace(event, **values)
            case _:
                event = replace(event, cause=Cause(what))
    if event.direction is Direction.INTERNAL and event.number.startswith("+1312"):
        event = replace(event, number="101")
    return event


def in_words(lines: Iterable[Line]) -> list[str]:
    """A rehearsal's lines by person, then what became of the calls."""
    people: dict[str, list[str]] = {}
    calls = []
    for line in lines:
        match line.what:
            case What.KEPT:
                now = "now " if line.why == "answered_after_all" else ""
                calls.append(f"entry {now}of {line.who}")
            case What.LEFT_OUT:
                calls.append(f"no entry: {line.why}")
            case What.NOTHING:
                pass
            case What.GONE:
                people.setdefault(line.who, []).append("gone")
            case _:
                people.setdefault(line.who, []).append(f"{line.what} on {line.moment}")
    return [*(f"{who}: {', '.join(things)}" for who, things in sorted(people.items())), *calls]


SCRIPTS = read_scripts()
