"""The company's policies as data, and what they say of a call: pure, so that other rules can be tried out.

Which queue or dialled number means which CRM and settings, who is never shown or journaled, quiet hours, and
to whom a call's entry belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from nutshellpbx.phone import PhoneNumber

#: At the end of a number on a list: every number that begins so.
ANY = "*"
#: A shorter prefix would take whole countries for one alarm line.
SHORTEST_PREFIX = 3
#: Phones that begin to ring within this time ring at once: which is told of first is the PBX's whim.
AT_ONCE = timedelta(seconds=1)


class EntryOwner(StrEnum):
    """Whose entry a call is when several people spoke."""

    LONGEST = "longest"
    FIRST = "first"
    LAST = "last"


class Quiet(StrEnum):
    """What may still be shown in quiet hours."""

    NO = ""
    CARD = "card"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of each of these weekdays (Monday is 0); it may end after midnight, on the next day."""

    days: frozenset[int]
    begin: time
    end: time

    def has(self, local: datetime) -> bool:
        """Whether this local time lies within; hours that begin and end alike are the whole day."""
        if self.begin < self.end:
            return local.weekday() in self.days and self.begin <= local.time() < self.end
        if local.time() >= self.begin:
            return local.weekday() in self.days
        return local.time() < self.end and (local - timedelta(days=1)).weekday() in self.days


@dataclass(frozen=True, slots=True)
class NumberList:
    """Numbers by their compared digits, and beginnings of numbers."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def has(self, number: PhoneNumber) -> bool:
        digits = number.match_digits
        return bool(digits) and (digits in self.exact or digits.startswith(self.prefixes))


@dataclass(frozen=True, slots=True)
class LineRule:
    """What holds for calls through one queue or group, or to one dialled number; an empty value changes
    nothing.

    `kind` is "queue", "group" or "dialled"; `match` the queue's name as the PBX says it, or the number's
    compared digits. `crms` are the only CRMs that count (None: all granted ones). `settings` go over the
    user's own by the names of people.preferences.Effective.
    """

    kind: str
    match: str
    crms: frozenset[str] | None = None
    group_policy: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)

    def fits(self, *, via: str, via_name: str, dialled: str) -> bool:
        if self.kind == "dialled":
            return bool(dialled) and dialled == self.match
        return via == self.kind and via_name.casefold() == self.match.casefold()


@dataclass(frozen=True, slots=True)
class Policy:
    """The company's rules in force; lines in their order, the first that fits counts."""

    group_policy: str = "card"
    entry_owner: EntryOwner = EntryOwner.LONGEST
    quiet_shows: Quiet = Quiet.CARD
    never: NumberList = NumberList()
    never_log: NumberList = NumberList()
    never_pop: NumberList = NumberList()
    lines: tuple[LineRule, ...] = ()

    def rule_of(self, *, via: str, via_name: str, dialled: str) -> LineRule | None:
        """The line rule that holds: one for the queue goes before one for the number that was dialled."""
        fitting = [rule for rule in self.lines if rule.fits(via=via, via_name=via_name, dialled=dialled)]
        fitting.sort(key=lambda rule: rule.kind == "dialled")
        return fitting[0] if fitting else None

    def is_for_several(self, rule: LineRule | None, *, via: str, ringing: int) -> bool:
        """Whether a ring is a quiet card until somebody answers; `ringing`: how many people are rung now."""
        group_policy = (rule.group_policy if rule else "") or self.group_policy
        return group_policy != "open" and (via in {"queue", "group"} or ringing > 1)

    def is_quiet(self, hours: Sequence[Hours], local: datetime) -> Quiet:
        """What may be shown to somebody with these hours at this local time of his."""
        return self.quiet_shows if any(each.has(local) for each in hours) else Quiet.NO


def allowed(rule: LineRule | None, crms: Iterable[str]) -> list[str]:
    """Which of these CRMs count under a line rule."""
    return [crm for crm in crms if rule is None or rule.crms is None or crm in rule.crms]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A leg as the choice of the entry's owner sees it; `owner` and `crms` by their ids."""

    leg: str
    number: str
    owner: str = ""
    is_ours: bool = True
    crms: tuple[str, ...] = ()
    journaling: bool = True
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def talked_s(self) -> float:
        if self.answered_at is None or self.ended_at is None:
            return 0.0
        return max(0.0, (self.ended_at - self.answered_at).total_seconds())


def keepers_of(legs: Sequence[Candidate], entry_owner: EntryOwner) -> tuple[dict[str, str], str]:
    """For each CRM the leg whose owner keeps the call, else why nobody does (a code of Call.LeftOut).

    Who was only rung keeps nothing when a colleague spoke; of a call that nobody answered there is one
    keeper, who was rung first; of phones that ring at once, the lowest number.
    """
    spoke = [leg for leg in legs if leg.answered_at is not None]
    keepers: dict[str, str] = {}
    why_not = "no_extension"
    for leg in _in_order(spoke, entry_owner) if spoke else _as_rung(legs):
        if not leg.is_ours:
            continue
        if not leg.owner:
            why_not = "no_owner"
        elif not leg.crms:
            why_not = "no_grant"
        elif not leg.journaling:
            why_not = "journaling_off"
        else:
            for crm in leg.crms:
                keepers.setdefault(crm, leg.leg)
    return keepers, "" if keepers else why_not


def _in_order(spoke: Sequence[Candidate], entry_owner: EntryOwner) -> list[Candidate]:
    talked: dict[str, float] = {}
    for leg in spoke:
        talked[leg.owner or leg.number] = talked.get(leg.owner or leg.number, 0.0) + leg.talked_s
    by_answer = sorted(spoke, key=lambda leg: (leg.answered_at or _start(leg), _order(leg)))
    match entry_owner:
        case EntryOwner.FIRST:
            return by_answer
        case EntryOwner.LAST:
            return by_answer[::-1]
        case _:
            return sorted(by_answer, key=lambda leg: (-talked[leg.owner or leg.number], -leg.talked_s))


def _as_rung(legs: Sequence[Candidate]) -> list[Candidate]:
    ordered = sorted(legs, key=lambda leg: (_start(leg), _order(leg)))
    if not ordered:
        return []
    first = ordered[0]
    until = min(_start(first) + AT_ONCE, first.ended_at or datetime.max.replace(tzinfo=UTC))
    beside = [leg for leg in ordered if _start(leg) < until or _start(leg) == _start(first)]
    return [*sorted(beside, key=_order), *ordered[len(beside) :]]


def _order(leg: Candidate) -> tuple[int, str, str]:
    """Extensions in the order of their numbers: 99 comes before 100."""
    return len(leg.number), leg.number, leg.leg


def _start(leg: Candidate) -> datetime:
    start = leg.started_at or leg.answered_at or leg.ended_at
    if start is None:
        raise ValueError("a leg without any time")
    return start
