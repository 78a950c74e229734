"""Calls as a 3CX keeps them afterwards, and which of them nobody heard while they went on.

Pure. A record comes from the call log (XAPI) or from CDR. It is compared with what was told live by number,
extension and time, for the two sides share no id that is known to be the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from nutshellpbx.pbx.events import MAX_ID, MAX_NAME, MAX_NUMBER, CallEvent, Cause, Direction, Kind, Via
from nutshellpbx.pbx.threecx import doubts

#: How far the times of the same call may be apart: the PBX writes whole seconds, and its clock is its own.
APART = timedelta(seconds=10)
#: What was told is remembered for so long, and not more of it than so many calls.
REMEMBERED, MOST_REMEMBERED = timedelta(hours=26), 5_000
#: A record is judged so long after its call's end: what happened live has been told by then.
RIPE_AFTER = timedelta(seconds=30)
#: Before the ids of calls that are known by their record alone.
LOGGED = "log-"


@dataclass(frozen=True, slots=True)
class Part:
    """One extension's part of a recorded call; times are aware UTC."""

    extension: str
    began_at: datetime
    ended_at: datetime
    answered_at: datetime | None = None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A call as the PBX keeps it. `uid` is the PBX's own name of it, `number` the outside party's."""

    uid: str
    direction: Direction
    number: str
    began_at: datetime
    ended_at: datetime
    parts: tuple[Part, ...] = ()
    name: str = ""
    dialled: str = ""
    via: Via | None = None
    via_name: str = ""
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """A call that was told as it went on."""

    number: str  # as it is compared
    extensions: frozenset[str]
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(slots=True)
class Book:
    """What was told live lately, and which records were judged already."""

    calls: dict[str, Live] = field(default_factory=dict)
    judged: dict[str, datetime] = field(default_factory=dict)

    def note(self, event: CallEvent) -> None:
        """Remember what an event told."""
        if event.call_uid.startswith(LOGGED):
            return
        live = self.calls.get(event.call_uid)
        if live is None or (live.ended_at is not None and event.kind is not Kind.ENDED):
            live = Live("", frozenset(), event.at)
            self.calls.pop(event.call_uid, None)
        is_outside = event.direction is not Direction.INTERNAL
        self.calls[event.call_uid] = replace(
            live,
            number=(doubts.compared(event.number) if is_outside else "") or live.number,
            extensions=live.extensions | ({event.extension} if event.extension else frozenset()),
            ended_at=event.at if event.kind in {Kind.ENDED, Kind.JOINED} and not event.leg else live.ended_at,
        )
        while len(self.calls) > MOST_REMEMBERED:
            self.calls.pop(next(iter(self.calls)))

    def forget(self, now: datetime) -> None:
        """Let go of what is too old to be asked for."""
        ended = [uid for uid, live in self.calls.items() if now - (live.ended_at or now) > REMEMBERED]
        for uid in ended:
            del self.calls[uid]
        for uid in [uid for uid, at in self.judged.items() if now - at > REMEMBERED]:
            del self.judged[uid]

    def was_told(self, record: Record) -> bool:
        """Whether this call was told as it went on: the same number (or, withheld, the same extension) at the
        same time.
        """
        number = doubts.compared(record.number)
        extensions = {part.extension for part in record.parts}
        for live in self.calls.values():
            ends = live.ended_at or record.ended_at
            overlaps = live.began_at - APART <= record.ended_at and record.began_at <= ends + APART
            if not overlaps:
                continue
            if live.number == number and number:
                return True
            if (not number or not live.number) and live.extensions & extensions:
                return True
        return False


def missed(
    book: Book, records: Iterable[Record], now: datetime, *, ripe_after: timedelta = RIPE_AFTER
) -> list[Record]:
    """The records of outside calls that are ripe, were not judged before and were not told; oldest first."""
    found = []
    for record in sorted(records, key=lambda each: each.began_at):
        if record.uid in book.judged or record.ended_at > now - ripe_after:
            continue
        book.judged[record.uid] = now
        is_outside = record.direction in {Direction.INBOUND, Direction.OUTBOUND}
        if is_outside and record.parts and not book.was_told(record):
            found.append(record)
    return found


def events_of(record: Record, *, pbx: str) -> list[CallEvent]:
    """What a missed call's record tells, so that it is kept and shown on no desk any more.

    Each leg's end comes before its beginning: a call that is over opens no page.
    """
    uid = f"{LOGGED}{record.uid}"[:MAX_ID]
    call = CallEvent(
        pbx=pbx,
        call_uid=uid,
        kind=Kind.ENDED,
        at=record.ended_at,
        direction=record.direction,
        number=record.number[:MAX_NUMBER],
        name=record.name[:MAX_NAME],
        dialled=record.dialled[:MAX_NUMBER],
        via=record.via,
        via_name=record.via_name[:MAX_NAME],
    )
    was_answered = any(part.answered_at for part in record.parts)
    events: list[CallEvent] = []
    for place, part in enumerate(record.parts, start=1):
        leg = replace(call, leg=f"{part.extension}-{place}", extension=part.extension[:20])
        begins = Kind.DIALING if record.direction is Direction.OUTBOUND else Kind.RINGING
        cause = part.cause or _cause(record, part, was_answered=was_answered)
        events.append(replace(leg, at=part.ended_at, cause=cause))
        events.append(replace(leg, kind=begins, at=part.began_at))
        if part.answered_at is not None:
            events.append(replace(leg, kind=Kind.ANSWERED, at=part.answered_at))
    over = record.cause or (Cause.HUNG_UP if was_answered else Cause.NO_ANSWER)
    events.append(replace(call, cause=over))
    return [replace(event, raw_id=f"{uid}:{place}"[:MAX_ID]) for place, event in enumerate(events)]


def _cause(record: Record, part: Part, *, was_answered: bool) -> Cause:
    if part.answered_at is not None:
        goes_on = any(
            other is not part and other.answered_at is not None and other.answered_at >= part.ended_at - APART
            for other in record.parts
        )
        return Cause.TRANSFERRED if goes_on else Cause.HUNG_UP
    if record.direction is Direction.OUTBOUND:
        return Cause.GAVE_UP
    return Cause.ANSWERED_ELSEWHERE if was_answered else Cause.NO_ANSWER
