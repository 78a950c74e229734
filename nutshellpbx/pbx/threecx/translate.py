"""What a 3CX's message means, given the picture: which events it tells and what must be asked for.

Pure. An event says only that something changed, so its entity is asked for and the answer is what counts.
That makes repeats and reordering harmless: the answer is the truth of now, whenever the event was sent.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from nutshellpbx.pbx.connector import Fetch
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind
from nutshellpbx.pbx.threecx import doubts
from nutshellpbx.pbx.threecx.picture import Call, Known, Leg, party_of
from nutshellpbx.pbx.threecx.protocol import Message, Participant, Said, State, Status
from nutshellpbx.pbx.threecx.telling import PARTICIPANT, STATE, Told3, end_call, event_of, settle, tell

#: Kinds of messages that are not known are told apart up to this many.
MOST_UNKNOWN = 100


def nothing_known(pbx: str) -> Known:
    """The picture before the first message."""
    return Known(pbx)


def translate(known: Known, message: Message, now: datetime) -> tuple[Known, list[CallEvent], list[Fetch]]:
    """The picture after a message, its events in order, and what to ask for."""
    known, gaps, is_late = _count(known, message)
    match message.said:
        case Said.UPSERT:
            return known, [], [*gaps, Fetch(PARTICIPANT, message.key)]
        case Said.REMOVE if is_late:
            # overtaken, or told before: the id may be another participant's by now
            return known, [], [*gaps, Fetch(PARTICIPANT, message.key)]
        case Said.PARTICIPANT if message.participant is not None:
            known, asking = _answer(known, message.key)
            known, calls, joined = _put(known, message.participant, now)
            known, events, fetches = _tell(known, calls | asking, joined, now)
        case Said.REMOVE | Said.PARTICIPANT:
            known, events, fetches = _leave(known, message.key, now)
        case Said.STATE if message.state is not None:
            known, events, fetches = _merge(known, message.state, now)
        case Said.SETTLED if message.state is not None:
            known, events, fetches = _merge(known, message.state, now)
            known, last, more = settle(known, message.key, now)
            events, fetches = [*events, *last], [*fetches, *more]
        case Said.UNKNOWN:
            return _count_unknown(known, message.kind), [], gaps
        case _:
            return known, [], gaps
    return known, events, [*gaps, *fetches]


def resync(known: Known, state: State | None, now: datetime) -> tuple[Known, list[CallEvent]]:
    """What changed while the PBX was not heard, from its whole state.

    Who is not there any more left with cause unknown; who is still there goes on without a new ring; ids that
    mean somebody else now (the PBX counts from 1 after a restart) are new calls.
    """
    state = state or State({})
    known = replace(known, types={**known.types, **state.types}, sequence=None)
    listed = {participant.key: participant for participant in state.participants}
    for key, leg in list(known.legs.items()):
        if leg.is_living and not _is_same(leg, listed.get(key)):
            known = known.with_leg(replace(leg, left_at=now, cause=Cause.UNKNOWN, waits_for=None))
    events: list[CallEvent] = []
    for uid in [uid for uid in known.calls if not known.living_of(uid)]:
        known, over = _vanish(known, uid, now)
        events += over
    touched = set(known.calls)
    joined: list[CallEvent] = []
    for participant in state.participants:
        stale = known.legs.get(participant.key)
        if stale is not None and not stale.is_living:
            known, ended, _fetches = tell(known, {stale.call}, now)
            events += ended
        known, calls, more = _put(known, participant, now, is_live=False)
        touched |= calls
        joined += more
    known, told, _fetches = _tell(known, touched, joined, now)
    return known, [*events, *told]


def _vanish(known: Known, uid: str, now: datetime) -> tuple[Known, list[CallEvent]]:
    """End a call of which nothing is left after a break; nobody knows how it went on."""
    events: list[CallEvent] = []
    legs = list(known.legs_of(uid))
    unknown = any(leg.cause is Cause.UNKNOWN for leg in legs)
    for leg in legs:
        known = known.with_leg(replace(leg, left_at=None if leg.cause is Cause.UNKNOWN else leg.left_at))
    known, ended = end_call(known, uid, now, Cause.UNKNOWN if unknown else None)
    return known, [*events, *ended]


def _count(known: Known, message: Message) -> tuple[Known, list[Fetch], bool]:
    """Follow the socket's count: what to ask for where some are missing, and whether this one is late."""
    number, last = message.sequence, known.sequence
    if number is None:
        return known, [], False
    if last is not None and number <= last:
        return known, [], True
    missed = last is not None and number > last + 1
    return replace(known, sequence=number), [Fetch(STATE)] if missed else [], False


def _count_unknown(known: Known, kind: str) -> Known:
    kind = kind if kind in known.unknown or len(known.unknown) < MOST_UNKNOWN else "(others)"
    return replace(known, unknown={**known.unknown, kind: known.unknown.get(kind, 0) + 1})


def _merge(known: Known, state: State, now: datetime) -> Told3:
    """Put the whole state into the picture while the PBX is heard."""
    known = replace(known, types={**known.types, **state.types})
    listed = {participant.key for participant in state.participants}
    calls: set[str] = set()
    joined: list[CallEvent] = []
    for key, leg in list(known.legs.items()):
        if leg.is_living and key not in listed:
            known = _left(known, leg, now)
            calls.add(leg.call)
        elif leg.waits_for:
            known = known.with_leg(replace(leg, waits_for=frozenset()))
            calls.add(leg.call)
    for participant in state.participants:
        known, more, said = _put(known, participant, now)
        calls |= more
        joined += said
    return _tell(known, calls, joined, now)


def _tell(known: Known, calls: set[str], joined: list[CallEvent], now: datetime) -> Told3:
    known, events, fetches = tell(known, calls, now)
    return known, [*joined, *events], fetches


def _leave(known: Known, key: str, now: datetime) -> Told3:
    known, calls = _answer(known, key)
    leg = known.legs.get(key)
    if leg is not None and leg.is_living:
        known = _left(known, leg, now)
        calls |= {leg.call}
    return tell(known, calls, now)


def _left(known: Known, leg: Leg, now: datetime) -> Known:
    call = known.calls[leg.call]
    return known.with_leg(replace(leg, left_at=now)).with_call(replace(call, last_at=now))


def _answer(known: Known, key: str) -> tuple[Known, set[str]]:
    """This participant's answer is here: whose end waits for it, waits no more. Gives the calls of these."""
    waiting = [leg for leg in known.legs.values() if leg.waits_for and key in leg.waits_for]
    for leg in waiting:
        known = known.with_leg(replace(leg, waits_for=(leg.waits_for or frozenset()) - {key}))
    return known, {leg.call for leg in waiting}


def _put(
    known: Known, participant: Participant, now: datetime, *, is_live: bool = True
) -> tuple[Known, set[str], list[CallEvent]]:
    """Put a participant into the picture: the calls that it touches, and those that became one by it."""
    leg = known.legs.get(participant.key)
    if leg is not None and not leg.is_living:
        # it was said to have left, and is there: the same one if its call is, else a new one with its id
        if participant.callid in known.calls[leg.call].callids:
            leg = replace(leg, left_at=None, waits_for=None, cause=None)
        else:
            known, leg = known.without_leg(leg.key), None
    if leg is None:
        known, leg = _begin(known, participant, now, is_live=is_live)
    elif leg.participant.status is Status.CONNECTED and participant.status is not Status.CONNECTED:
        # nobody goes back from talking to ringing
        participant = replace(participant, status=Status.CONNECTED)
    known = known.with_leg(replace(leg, participant=participant))
    known, moved, joined = _follow(known, participant.key, now)
    leg = known.legs[participant.key]
    call = known.calls[leg.call]
    known = known.with_call(replace(call, dns=call.dns | {participant.dn}, last_at=None, looks=0))
    return known, {leg.call, *moved}, joined


def _begin(known: Known, participant: Participant, now: datetime, *, is_live: bool) -> tuple[Known, Leg]:
    call = known.find_call(participant.callid)
    if call is None:
        known, call = _new_call(known, participant, now)
    order = (participant.dn, doubts.compared(participant.party_number))
    has_dialled = bool(order[1]) and order in known.dials and participant.status is not Status.CONNECTED
    if has_dialled:
        known = replace(known, dials=tuple(each for each in known.dials if each != order))
    first = participant.status
    if is_live and first is Status.CONNECTED:
        first = Status(doubts.BEGAN_UNSEEN)
    return known, Leg(call.uid, participant, first, has_dialled=has_dialled)


def _new_call(known: Known, participant: Participant, now: datetime) -> tuple[Known, Call]:
    """A call by the PBX's own id; one that was a call's before (it counts from 1 again) gets an addition."""
    callid, born = participant.callid, known.born + 1
    name = uid = callid or f"{participant.dn}-{participant.id}"
    before = known.count_ended(name, now)
    if before:
        uid = f"{name}.{before + 1}"
    while uid in known.calls:
        uid += "+"
    call = Call(uid, born, name, callids=frozenset({callid} if callid else ()))
    return replace(known.with_call(call), born=born), call


def _follow(known: Known, key: str, now: datetime) -> tuple[Known, set[str], list[CallEvent]]:
    """Where a participant's call is another one's part by now, make them one."""
    leg = known.legs[key]
    mine, callid = known.calls[leg.call], leg.participant.callid
    if callid and callid not in mine.callids:
        other = known.find_call(callid)
        if other is None:
            known = known.with_call(replace(mine, callids=mine.callids | {callid}))
        else:
            return _make_one(known, leg, other, now)
    party = party_of(known, leg)
    giver = leg.participant.referred_by or (leg.told.party.number if leg.told else "")
    if not party.is_outside or not party.number or not giver:
        return known, set(), []
    for other in list(known.calls.values()):
        is_its = doubts.compared(other.party.number) == doubts.compared(party.number)
        if other.uid != leg.call and other.party.is_outside and is_its and giver in other.dns:
            return _make_one(known, leg, other, now)
    return known, set(), []


def _make_one(known: Known, leg: Leg, other: Call, now: datetime) -> tuple[Known, set[str], list[CallEvent]]:
    """Two calls of one conversation become one: the outside one goes on, else the older one.

    Two customers stay two calls: only the leg moves.
    """
    mine = known.calls[leg.call]
    if mine.party.is_outside and other.party.is_outside and not _is_same_number(mine, other):
        moved = replace(leg, call=other.uid, told=None, talked=False)
        events = []
        if leg.told is not None:
            party = leg.told.party
            events = [
                event_of(
                    known,
                    mine.uid,
                    Kind.ENDED,
                    now,
                    party,
                    leg=leg.uid,
                    extension=leg.participant.dn,
                    cause=Cause.TRANSFERRED,
                )
            ]
        known = known.with_leg(moved).with_call(replace(mine, last_at=now))
        return known, {mine.uid, other.uid}, events
    stays, goes = (
        (other, mine)
        if (not mine.party.is_outside, mine.born) > (not other.party.is_outside, other.born)
        else (mine, other)
    )
    known = known.without_call(replace(goes, callids=frozenset()), now)
    legs = {
        key: replace(each, call=stays.uid) if each.call == goes.uid else each
        for key, each in known.legs.items()
    }
    one = replace(
        stays,
        callids=stays.callids | goes.callids,
        dns=stays.dns | goes.dns,
        told=stays.told or goes.told,
        answered_at=max(filter(None, (stays.answered_at, goes.answered_at)), default=None),
    )
    known = replace(known, legs=legs).with_call(one)
    events = [event_of(known, goes.uid, Kind.JOINED, now, goes.party, joins=stays.uid)] if goes.told else []
    return known, {stays.uid}, events


def _is_same_number(one: Call, other: Call) -> bool:
    return doubts.compared(one.party.number) == doubts.compared(other.party.number)


def _is_same(leg: Leg, now: Participant | None) -> bool:
    """Whether who is there after a break is who was there before it, and not somebody with the same id."""
    before = leg.participant
    if now is None or (before.status is Status.CONNECTED and now.status is not Status.CONNECTED):
        return False
    numbers = {doubts.compared(each.party_number) for each in (before, now)} - {""}
    if before.callid == now.callid:
        was_internal = leg.told is not None and leg.told.party.direction is Direction.INTERNAL
        return len(numbers) < 2 or was_internal
    return len(numbers) == 1 and now.status is Status.CONNECTED
