"""A call without the house: events in, what everybody would have seen and what would have been kept out.

Pure: states, desks, decide and policy alone, as the flow uses them, with a CRM that answers at once. For the
replay of a recorded call, and for trying out other rules on yesterday's calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from nutshellpbx.calls import decide, desks
from nutshellpbx.calls.effects import Close, Correct, Effect, Present, Withdraw
from nutshellpbx.calls.joining import join
from nutshellpbx.calls.policy import Candidate, Hours, LineRule, Policy, Quiet, allowed, keepers_of
from nutshellpbx.calls.states import (
    BEGINS,
    CallPicture,
    LegPicture,
    hear,
    time_out,
)
from nutshellpbx.pbx.events import CallEvent, Direction, Kind

#: An id that comes again this long after its call ended is a new call.
REUSED_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Desk:
    """An extension with all that decides about it; `owner` is empty where it has none."""

    owner: str = ""
    crms: tuple[str, ...] = ()
    open_mode: str = "ring"
    unknown: str = "form"
    open_after: bool = True
    journaling: bool = True
    longer_than: int = 5
    quiet_hours: tuple[Hours, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class House:
    """The lines by extension number, the company's rules, what the CRMs know of the caller, and why he may be
    never matched (empty: he may; see callers.never_reason).
    """

    desks: Mapping[str, Desk]
    policy: Policy = Policy()
    known: decide.Known = decide.Known.ONE
    never: str = ""
    is_never_log: bool = False
    is_never_pop: bool = False
    is_private: bool = False
    dialled: str = ""
    presented_digits: int = 11


class What(StrEnum):
    """What a person sees, or what becomes of the call."""

    CARD = "card"
    RECORD = "record"
    CHOOSER = "chooser"
    FORM = "form"
    CREATE = "create"
    GONE = "gone"
    NOTHING = "nothing"
    KEPT = "kept"
    LEFT_OUT = "left_out"


PAGES = frozenset({What.RECORD, What.CHOOSER, What.FORM, What.CREATE})


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happens: to whom (an owner; empty for the call), at which extension, and why."""

    at: datetime
    call: str
    what: What
    who: str = ""
    extension: str = ""
    crm: str = ""
    moment: str = ""
    why: str = ""


@dataclass(slots=True)
class _Stand:
    """A call as it is played: who was shown what, who sees a card of it now."""

    uid: str
    call: CallPicture = CallPicture()
    shown: set[tuple[str, str, str]] = field(default_factory=set)  # leg, CRM, moment
    cards: dict[tuple[str, str], set[str]] = field(default_factory=dict)  # person, CRM -> legs
    live_pages: set[str] = field(default_factory=set)
    joined: bool = False


def rehearse(events: Iterable[CallEvent], house: House) -> list[Line]:
    """Play these events; calls that never end are ended by their time-outs. Never raises."""
    rehearsal = Rehearsal(house)
    lines = [line for event in events for line in rehearsal.hear(event)]
    return [*lines, *rehearsal.let_pass(timedelta(days=1))]


class Rehearsal:
    """A house in which events are played; calls are told apart by their id and how often it came again."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.stands: list[_Stand] = []
        self._by_uid: dict[str, _Stand] = {}
        self._seen: set[str] = set()

    def hear(self, event: CallEvent) -> list[Line]:
        """What follows from one event; nothing from one that was heard before."""
        if event.seen_id and event.seen_id in self._seen:
            return []
        self._seen.add(event.seen_id)
        stand = self._find(event) or self._start(event.call_uid, event.at)
        if event.kind is Kind.JOINED and event.joins:
            return self._join(stand, event)
        stand.call, effects, _late = hear(stand.call, event)
        return _play(stand, effects, event.at, self.house)

    def let_pass(self, silence: timedelta) -> list[Line]:
        """What follows when nothing is heard for so long."""
        lines: list[Line] = []
        for stand in self.stands:
            if stand.call.is_live and not stand.joined and stand.call.quiet_at is not None:
                now = stand.call.quiet_at + silence
                stand.call, effects = time_out(stand.call, now)
                lines += _play(stand, effects, now, self.house)
        return lines

    def _find(self, event: CallEvent) -> _Stand | None:
        stand = self._by_uid.get(event.call_uid)
        if stand is None or stand.call.ended_at is None:
            return stand
        is_new = event.kind in BEGINS and event.at > stand.call.ended_at + REUSED_AFTER
        return None if is_new else stand

    def _start(self, uid: str, at: datetime) -> _Stand:
        times = sum(1 for stand in self.stands if stand.uid.partition(" ")[0] == uid)
        stand = _Stand(f"{uid} ({times + 1})" if times else uid, CallPicture(started_at=at, quiet_at=at))
        self._by_uid[uid] = stand
        self.stands.append(stand)
        return stand

    def _join(self, stand: _Stand, event: CallEvent) -> list[Line]:
        other = self._by_uid.get(event.joins) or self._start(event.joins, event.at)
        if other is stand or not (other.call.is_live and stand.call.is_live):
            return []
        gone = [
            Line(event.at, stand.uid, What.GONE, who=who, crm=crm)
            for (who, crm), legs in stand.cards.items()
            if legs
        ]
        other.call, effects = join(other.call, stand.call, uid=event.call_uid)
        stand.joined, stand.cards = True, {}
        for uid, each in self._by_uid.items():
            if each is stand:
                self._by_uid[uid] = other
        return [*gone, *_play(other, effects, event.at, self.house)]


def _play(stand: _Stand, effects: list[Effect], at: datetime, house: House) -> list[Line]:
    legs = {leg.uid: leg for leg in stand.call.legs}
    people = {
        uid: desks.line_of(leg, stand.call.legs, owner=_desk(house, leg.number).owner)
        for uid, leg in legs.items()
    }
    lines: list[Line] = []
    for effect in desks.for_people(effects, people):
        match effect:
            case Present(leg=uid, moment=moment):
                lines += _present(stand, legs[uid], moment, at, house)
            case Withdraw(leg=uid):
                lines += _withdraw(stand, legs[uid], at, house)
            case Close():
                lines += _close(stand, at, house)
            case Correct():
                kept = [line for line in _keep(stand, at, house) if line.what is What.KEPT]
                lines += [replace(line, why="answered_after_all") for line in kept]
    return lines


def _present(stand: _Stand, leg: LegPicture, moment: str, at: datetime, house: House) -> list[Line]:
    desk = _desk(house, leg.number)
    rule = _rule(leg, house)
    if stand.call.direction is Direction.INTERNAL or not desk.owner or not desk.crms:
        return []
    lines = []
    for crm in allowed(rule, desk.crms):
        base = Line(at, stand.uid, What.NOTHING, desk.owner, leg.number, crm, moment)
        if (leg.uid, crm, moment) in stand.shown:
            continue
        if not stand.call.number or house.never:
            lines.append(replace(base, why="never_matched"))
            continue
        stand.shown.add((leg.uid, crm, moment))
        if house.is_never_pop or house.presented_digits <= desk.longer_than:
            lines.append(replace(base, why="never_pop" if house.is_never_pop else "too_short"))
            continue
        lines.append(_show(stand, leg, base, _under(desk, rule), rule, house))
    return lines


def _show(
    stand: _Stand, leg: LegPicture, base: Line, desk: Desk, rule: LineRule | None, house: House
) -> Line:
    standing = stand.cards.setdefault((desk.owner, base.crm), set())
    ringing = {
        _desk(house, other.number).owner or other.number
        for other in stand.call.legs
        if other.state == "ringing"
    }
    show, why = decide.decide(
        moment=decide.Moment(base.moment),
        settings=decide.Settings(desk.open_mode, desk.unknown, desk.open_after, desk.journaling),
        known=house.known,
        for_several=house.policy.is_for_several(rule, via=leg.via, ringing=len(ringing)),
        shown_before=bool(standing),
        quiet=_quiet(desk, base.at, house),
    )
    what = What(show)
    if what in PAGES and base.moment != "after":
        if desk.owner in stand.live_pages:
            what, why = (What.NOTHING if standing else What.CARD), "page_stands"
        stand.live_pages.add(desk.owner)
    if what is not What.NOTHING and base.moment != "after":
        standing.add(leg.uid)
    return replace(base, what=what, why=why)


def _withdraw(stand: _Stand, leg: LegPicture, at: datetime, house: House) -> list[Line]:
    owner = _desk(house, leg.number).owner
    lines = []
    for (who, crm), standing in stand.cards.items():
        if who == owner and leg.uid in standing:
            standing.discard(leg.uid)
            if not standing:
                lines.append(Line(at, stand.uid, What.GONE, owner, leg.number, crm))
    return lines


def _close(stand: _Stand, at: datetime, house: House) -> list[Line]:
    kept = _keep(stand, at, house)
    lines = list(kept)
    for line in kept:
        leg = next((leg for leg in stand.call.legs if leg.uid == line.moment), None)
        if line.what is What.KEPT and leg is not None and leg.answered_at is not None:
            base = replace(line, what=What.NOTHING, moment="after", why="")
            rule = _rule(leg, house)
            after = _show(stand, leg, base, _under(_desk(house, leg.number), rule), rule, house)
            lines += [after] if after.what is not What.NOTHING and not house.is_never_pop else []
    return [replace(line, moment="") if line.what is What.KEPT else line for line in lines]


def _keep(stand: _Stand, at: datetime, house: House) -> list[Line]:
    """The entries of a call that is over (`moment` is the keeper's leg), or why there is none."""
    call = stand.call
    candidates = [_candidate(leg, house) for leg in call.legs]
    left_out = Line(at, stand.uid, What.LEFT_OUT)
    if house.is_private:
        return [replace(left_out, why="private")]
    if call.direction is Direction.INTERNAL:
        return [replace(left_out, why="internal")]
    if not call.number or house.never or house.is_never_log:
        return [replace(left_out, why="never_log")]
    keepers, why_not = keepers_of(candidates, house.policy.entry_owner)
    by_uid = {leg.uid: leg for leg in call.legs}
    if not keepers:
        return [replace(left_out, why=why_not)]
    return [
        Line(at, stand.uid, What.KEPT, _desk(house, by_uid[uid].number).owner, by_uid[uid].number, crm, uid)
        for crm, uid in keepers.items()
    ]


def _candidate(leg: LegPicture, house: House) -> Candidate:
    rule = _rule(leg, house)
    desk = _under(_desk(house, leg.number), rule)
    return Candidate(
        leg=leg.uid,
        number=leg.number,
        owner=desk.owner,
        is_ours=leg.number in house.desks,
        crms=tuple(allowed(rule, desk.crms)),
        journaling=desk.journaling,
        started_at=leg.started_at or leg.ended_at or leg.answered_at,
        answered_at=leg.answered_at,
        ended_at=leg.ended_at,
    )


def _rule(leg: LegPicture, house: House) -> LineRule | None:
    return house.policy.rule_of(via=leg.via, via_name=leg.via_name, dialled=house.dialled)


def _under(desk: Desk, rule: LineRule | None) -> Desk:
    return replace(desk, **rule.settings) if rule and rule.settings else desk  # type: ignore[arg-type]


def _desk(house: House, number: str) -> Desk:
    return house.desks.get(number, Desk())


def _quiet(desk: Desk, at: datetime, house: House) -> Quiet:
    return house.policy.is_quiet(desk.quiet_hours, at.astimezone(desk.zone)) if desk.quiet_hours else Quiet.NO
