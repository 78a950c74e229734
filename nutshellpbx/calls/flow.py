"""THE STORY of a call, readable from top to bottom.

A phone system says something; `take_in` makes one short transaction of it: seen before? what does it mean
for the leg and for the call? whose line is it, and may it ask the CRM? What follows are rows: something to
show (Pop), something to take away (a withdrawal in the mailbox), something to keep (an entry). Only their
ids go out, on commit, to the doorbell; nothing here waits for anybody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from nutshellpbx import doorbell
from nutshellpbx.calls import closing, rules, told
from nutshellpbx.calls.callers import NO_NUMBER
from nutshellpbx.calls.desks import for_people, line_of
from nutshellpbx.calls.effects import Close, Correct, Effect, Present, Withdraw
from nutshellpbx.calls.joining import moved_uid, takes_party
from nutshellpbx.calls.models import Call, Heard, Leg, Pop, Step
from nutshellpbx.calls.picture import picture_of, store
from nutshellpbx.calls.policy import allowed
from nutshellpbx.calls.states import (
    BEGINS,
    LINGER_LIMIT,
    hear,
    time_out,
)
from nutshellpbx.crm.models import Crm
from nutshellpbx.desktop import mailbox
from nutshellpbx.pbx.connector import get_connector_class
from nutshellpbx.pbx.events import CallEvent, Direction, Kind
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company

log = logging.getLogger(__name__)

#: An id that comes again this long after its call ended is a new call: the PBX counts from the start again.
REUSED_AFTER = timedelta(seconds=60)


def take_in(*, event: CallEvent, now: datetime) -> Call | None:
    """Take one event in, in one transaction; the call it belongs to, or None when it was seen before."""
    with transaction.atomic():
        pbx = Pbx.objects.select_for_update().get(pk=event.pbx)
        if event.seen_id and Heard.objects.filter(pbx=pbx, seen_id=event.seen_id).exists():
            return None
        call = _find_call(pbx, event) or told.adopt(pbx=pbx, event=event) or _start_call(pbx, event)
        told.recognise(call=call, event=event)
        if event.kind is Kind.JOINED and event.joins:
            return _join(pbx, call, event, now)
        legs = list(call.legs.select_related("extension", "owner"))
        after, effects, was_late = hear(picture_of(call, legs), event, tells_end=_tells_end(pbx))
        # time-outs count by our own clock, whatever the sender's says
        rows = store(call, legs, replace(after, quiet_at=now), country=_country(pbx))
        was_late = was_late and Correct() not in effects
        _remember(call, event, was_late=was_late, now=now)
        _carry_out(call, rows, effects, now)
        return call


def end_silent_calls(*, now: datetime, most: int = 50) -> int:
    """End calls of which nothing was heard for too long; how many were ended."""
    ended = 0
    silent = Call.objects.filter(state=Call.State.LIVE, quiet_at__lt=now - LINGER_LIMIT)
    for call in silent.select_related("pbx").prefetch_related("legs"):
        _after, effects = time_out(
            picture_of(call, list(call.legs.all())), now, tells_end=_tells_end(call.pbx)
        )
        if effects and ended < most:
            ended += _end_silent_call(call, now)
    return ended


def _end_silent_call(call: Call, now: datetime) -> bool:
    """End it if it is still silent, now that nobody else may change it."""
    with transaction.atomic():
        pbx = Pbx.objects.select_for_update().get(pk=call.pbx_id)
        call = Call.objects.select_for_update().get(pk=call.pk)
        legs = list(call.legs.select_related("extension", "owner"))
        after, effects = time_out(picture_of(call, legs), now, tells_end=_tells_end(pbx))
        if not effects:
            return False
        rows = store(call, legs, after, country=_country(pbx))
        _note(call, "timed_out", now=now, tone=Step.Tone.WAITED)
        _carry_out(call, rows, effects, now)
        return True


def _tells_end(pbx: Pbx) -> bool:
    return bool(getattr(get_connector_class(pbx.kind), "tells_end", False))


# --- which call ------------------------------------------------------------------------------------


def _find_call(pbx: Pbx, event: CallEvent) -> Call | None:
    """The call that this id means now: ids come again after a PBX restart, calls become part of others."""
    call = Call.objects.filter(pbx=pbx, uid=event.call_uid).order_by("-started_at").first()
    hops = 0
    while call is not None and call.joined_into_id and hops < 10:
        call, hops = call.joined_into, hops + 1
    if call is None or call.ended_at is None:
        return call
    starts_again = event.kind in BEGINS and event.at > call.ended_at + REUSED_AFTER
    return None if starts_again else call


def _start_call(pbx: Pbx, event: CallEvent) -> Call:
    """A new conversation; its key (PBX, the vendor's id, the UTC minute of the first event) is fixed here."""
    key = f"{pbx.pk.hex[:12]}:{event.call_uid}:{event.at:%Y%m%dT%H%M}"
    return Call.objects.get_or_create(
        key=key,
        defaults={"pbx": pbx, "uid": event.call_uid, "started_at": event.at, "quiet_at": event.at},
    )[0]


def _join(pbx: Pbx, call: Call, event: CallEvent, now: datetime) -> Call:
    """This call becomes part of another: its legs go on there, and it leaves no entry of its own."""
    other_event = CallEvent(pbx=event.pbx, call_uid=event.joins, kind=Kind.UPDATED, at=event.at)
    other = _find_call(pbx, other_event) or _start_call(pbx, other_event)
    if other.pk == call.pk or other.state != Call.State.LIVE or call.state != Call.State.LIVE:
        _remember(call, event, was_late=True, now=now)
        return call
    taken_over: list[Effect] = []
    taken_uids = set(other.legs.values_list("uid", flat=True))
    legs = list(call.legs.all())
    _take_from_desks(call, legs, now)
    for leg in legs:
        leg.uid = moved_uid(leg.uid, taken_uids, call.uid)
        leg.call = other
        leg.save(update_fields=["call", "uid"])
        if leg.state in {Leg.State.TALKING, Leg.State.HELD}:
            taken_over.append(Present(leg.uid, "answer"))
    call.state, call.joined_into, call.left_out = Call.State.JOINED, other, Call.LeftOut.JOINED
    call.ended_at = event.at
    call.save(update_fields=["state", "joined_into", "left_out", "ended_at"])
    if takes_party(Direction(other.direction), Direction(call.direction)):
        other.direction, other.number, other.e164, other.name = (
            call.direction,
            call.number,
            call.e164,
            call.name,
        )
    other.quiet_at = now
    other.is_private = other.is_private or call.is_private
    other.save(update_fields=["direction", "number", "e164", "name", "quiet_at", "is_private"])
    _remember(call, event, was_late=False, now=now)
    rows = {leg.uid: leg for leg in other.legs.select_related("extension", "owner")}
    _carry_out(other, rows, taken_over, now)
    return other


# --- what follows ----------------------------------------------------------------------------------


def _carry_out(call: Call, legs: dict[str, Leg], effects: list[Effect], now: datetime) -> None:
    rows = list(legs.values())
    lines = {uid: line_of(leg, rows, owner=str(leg.owner_id or "")) for uid, leg in legs.items()}
    theirs = for_people(effects, lines)
    _withdraw(call, [legs[effect.leg] for effect in theirs if isinstance(effect, Withdraw)], now)
    for effect in theirs:
        match effect:
            case Present(leg=uid, moment=moment):
                _present(call, legs[uid], moment, now)
            case Close():
                closing.close(call=call, legs=list(legs.values()), now=now)
            case Correct():
                closing.correct(call=call, legs=list(legs.values()), now=now)


def _present(call: Call, leg: Leg, moment: str, now: datetime) -> None:
    """Queue a pop for each CRM that the leg's extension may ask; say why when there is none."""
    if call.direction == Direction.INTERNAL:
        return
    if leg.extension is None:
        return _note(call, "unknown_extension", leg=leg, now=now, facts={"extension": leg.number})
    if leg.owner is None:
        return _note(call, "no_owner", leg=leg, now=now, facts={"extension": leg.number})
    granted = {
        str(crm.pk): crm for crm in Crm.objects.filter(grants__extension=leg.extension, is_enabled=True)
    }
    if not granted:
        return _note(call, "no_grant", leg=leg, now=now, facts={"extension": leg.number})
    country = _country(call.pbx)
    policy = rules.policy_now(country=country, pbx_id=call.pbx_id)
    rule = closing.rule_of(call=call, leg=leg, policy=policy, country=country)
    for crm in [granted[pk] for pk in allowed(rule, granted)]:
        pop, made = Pop.objects.get_or_create(
            leg=leg, crm=crm, moment=moment, defaults={"user": leg.owner, "created_at": now}
        )
        if made or _is_asked_again(pop, now):
            doorbell.ring_on_commit(task="calls.present", ids=[str(pop.pk)], queue="pop")


def _is_asked_again(pop: Pop, now: datetime) -> bool:
    """Whether this pop showed nothing for want of a number, and may try again with the one that came."""
    wanting = Pop.objects.filter(pk=pop.pk, state=Pop.State.NOTHING, reason__in=NO_NUMBER)
    return bool(wanting.update(state=Pop.State.QUEUED, reason="", created_at=now, tries=0))


def _withdraw(call: Call, legs: Sequence[Leg], now: datetime) -> None:
    """Take away what these legs showed, and what is still on its way; a withdrawal wins whatever the
    order.
    """
    if not legs:
        return
    waiting = Pop.objects.filter(leg__in=legs, state__in=[Pop.State.QUEUED, Pop.State.LOOKING])
    waiting.exclude(moment=Pop.Moment.AFTER).update(state=Pop.State.WITHDRAWN, settled_at=now)
    _take_from_desks(call, legs, now)


def _take_from_desks(call: Call, legs: Iterable[Leg], now: datetime) -> None:
    shown_to = [(leg.owner_id, leg.uid) for leg in legs if leg.owner_id is not None]
    mailbox.withdraw(call_key=call.key, shown_to=shown_to, now=now)


def _remember(call: Call, event: CallEvent, *, was_late: bool, now: datetime) -> None:
    Heard.objects.create(
        call=call,
        pbx_id=event.pbx,
        seen_id=event.seen_id or None,
        kind=event.kind,
        leg_uid=event.leg,
        number=event.extension,
        cause=event.cause or "",
        said=_said(event),
        at=event.at,
        taken_at=now,
        was_late=was_late,
    )


def _said(event: CallEvent) -> dict[str, str | bool]:
    """What else an event said, for a replay; whether it had a number, never which."""
    said: dict[str, str | bool] = {
        "direction": "" if event.direction is Direction.UNKNOWN else str(event.direction),
        "via": str(event.via or ""),
        "via_name": event.via_name,
        "joins": event.joins,
        "has_number": bool(event.number),
    }
    return {name: value for name, value in said.items() if value}


def _note(
    call: Call,
    what: str,
    *,
    now: datetime,
    leg: Leg | None = None,
    tone: str = Step.Tone.PLAIN,
    facts: dict[str, str] | None = None,
) -> None:
    Step.objects.create(call=call, leg=leg, at=now, what=what, tone=tone, facts=facts or {})


def _country(pbx: Pbx) -> str:
    return pbx.country or Company.get().country
