"""Calls that we are told of without the phone system's own id of them: a report after the end, a desk's ring.

Whatever comes first, or if both come: one call, and so one entry. What is told of a call that we know only
confirms it, and adds an answer that was missed. A call that was told of first is taken over by the phone
system's own events when those come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q

from nutshellpbx import phone
from nutshellpbx.calls.models import Call, Heard, Leg, Step
from nutshellpbx.calls.states import AGAIN
from nutshellpbx.desktop.models import Instruction
from nutshellpbx.pbx.connector import CONNECTORS, get_connector_class
from nutshellpbx.pbx.events import CallEvent, Direction, Kind
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people import routing
from nutshellpbx.people.models import Company, Extension

#: How the ids of calls and legs begin that nobody but us made.
TOLD: Final = "told-"
#: How far two channels' clocks and words for one call's beginning may lie apart.
NEAR: Final = timedelta(seconds=10)
#: The same of two reports, which come from one clock.
EXACT: Final = timedelta(seconds=2)
#: A call that began before this is nobody's of today.
LONGEST: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Telling:
    """One told call: whose line, who was on the other side, and when, as far as it was said."""

    pbx: Pbx
    extension: str
    owner_id: UUID | None
    number: str
    e164: str
    direction: Direction
    start: datetime
    answer: datetime | None
    end: datetime | None  # None: it rings now
    raw_id: str


def place(*, pbx: Pbx, events: Sequence[CallEvent], now: datetime) -> list[CallEvent]:
    """The events as they are to be taken in: as those of the call that they are about, where it is known."""
    home = home_of(pbx)
    telling = _telling(home, events)
    locked = {home.pk, *Extension.objects.filter(owner=telling.owner_id).values_list("pbx_id", flat=True)}
    list(Pbx.objects.select_for_update().filter(pk__in=locked).order_by("pk"))
    found = _find_same(telling, now)
    if found is None:
        return [replace(event, pbx=str(home.pk)) for event in events]
    call, leg = found
    if _makes_itself(call.pbx) and telling.end is not None:
        # a desk saw it ring, and now the phone system says how it went
        _take_over(call, home, events[0].call_uid)
        placed = [replace(event, pbx=str(home.pk)) for event in events]
        recognise(call=call, event=next((event for event in placed if event.leg), placed[0]))
        return placed
    facts = {"by": pbx.name}
    Step.objects.create(call=call, leg=leg, at=now, what="confirmed", facts=facts, tone=Step.Tone.PLAIN)
    return _confirming(call, leg, telling, events)


def adopt(*, pbx: Pbx, event: CallEvent) -> Call | None:
    """The told call that a phone system's first event of a call is about, now under its own id; or None."""
    if event.call_uid.startswith(TOLD) or not (event.number or event.extension):
        return None
    near = Call.objects.filter(
        uid__startswith=TOLD, started_at__range=(event.at - NEAR, event.at + NEAR), joined_into=None
    )
    telling = _telling(pbx, [event])
    for call in near.filter(_same_number(telling)).select_related("pbx").order_by("started_at"):
        if not _same_direction(call, telling) or (call.pbx_id != pbx.pk and not _makes_itself(call.pbx)):
            continue
        if any(_same_line(call, leg, telling) for leg in call.legs.all()) or (
            not event.extension and call.pbx_id == pbx.pk
        ):
            _take_over(call, pbx, event.call_uid)
            return call
    return None


def recognise(*, call: Call, event: CallEvent) -> None:
    """Let the leg that was told of go on under the phone system's own id of it, for its own extension."""
    if f":{TOLD}" not in call.key or not event.leg or not event.extension:
        return
    if call.legs.filter(uid=event.leg).exists():
        return
    line = routing.find_extension(pbx_id=event.pbx, number=event.extension)
    mine = Q(number=event.extension)
    if line is not None and line.owner_id is not None:
        mine |= Q(owner=line.owner_id)
    leg = call.legs.filter(mine, uid__startswith=TOLD).first()
    if leg is None:
        return
    Instruction.objects.filter(call_key=call.key, subject=leg.uid).update(subject=event.leg)
    leg.uid, leg.number = event.leg, event.extension
    if line is not None:
        leg.extension, leg.owner = line, line.owner
    if leg.state == Leg.State.RINGING:
        leg.state = Leg.State.NEW  # the ring is told again: now with the rights of this extension
    leg.save(update_fields=["uid", "number", "extension", "owner", "state"])


def is_only_rung(call: Call) -> bool:
    """Whether nobody but a desk told of this call: that it rang is known, how it went is not."""
    return call.uid.startswith(TOLD) and _makes_itself(call.pbx)


def home_of(pbx: Pbx) -> Pbx:
    """The phone system whose extensions and calls these are: another row's, where the admin said so."""
    other = str(pbx.settings.get("same_as") or "")
    try:
        return Pbx.objects.filter(pk=UUID(other)).first() or pbx if other else pbx
    except ValueError:
        return pbx


def _telling(pbx: Pbx, events: Sequence[CallEvent]) -> Telling:
    legs = [event for event in events if event.leg] or list(events)
    first = legs[0]
    country = pbx.country or Company.get().country
    line = routing.find_extension(pbx_id=str(pbx.pk), number=first.extension) if first.extension else None
    ends = [event.at for event in events if event.kind is Kind.ENDED]
    answers = [event.at for event in events if event.kind is Kind.ANSWERED]
    return Telling(
        pbx=pbx,
        extension=first.extension,
        owner_id=line.owner_id if line else None,
        number=first.number,
        e164=phone.read(first.number, country=country).e164,
        direction=first.direction,
        start=min(event.at for event in events),
        answer=answers[0] if answers else None,
        end=max(ends) if ends else None,
        raw_id=events[0].raw_id,
    )


def _find_same(telling: Telling, now: datetime) -> tuple[Call, Leg | None] | None:
    """The call that is told of, with the leg where it is one of its own; the one that began nearest."""
    until = (telling.end or now) + NEAR
    whose = Q(pbx=telling.pbx)
    if telling.owner_id is not None:
        whose |= Q(legs__owner=telling.owner_id)
    calls = (
        Call.objects.filter(whose, _same_number(telling), joined_into=None)
        .filter(started_at__range=(telling.start - LONGEST, until))
        .select_related("pbx")
        .prefetch_related("legs")
        .distinct()
    )
    fits: list[tuple[timedelta, bool, Call, Leg | None]] = []
    for call in calls:
        if not _same_direction(call, telling):
            continue
        lines = [leg for leg in call.legs.all() if _same_line(call, leg, telling)]
        for leg in lines:
            if _is_same_leg(call, leg, telling, now):
                fits.append((abs(_start(leg) - telling.start), False, call, leg))
        if not lines and telling.end is not None and _is_same_call(call, telling, now):
            fits.append((abs(call.started_at - telling.start), True, call, None))
    best = min(fits, key=lambda fit: (fit[1], fit[0]), default=None)
    return (best[2], best[3]) if best else None


def _same_number(telling: Telling) -> Q:
    return Q(e164=telling.e164) if telling.e164 else Q(number=telling.number)


def _same_direction(call: Call, telling: Telling) -> bool:
    unknown = {Direction.UNKNOWN, call.direction}
    return telling.direction in unknown or call.direction == Direction.UNKNOWN


def _same_line(call: Call, leg: Leg, telling: Telling) -> bool:
    if telling.owner_id is not None and leg.owner_id == telling.owner_id:
        return True
    return bool(telling.extension) and call.pbx_id == telling.pbx.pk and leg.number == telling.extension


def _is_same_leg(call: Call, leg: Leg, telling: Telling, now: datetime) -> bool:
    start, end = _start(leg), leg.ended_at or now
    if telling.end is None:
        return abs(start - telling.start) <= NEAR or leg.state == Leg.State.RINGING
    if _is_told(call, leg):
        return abs(start - telling.start) < EXACT / 2
    return abs(start - telling.start) <= NEAR or (start < telling.end and telling.start < end)


def _is_told(call: Call, leg: Leg) -> bool:
    """Whether a report told of this leg before: the next one of this line is about another call."""
    if _makes_itself(call.pbx):
        return False
    if leg.uid.startswith(TOLD):
        return True
    mine = Q(leg_uid__in=[leg.uid.partition(AGAIN)[0], leg.uid])
    if leg.number:
        mine |= Q(number=leg.number)
    return Heard.objects.filter(mine, call=call, seen_id__startswith=TOLD).exists()


def _is_same_call(call: Call, telling: Telling, now: datetime) -> bool:
    """Whether another line's report is about this call: it rang at once, or took over where that one ended.

    Two people behind one number may speak to two of us at the same time: that is two calls.
    """
    if _makes_itself(call.pbx) or telling.end is None:
        return False
    slack = EXACT if call.uid.startswith(TOLD) or f":{TOLD}" in call.key else NEAR
    if abs(call.started_at - telling.start) <= slack:
        return True
    for leg in call.legs.all():
        start, end = _start(leg), leg.ended_at or now
        if abs(end - telling.start) <= slack or abs(telling.end - start) <= slack:
            return True
        overlaps = start < telling.end and telling.start < end
        if overlaps and not (leg.answered_at and telling.answer):
            return True
    return False


def _confirming(
    call: Call, leg: Leg | None, telling: Telling, events: Sequence[CallEvent]
) -> list[CallEvent]:
    """What a telling adds to the call that we know."""
    pbx, last = str(call.pbx_id), events[-1]
    is_gathering = call.state == Call.State.LIVE and call.uid.startswith(TOLD) and leg is None
    if telling.end is not None and is_gathering:
        if call.ended_at is not None and telling.end > call.ended_at:
            Call.objects.filter(pk=call.pk).update(ended_at=telling.end)
        return [replace(event, pbx=pbx, call_uid=call.uid) for event in events[1:]]
    uid = leg.uid.partition(AGAIN)[0] if leg else f"{TOLD}{telling.extension}"
    is_new_answer = telling.answer is not None and (leg is None or leg.answered_at is None)
    if is_new_answer and telling.answer and telling.extension and call.state == Call.State.ENDED:
        at = min(telling.answer, _before_end(call, leg))
        answer = next(event for event in events if event.kind is Kind.ANSWERED)
        return [replace(answer, pbx=pbx, call_uid=call.uid, leg=uid, at=at, raw_id=telling.raw_id)]
    return [
        CallEvent(
            pbx=pbx,
            call_uid=call.uid,
            kind=Kind.UPDATED,
            at=last.at,
            leg=uid if leg else "",
            name="" if call.name else last.name,
            raw_id=telling.raw_id,
        )
    ]


def _before_end(call: Call, leg: Leg | None) -> datetime:
    """The latest moment at which a leg that is over can have answered."""
    end = leg.ended_at if leg is not None and leg.ended_at else call.ended_at
    return (end or call.quiet_at) - timedelta(milliseconds=1)


def _take_over(call: Call, pbx: Pbx, uid: str) -> None:
    call.pbx, call.uid = pbx, uid
    call.save(update_fields=["pbx", "uid"])


def _start(leg: Leg) -> datetime:
    return leg.rang_at or leg.started_at


def _makes_itself(pbx: Pbx) -> bool:
    return pbx.kind in CONNECTORS and bool(getattr(get_connector_class(pbx.kind), "makes_itself", False))


def tells_afterwards(connector: object) -> bool:
    """Whether a connector's messages name no call by the phone system's own id."""
    return bool(getattr(connector, "tells_afterwards", False))
