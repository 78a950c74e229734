"""From the picture to events: what is new about each leg since the last time something was told of it.

Pure. Because only differences are told, a message that comes twice, late or never does no harm: the same
rules serve the live stream and the whole state after a reconnect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from nutshellpbx.pbx.asterisk.causes import (
    ANSWERED_ELSEWHERE,
    DIAL_STATUSES,
    HANGUP_CAUSES,
    WORTH_TELLING_UNRUNG,
)
from nutshellpbx.pbx.asterisk.party import (
    describe_caller,
    find_outside_caller,
    find_party,
    refresh_party,
)
from nutshellpbx.pbx.asterisk.picture import (
    RINGING,
    Call,
    Channel,
    Known,
    Party,
    Role,
    Told,
    find_caller,
    partners_of,
)
from nutshellpbx.pbx.events import MAX_NAME, MAX_NUMBER, CallEvent, Cause, Direction, Kind

#: The hangup cause of a channel that was simply not there any more when we looked again.
VANISHED = -1

#: As long as a leg has to do with these only, somebody outside may still come.
_COLLEAGUES = (Direction.INTERNAL, Direction.UNKNOWN)
_RANK = {Kind.DIALING: 1, Kind.RINGING: 2, Kind.ANSWERED: 3}


def tell(known: Known, calls: Iterable[str], now: datetime) -> tuple[Known, list[CallEvent]]:
    """What is new in these calls; the picture remembers that it was told."""
    events: list[CallEvent] = []
    for uid in sorted(calls, key=_age):
        if uid not in known.calls:
            continue
        known, joined = _join_calls(known, known.aliases.get(uid, uid), now)
        events += joined
        uid = known.aliases.get(uid, uid)
        known = _notice(known, uid)
        for channel in list(known.channels_of(uid)):
            if channel.role is Role.EXTENSION:
                known, said = _tell_leg(known, channel, now)
                events += said
        known, said = _end_call(known, uid, now)
        events += said
    return known, events


def _join_calls(known: Known, uid: str, now: datetime) -> tuple[Known, list[CallEvent]]:
    """People of two calls talk with each other: the internal one becomes part of the other one.

    Two customers in one conference stay two calls: each is somebody's own record.
    """
    events: list[CallEvent] = []
    for channel in list(known.channels_of(uid)):
        met = {channel.call, *(partner.call for partner in partners_of(known, channel))}
        if len(met) < 2 or channel.gone:
            continue
        with_outside = {call for call in met if _has_outside(known, call)}
        survivor = min(with_outside or met, key=_age)
        for call in sorted(met - with_outside - {survivor}, key=_age):
            if known.calls[call].told:
                party = known.calls[call].party
                events.append(_event(known, call, Kind.JOINED, now, party, joins=survivor))
            known = _move_call(known, call, survivor)
    return known, events


def _move_call(known: Known, call: str, into: str) -> Known:
    channels = {
        uid: replace(channel, call=into) if channel.call == call else channel
        for uid, channel in known.channels.items()
    }
    aliases = {old: into if target == call else target for old, target in known.aliases.items()}
    moved, kept = known.calls[call], known.calls[into]
    calls = {uid: each for uid, each in known.calls.items() if uid != call}
    calls[into] = replace(kept, told=kept.told or moved.told, answered=kept.answered or moved.answered)
    return replace(known, channels=channels, calls=calls, aliases={**aliases, call: into})


def _notice(known: Known, uid: str) -> Known:
    """Facts about the call as a whole that its channels show for a moment only."""
    call = known.calls[uid]
    caller = find_outside_caller(known, uid)
    if caller is not None:
        party = describe_caller(caller) if call.party.uid != caller.uid else refresh_party(known, call.party)
        call = replace(call, party=party, gave_up=call.gave_up or (caller.leaving and not call.answered))
    outside = [each for each in known.channels_of(uid) if each.role is Role.OUTSIDE]
    if any(each.bridge for each in outside):
        for each in outside:
            partners = partners_of(known, each)
            if partners and not each.talked:
                known = known.with_channel(replace(each, talked=True))
            if any(partner.role is Role.OUTSIDE for partner in partners) and not call.answered:
                call = replace(call, forwarded=True)
    return known.with_call(call)


def _tell_leg(known: Known, leg: Channel, now: datetime) -> tuple[Known, list[CallEvent]]:
    events: list[CallEvent] = []
    partners = [] if leg.gone else partners_of(known, leg)
    told = leg.told
    # At its end the other side may be gone from the picture already: what was seen before counts.
    party = leg.party if leg.gone and leg.party else find_party(known, leg, partners)
    kind = _find_kind(leg, partners)
    if told is not None:
        told, changed = (told, False) if leg.gone else _renew(known, told, party)
        if changed:
            events.append(_leg_event(known, leg, Kind.UPDATED, now, told.party))
        party = told.party
    if kind is not None and party is not None and (told is None or _RANK[kind] > _RANK[told.kind]):
        events.append(_leg_event(known, leg, kind, now, party))
        told = Told(kind, party, held=False)
    if told is not None and told.kind is Kind.ANSWERED and leg.held != told.held:
        # Only one who speaks can be held; taking it back is told only after the hold was.
        events.append(_leg_event(known, leg, Kind.HELD if leg.held else Kind.RESUMED, now, told.party))
        told = replace(told, held=leg.held)
    if leg.gone:
        cause = _find_cause(known, leg, told)
        worth_telling = told is not None or (cause in WORTH_TELLING_UNRUNG and not leg.calling)
        if worth_telling and party is not None:
            events.append(_leg_event(known, leg, Kind.ENDED, now, party, cause))
            if told is None or told.kind is not Kind.ANSWERED:
                known = known.with_call(_blame(known.calls[leg.call], cause))
    else:
        known = known.with_channel(
            replace(leg, told=told, party=party or leg.party, talked=leg.talked or bool(partners))
        )
    return _remember(known, leg, events, bool(partners)), events


def _find_kind(leg: Channel, partners: list[Channel]) -> Kind | None:
    if leg.gone:
        return None
    if partners:
        return Kind.ANSWERED
    if leg.calling or leg.originated:
        return Kind.DIALING
    return Kind.RINGING if leg.state == RINGING else None


def _renew(known: Known, told: Told, party: Party | None) -> tuple[Told, bool]:
    """What was told of the other side, brought up to date; and whether that is worth an event.

    From a colleague to somebody outside is a new conversation: its answer is told again.
    """
    if told.party.direction in _COLLEAGUES and party is not None and party.direction not in _COLLEAGUES:
        return Told(Kind.DIALING, party), True
    current = refresh_party(known, told.party)
    return replace(told, party=current), current != told.party


def _find_cause(known: Known, leg: Channel, told: Told | None) -> Cause:
    if leg.hangup_cause == VANISHED:
        return Cause.UNKNOWN
    if told is not None and (told.kind is Kind.ANSWERED or leg.talked):
        other = known.channels.get(told.party.uid)
        goes_on = other is not None and not other.leaving and not other.gone and not leg.leaving
        return Cause.TRANSFERRED if leg.transfers or goes_on else Cause.HUNG_UP
    if leg.calling or leg.originated:
        return _find_cause_of_dialling(leg)
    if leg.picked_up or leg.hangup_cause == ANSWERED_ELSEWHERE:
        return Cause.ANSWERED_ELSEWHERE
    if leg.forwarded_to:
        return Cause.FORWARDED
    if leg.fate in DIAL_STATUSES:
        # "No answer" and "busy" may hide a decline or a missing phone, which the hangup cause tells apart.
        return DIAL_STATUSES[leg.fate]
    if leg.hangup_cause in HANGUP_CAUSES:
        return HANGUP_CAUSES[leg.hangup_cause]
    caller = find_caller(known, leg)
    if known.calls[leg.call].gave_up or caller is None or caller.leaving or caller.gone:
        return Cause.GAVE_UP
    return Cause.ANSWERED_ELSEWHERE if known.calls[leg.call].answered else Cause.NO_ANSWER


def _find_cause_of_dialling(leg: Channel) -> Cause:
    if leg.outcome in DIAL_STATUSES:
        return DIAL_STATUSES[leg.outcome]
    if leg.leaving or leg.outcome == "CANCEL":
        return Cause.GAVE_UP
    return HANGUP_CAUSES.get(leg.hangup_cause, Cause.HUNG_UP)


def _blame(call: Call, cause: Cause) -> Call:
    """Of several unanswered legs, one that nobody took says more than one that was busy."""
    return call if call.cause is Cause.NO_ANSWER else replace(call, cause=cause)


def _remember(known: Known, leg: Channel, events: list[CallEvent], talks: bool) -> Known:
    if not events and not talks:
        return known
    call = known.calls[leg.call]
    party = call.party
    for event in events:
        # A customer counts more than a colleague, and between colleagues a call is as its caller sees it.
        counts_more = (
            party.direction is Direction.UNKNOWN or leg.calling or event.direction not in _COLLEAGUES
        )
        if party.direction is Direction.UNKNOWN or (party.direction in _COLLEAGUES and counts_more):
            party = Party(event.direction, event.number, event.name, event.dialled)
    return known.with_call(
        replace(call, told=call.told or bool(events), answered=call.answered or talks, party=party)
    )


def _end_call(known: Known, uid: str, now: datetime) -> tuple[Known, list[CallEvent]]:
    """Take the hung up channels away; with the last one the call is over."""
    gone = [channel for channel in known.channels_of(uid) if channel.gone]
    if not gone:
        return known, []
    left = {each.uid: each for each in known.channels.values() if each.call != uid or not each.gone}
    known = replace(known, channels=left).with_ended(*(channel.uid for channel in gone))
    # What Asterisk keeps for itself (a zombie, an announcer) does not hold a call alive.
    if any(channel.role is not Role.NOBODY for channel in known.channels_of(uid)):
        return known, []
    call = known.calls[uid]
    known = replace(
        known,
        channels={each.uid: each for each in left.values() if each.call != uid},
        calls={other: each for other, each in known.calls.items() if other != uid},
        aliases={old: target for old, target in known.aliases.items() if target != uid},
    )
    if not call.told and call.party.direction is not Direction.INBOUND:
        return known, []
    cause = _find_call_cause(call, gone)
    return known, [_event(known, uid, Kind.ENDED, now, call.party, cause=cause)]


def _find_call_cause(call: Call, gone: list[Channel]) -> Cause:
    if any(channel.hangup_cause == VANISHED for channel in gone):
        return Cause.UNKNOWN
    if call.answered:
        return Cause.HUNG_UP
    if call.voicemail:
        return Cause.VOICEMAIL
    if call.forwarded:
        return Cause.FORWARDED
    if call.gave_up:
        return Cause.GAVE_UP
    return call.cause or HANGUP_CAUSES.get(gone[-1].hangup_cause, Cause.UNKNOWN)


def _leg_event(
    known: Known, leg: Channel, kind: Kind, now: datetime, party: Party, cause: Cause | None = None
) -> CallEvent:
    return _event(known, leg.call, kind, now, party, leg=leg.leg, extension=leg.extension, cause=cause)


def _event(
    known: Known,
    call: str,
    kind: Kind,
    now: datetime,
    party: Party,
    *,
    leg: str = "",
    extension: str = "",
    cause: Cause | None = None,
    joins: str = "",
) -> CallEvent:
    return CallEvent(
        pbx=known.pbx,
        call_uid=call,
        kind=kind,
        at=now,
        leg=leg,
        extension=extension,
        direction=party.direction,
        number=_clean(party.number, MAX_NUMBER),
        name=_clean(party.name, MAX_NAME),
        dialled=_clean(party.dialled, MAX_NUMBER),
        via=party.via,
        via_name=_clean(party.via_name, MAX_NAME),
        cause=cause,
        joins=joins,
    )


def _has_outside(known: Known, call: str) -> bool:
    return any(each.role is Role.OUTSIDE and not each.gone for each in known.channels_of(call))


def _clean(text: str, longest: int) -> str:
    """What cannot be printed is shown as U+FFFD, so that no control character goes any further."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text[:longest])


def _age(uid: str) -> tuple[float, int, str]:
    """Asterisk's ids are `[system-]seconds.number`: the oldest first."""
    seconds, _, number = uid.rpartition("-")[2].partition(".")
    if seconds.isdecimal() and number.isdecimal() and len(uid) < 40:
        return float(seconds), int(number), uid
    return float("inf"), 0, uid
