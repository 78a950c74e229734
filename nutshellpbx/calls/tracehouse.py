"""The rules that a call was played by, and what came of it, as they stand in its trace: with nobody's name.

Pure. People and CRMs are "person-1" and "crm-1"; of the company's rules only those that touch this call are
there; a number on a list is only the fact that it stands on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any, Final
from zoneinfo import ZoneInfo

from nutshellpbx.calls.decide import Known
from nutshellpbx.calls.policy import EntryOwner, Hours, LineRule, Policy, Quiet
from nutshellpbx.calls.rehearsal import Desk, House, Line, What

#: Stands for the number that was dialled, in a house that a rule for it holds in.
DIALLED: Final = "dialled"
MOST_DESKS: Final = 200
MOST_SIGNS: Final = 200
FACTS: Final = ("is_never_log", "is_never_pop", "is_private")
SWITCHES: Final = ("open_after", "journaling")

#: What decided against the rules: the state of a desk, a key or the clock, which no trace holds.
CIRCUMSTANCES: Final = frozenset(
    {"over_before", "no_desktop", "too_late", "no_key", "key_refused", "crm_off", "owner_changed"}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: what was shown to whom, whose entry it is or why there is none.

    `seen` are (what, who, crm, moment, why); `hindered` are (who, crm, moment, why) for what the rules gave
    and the circumstances did not.
    """

    seen: tuple[tuple[str, str, str, str, str], ...] = ()
    hindered: tuple[tuple[str, str, str, str], ...] = ()

    def named(self, name: Callable[[str, str], str]) -> Outcome:
        """The same with people and CRMs renamed by `name` (kind, id)."""
        seen = tuple(
            (what, name("person", who), name("crm", crm), moment, why)
            for what, who, crm, moment, why in self.seen
        )
        hindered = tuple(
            (name("person", who), name("crm", crm), moment, why) for who, crm, moment, why in self.hindered
        )
        return Outcome(seen, hindered)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a replay says and the recording does not, and the other way round; words for a developer."""

    missing: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    @property
    def is_any(self) -> bool:
        return bool(self.missing or self.new)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules and the outcome that a trace carries."""

    house: House = field(default_factory=lambda: House(desks={}))
    outcome: Outcome = Outcome()


def compare(outcome: Outcome, lines: Iterable[Line]) -> Difference:
    """Hold a replay against what was recorded; what circumstances hindered is no difference."""
    hindered = {(who, crm, moment) for who, crm, moment, _why in outcome.hindered}
    played: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        if line.what in {What.NOTHING, What.GONE} or (line.who, line.crm, line.moment) in hindered:
            continue
        played[(line.what, line.who, line.crm, line.moment, _why(line.what, line.why))] += 1
    recorded: Counter[tuple[str, ...]] = Counter(
        (what, who, crm, moment, _why(what, why)) for what, who, crm, moment, why in outcome.seen
    )
    return Difference(_words(recorded - played), _words(played - recorded))


def house_as_json(
    house: House, *, extensions: Mapping[str, str], queues: Mapping[str, str], name: Callable[[str, str], str]
) -> dict[str, Any]:
    """The house of one call: its desks and the rules that fit it (`extensions`, `queues`: as they are -> as
    the trace calls them).
    """
    rules = [_rule_as_json(rule, house, queues, name) for rule in house.policy.lines]
    return {
        "desks": {
            shown: _desk_as_json(house.desks[number], name)
            for number, shown in extensions.items()
            if number in house.desks
        },
        "group_policy": house.policy.group_policy,
        "entry_owner": str(house.policy.entry_owner),
        "quiet_shows": str(house.policy.quiet_shows),
        "rules": [rule for rule in rules if rule],
        "known": str(house.known),
        "never": house.never,
        "presented_digits": house.presented_digits,
        **{fact: getattr(house, fact) for fact in FACTS},
    }


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """What came of it, as lists."""
    return {"seen": [list(row) for row in outcome.seen], "hindered": [list(row) for row in outcome.hindered]}


def rules_from_json(house: Any, outcome: Any) -> Rules:
    """Read both back; raises KeyError, TypeError or ValueError for what cannot be one."""
    seen = tuple(_row(row, 5) for row in outcome["seen"])
    hindered = tuple(_row(row, 4) for row in outcome["hindered"])
    if len(house["desks"]) > MOST_DESKS or len(seen) > 10 * MOST_DESKS:
        raise ValueError("more than one call has")
    rules = [_rule_from_json(rule) for rule in house["rules"]]
    policy = Policy(
        group_policy=_text(house["group_policy"]),
        entry_owner=EntryOwner(house["entry_owner"]),
        quiet_shows=Quiet(house["quiet_shows"]),
        lines=tuple(rules),
    )
    facts = {fact: _flag(house[fact]) for fact in FACTS}
    read = House(
        desks={_text(number): _desk_from_json(desk) for number, desk in house["desks"].items()},
        policy=policy,
        known=Known(house["known"]),
        never=_text(house["never"]),
        dialled=DIALLED if any(rule.kind == "dialled" for rule in rules) else "",
        presented_digits=int(house["presented_digits"]),
        **facts,
    )
    return Rules(read, Outcome(seen, hindered))  # type: ignore[arg-type]


def with_settings(house: House, **changed: Any) -> House:
    """The house with other settings at every desk."""
    return replace(house, desks={number: replace(desk, **changed) for number, desk in house.desks.items()})


def _why(what: str, why: str) -> str:
    """Only for a call that was left out is the reason part of the outcome."""
    return why if what == What.LEFT_OUT else ""


def _words(rows: Counter[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(" ".join(part for part in row if part) for row in sorted(rows.elements()))


def _desk_as_json(desk: Desk, name: Callable[[str, str], str]) -> dict[str, Any]:
    return {
        "owner": name("person", desk.owner),
        "crms": [name("crm", crm) for crm in desk.crms],
        "open_mode": desk.open_mode,
        "unknown": desk.unknown,
        "open_after": desk.open_after,
        "journaling": desk.journaling,
        "longer_than": desk.longer_than,
        "quiet_hours": [
            {"days": sorted(hours.days), "begin": f"{hours.begin:%H:%M}", "end": f"{hours.end:%H:%M}"}
            for hours in desk.quiet_hours
        ],
        "zone": desk.zone.key if desk.quiet_hours else "UTC",
    }


def _desk_from_json(desk: Any) -> Desk:
    return Desk(
        owner=_text(desk["owner"]),
        crms=tuple(_text(crm) for crm in desk["crms"][:MOST_DESKS]),
        open_mode=_text(desk["open_mode"]),
        unknown=_text(desk["unknown"]),
        longer_than=int(desk["longer_than"]),
        quiet_hours=tuple(
            Hours(
                frozenset(int(day) for day in hours["days"]),
                time.fromisoformat(hours["begin"]),
                time.fromisoformat(hours["end"]),
            )
            for hours in desk["quiet_hours"]
        ),
        zone=ZoneInfo(_text(desk["zone"])),
        **{switch: _flag(desk[switch]) for switch in SWITCHES},
    )


def _rule_as_json(
    rule: LineRule, house: House, queues: Mapping[str, str], name: Callable[[str, str], str]
) -> dict[str, Any]:
    """A rule for a queue of this call or for its dialled number; empty for any other."""
    if rule.kind == "dialled":
        match = DIALLED if house.dialled and rule.match == house.dialled else ""
    else:
        wanted = rule.match.casefold()
        match = next((shown for queue, shown in queues.items() if queue.casefold() == wanted), "")
    if not match:
        return {}
    return {
        "kind": rule.kind,
        "match": match,
        "crms": None if rule.crms is None else sorted(name("crm", crm) for crm in rule.crms),
        "group_policy": rule.group_policy,
        "settings": dict(rule.settings),
    }


def _rule_from_json(rule: Any) -> LineRule:
    settings = {
        _text(key): value if isinstance(value, bool) else _text(value)
        for key, value in rule["settings"].items()
        if key in {"open_mode", "unknown", *SWITCHES}
    }
    return LineRule(
        kind=_text(rule["kind"]),
        match=_text(rule["match"]),
        crms=None if rule["crms"] is None else frozenset(_text(crm) for crm in rule["crms"]),
        group_policy=_text(rule["group_policy"]),
        settings=settings,
    )


def _row(row: Any, length: int) -> tuple[str, ...]:
    if not isinstance(row, list) or len(row) != length:
        raise ValueError("not a row of an outcome")
    return tuple(_text(part) for part in row)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_SIGNS:
        raise ValueError("not a short text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value
