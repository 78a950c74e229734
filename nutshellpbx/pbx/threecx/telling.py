"""From the picture to events: what is new about each call since the last time something was told of it.

Pure. Because only differences are told, a message that comes twice, late or never does no harm.

What a 3CX does not say is not made up, with two exceptions that a person would make too: whoever was rung
when a colleague answered was rung in vain because of that, and whoever leaves a call that goes on has passed
it on. A leg that is the last one of its call may be either; its end waits for the moment after which the
whole state is read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from nutshellpbx.pbx.connector import Fetch
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind, Via
from nutshellpbx.pbx.threecx import doubts
from nutshellpbx.pbx.threecx.picture import Call, Known, Leg, Party, Told, party_of
from nutshellpbx.pbx.threecx.protocol import Status

#: What the pure translator asks the listener for.
PARTICIPANT, STATE, SETTLED = "participant", "state", "settled"

#: What is told within this time happened at the same moment.
AT_ONCE = timedelta(seconds=2)
#: So many participants are asked for one by one; of more of them the whole state says it in one answer.
MOST_ASKED = 3

KINDS = {Status.DIALING: Kind.DIALING, Status.RINGING: Kind.RINGING, Status.CONNECTED: Kind.ANSWERED}
_RANK = {None: 0, Kind.DIALING: 1, Kind.RINGING: 2, Kind.ANSWERED: 3}

Told3 = tuple[Known, list[CallEvent], list[Fetch]]


def tell(known: Known, calls: Iterable[str], now: datetime) -> Told3:
    """What is new in these calls, and what must be asked for to know more."""
    events: list[CallEvent] = []
    fetches: list[Fetch] = []
    for uid in sorted(calls, key=lambda each: known.calls[each].born if each in known.calls else 0):
        if uid not in known.calls:
            continue
        for leg in [leg for leg in known.legs_of(uid) if leg.is_living]:
            known, said = _tell_living(known, leg, now)
            events += said
        for leg in [leg for leg in known.legs_of(uid) if not leg.is_living]:
            known, said, asked = _tell_leaving(known, leg)
            events += said
            fetches += asked
        call = known.calls[uid]
        if not known.living_of(uid) and not call.waits:
            known = known.with_call(replace(call, waits=True, last_at=call.last_at or now))
            fetches.append(Fetch(SETTLED, uid))
    return known, events, fetches


def settle(known: Known, uid: str, now: datetime) -> Told3:
    """The moment after the last leg has passed: end the call, unless it lives or may go on."""
    call = known.calls.get(uid)
    if call is None:
        return known, [], []
    call = replace(call, waits=False)
    if known.living_of(uid):
        return known.with_call(replace(call, looks=0, last_at=None)), [], []
    call = replace(call, looks=call.looks + 1)
    is_queued = call.party.via is Via.QUEUE and not call.answered_at
    if call.looks < (doubts.LOOKS_OF_A_QUEUE if is_queued else doubts.LOOKS):
        return known.with_call(replace(call, waits=True)), [], [Fetch(SETTLED, uid)]
    known, events = end_call(known.with_call(call), uid, now)
    return known, events, []


def end_call(
    known: Known, uid: str, now: datetime, cause: Cause | None = None
) -> tuple[Known, list[CallEvent]]:
    """End a call with all its legs; `cause` is that of those that were simply not there any more."""
    events: list[CallEvent] = []
    for leg in list(known.legs_of(uid)):
        if not leg.is_living:
            known, said = _end_leg(known, leg, Cause.HUNG_UP if leg.talked else Cause.NO_ANSWER)
        else:
            known, said = _end_leg(known, replace(leg, left_at=now), cause or Cause.UNKNOWN)
        events += said
    call = known.calls[uid]
    known = known.without_call(call, now)
    if not call.told and call.party.direction is not Direction.INBOUND:
        return known, events
    if cause is None or not events:
        cause = Cause.HUNG_UP if call.answered_at else Cause.NO_ANSWER
    at = call.last_at or now
    return known, [*events, event_of(known, uid, Kind.ENDED, at, call.party, cause=cause)]


def _tell_living(known: Known, leg: Leg, now: datetime) -> tuple[Known, list[CallEvent]]:
    party = party_of(known, leg)
    call = known.calls[leg.call]
    if not known.is_extension(leg.participant.dn):
        # a queue, a menu: it holds the call, and may be all that is ever heard of its caller
        return known.with_call(_described(call, party)), []
    events: list[CallEvent] = []
    told = leg.told
    if told is not None and party != told.party:
        events.append(_leg_event(known, leg, Kind.UPDATED, now, party))
        # From a colleague to somebody outside is a new conversation: its answer is told again.
        is_new = party.is_outside and not told.party.is_outside
        told = Told(None if is_new else told.kind, party)
    kind = Kind.DIALING if leg.has_dialled and leg.participant.status is Status.RINGING else None
    kind = kind or KINDS[leg.participant.status]
    if told is None or _RANK[kind] > _RANK[told.kind]:
        events.append(_leg_event(known, leg, kind, now, party))
        told = Told(kind, party)
    talks = leg.participant.status is Status.CONNECTED
    answered_at = now if talks and not leg.talked else call.answered_at
    known = known.with_leg(replace(leg, told=told, talked=leg.talked or talks))
    return known.with_call(replace(_described(call, party), told=True, answered_at=answered_at)), events


def _tell_leaving(known: Known, leg: Leg) -> Told3:
    """End a leg that left, or find out first what that means."""
    siblings = known.living_of(leg.call)
    connected = [each for each in siblings if each.participant.status is Status.CONNECTED]
    if leg.cause is not None:
        known, events = _end_leg(known, leg, leg.cause)
        return known, events, []
    if leg.talked:
        if not siblings:
            return known, [], []
        known, events = _end_leg(known, leg, Cause.TRANSFERRED)
        return known, events, []
    if any(known.is_extension(each.participant.dn) for each in connected):
        # it stopped ringing when the colleague answered, although that is told one after the other
        answered_at = known.calls[leg.call].answered_at
        if leg.left_at is not None and answered_at is not None and leg.left_at - answered_at < AT_ONCE:
            leg = replace(leg, left_at=min(leg.left_at, answered_at))
        known, events = _end_leg(known, leg, Cause.ANSWERED_ELSEWHERE)
        return known, events, []
    ringing = {
        each.key
        for each in siblings
        if each.participant.status is Status.RINGING and known.is_extension(each.participant.dn)
    }
    if leg.waits_for is None and ringing:
        # who of the others answered, if anybody, may be a word that is still on its way
        known = known.with_leg(replace(leg, waits_for=frozenset(ringing)))
        if len(ringing) > MOST_ASKED:
            return known, [], [Fetch(STATE)]
        return known, [], [Fetch(PARTICIPANT, key) for key in sorted(ringing)]
    if leg.waits_for:
        return known, [], []
    known, events = _end_leg(known, leg, _cause_unanswered(leg))
    return known, events, []


def _cause_unanswered(leg: Leg) -> Cause:
    return Cause.NO_ANSWER if leg.first is Status.RINGING and not leg.has_dialled else Cause.GAVE_UP


def _end_leg(known: Known, leg: Leg, cause: Cause) -> tuple[Known, list[CallEvent]]:
    known = known.without_leg(leg.key)
    if leg.told is None or leg.left_at is None:
        return known, []
    return known, [_leg_event(known, leg, Kind.ENDED, leg.left_at, leg.told.party, cause=cause)]


def _described(call: Call, party: Party) -> Call:
    """The call with its other side: somebody outside counts more than a colleague, and stays."""
    mine = call.party
    if party.is_outside or not mine.is_outside:
        known_way = party if party.via is not None or not mine.via else mine
        party = replace(
            party,
            number=party.number or (mine.number if mine.is_outside else ""),
            via=known_way.via,
            via_name=known_way.via_name,
        )
        return replace(call, party=party)
    return call


def _leg_event(
    known: Known, leg: Leg, kind: Kind, at: datetime, party: Party, *, cause: Cause | None = None
) -> CallEvent:
    extension = leg.participant.dn
    return event_of(known, leg.call, kind, at, party, leg=leg.uid, extension=extension, cause=cause)


def event_of(
    known: Known,
    uid: str,
    kind: Kind,
    at: datetime,
    party: Party,
    *,
    leg: str = "",
    extension: str = "",
    cause: Cause | None = None,
    joins: str = "",
) -> CallEvent:
    """An event of a call with what is known of its other side."""
    return CallEvent(
        pbx=known.pbx,
        call_uid=uid,
        kind=kind,
        at=at,
        leg=leg,
        extension=extension[:20],
        direction=party.direction,
        number=party.number,
        name=party.name,
        dialled=party.dialled,
        via=party.via,
        via_name=party.via_name,
        cause=cause,
        joins=joins,
    )
