"""The states of a leg and of a call: everything that decides what an event means stands in this file.

Two tables, no clock, no IO. `LEGS` is total over state x kind: a leg never refuses an event, an event that
comes too late changes nothing. What a change of a leg means for the call is in `hear`, which returns
effects and does nothing itself. A call may enter at any state (a menu or greeting may have answered it
before anybody rang), and each of its legs ends in OVER, whatever comes after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from nutshellpbx.calls.effects import Close, Correct, Effect, Present, Withdraw
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind


class LegState(StrEnum):
    """Where a leg stands."""

    NEW = "new"
    DIALING = "dialing"
    RINGING = "ringing"
    TALKING = "talking"
    HELD = "held"
    OVER = "over"


class Change(StrEnum):
    """What an event did to a leg."""

    NONE = "none"
    DIALS = "dials"
    RINGS = "rings"
    ANSWERS = "answers"
    HOLDS = "holds"
    RESUMES = "resumes"
    ENDS = "ends"
    LATE = "late"


S, C, K = LegState, Change, Kind

#: (state, kind) -> (state after, what changed). Total: a test compares it with the product of the two enums.
LEGS: dict[tuple[LegState, Kind], tuple[LegState, Change]] = {
    # nothing known of this leg yet: it may enter anywhere
    (S.NEW, K.DIALING): (S.DIALING, C.DIALS),
    (S.NEW, K.RINGING): (S.RINGING, C.RINGS),
    (S.NEW, K.ANSWERED): (S.TALKING, C.ANSWERS),
    (S.NEW, K.HELD): (S.HELD, C.ANSWERS),
    (S.NEW, K.RESUMED): (S.TALKING, C.ANSWERS),
    (S.NEW, K.UPDATED): (S.NEW, C.NONE),
    (S.NEW, K.JOINED): (S.NEW, C.NONE),
    (S.NEW, K.ENDED): (S.OVER, C.ENDS),
    # our extension calls out; "ringing" is the other side's phone
    (S.DIALING, K.DIALING): (S.DIALING, C.NONE),
    (S.DIALING, K.RINGING): (S.DIALING, C.NONE),
    (S.DIALING, K.ANSWERED): (S.TALKING, C.ANSWERS),
    (S.DIALING, K.HELD): (S.HELD, C.ANSWERS),
    (S.DIALING, K.RESUMED): (S.TALKING, C.ANSWERS),
    (S.DIALING, K.UPDATED): (S.DIALING, C.NONE),
    (S.DIALING, K.JOINED): (S.DIALING, C.NONE),
    (S.DIALING, K.ENDED): (S.OVER, C.ENDS),
    # the phone rings; "dialing" after it is click-to-dial: own phone first, then the other side
    (S.RINGING, K.DIALING): (S.DIALING, C.DIALS),
    (S.RINGING, K.RINGING): (S.RINGING, C.NONE),
    (S.RINGING, K.ANSWERED): (S.TALKING, C.ANSWERS),
    (S.RINGING, K.HELD): (S.HELD, C.ANSWERS),
    (S.RINGING, K.RESUMED): (S.TALKING, C.ANSWERS),
    (S.RINGING, K.UPDATED): (S.RINGING, C.NONE),
    (S.RINGING, K.JOINED): (S.RINGING, C.NONE),
    (S.RINGING, K.ENDED): (S.OVER, C.ENDS),
    # they speak; a ring or dial that comes now was overtaken on its way
    (S.TALKING, K.DIALING): (S.TALKING, C.LATE),
    (S.TALKING, K.RINGING): (S.TALKING, C.LATE),
    (S.TALKING, K.ANSWERED): (S.TALKING, C.NONE),
    (S.TALKING, K.HELD): (S.HELD, C.HOLDS),
    (S.TALKING, K.RESUMED): (S.TALKING, C.NONE),
    (S.TALKING, K.UPDATED): (S.TALKING, C.NONE),
    (S.TALKING, K.JOINED): (S.TALKING, C.NONE),
    (S.TALKING, K.ENDED): (S.OVER, C.ENDS),
    (S.HELD, K.DIALING): (S.HELD, C.LATE),
    (S.HELD, K.RINGING): (S.HELD, C.LATE),
    (S.HELD, K.ANSWERED): (S.TALKING, C.RESUMES),
    (S.HELD, K.HELD): (S.HELD, C.NONE),
    (S.HELD, K.RESUMED): (S.TALKING, C.RESUMES),
    (S.HELD, K.UPDATED): (S.HELD, C.NONE),
    (S.HELD, K.JOINED): (S.HELD, C.NONE),
    (S.HELD, K.ENDED): (S.OVER, C.ENDS),
    # over is over
    (S.OVER, K.DIALING): (S.OVER, C.LATE),
    (S.OVER, K.RINGING): (S.OVER, C.LATE),
    (S.OVER, K.ANSWERED): (S.OVER, C.LATE),
    (S.OVER, K.HELD): (S.OVER, C.LATE),
    (S.OVER, K.RESUMED): (S.OVER, C.LATE),
    (S.OVER, K.UPDATED): (S.OVER, C.LATE),
    (S.OVER, K.JOINED): (S.OVER, C.LATE),
    (S.OVER, K.ENDED): (S.OVER, C.LATE),
}

#: Between the PBX's id of a leg and the count when the same leg is rung again.
AGAIN = "#"
SPEAKS = frozenset({S.TALKING, S.HELD})
WAITS = frozenset({S.NEW, S.DIALING, S.RINGING})
BEGINS = frozenset({K.DIALING, K.RINGING, K.ANSWERED})

#: How long a call may stay silent in a state before it is ended for us (complaint 16: "ringing for ever").
RING_LIMIT = timedelta(minutes=10)
TALK_LIMIT = timedelta(hours=12)
#: All legs are over, somebody hung up, and this kind of PBX does not always say that the call is over, too.
LINGER_LIMIT = timedelta(seconds=20)
#: All legs are over but the call may go on: a queue chooses the next phone, the caller is parked or speaks to
#: a voicemail box.
GAP_LIMIT = timedelta(hours=1)
HUNG_UP = frozenset({Cause.HUNG_UP, Cause.GAVE_UP, Cause.UNKNOWN})
OUTSIDE = frozenset({Direction.INBOUND, Direction.OUTBOUND})


@dataclass(frozen=True, slots=True)
class LegPicture:
    """One extension's part of a call, as far as it is known."""

    uid: str
    number: str = ""
    state: LegState = S.NEW
    via: str = ""
    via_name: str = ""
    cause: str = ""
    started_at: datetime | None = None
    rang_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallPicture:
    """A conversation, as far as it is known."""

    is_live: bool = True
    direction: Direction = Direction.UNKNOWN
    number: str = ""
    name: str = ""
    dialled: str = ""
    via: str = ""
    via_name: str = ""
    cause: str = ""
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    quiet_at: datetime | None = None
    legs: tuple[LegPicture, ...] = ()

    def leg(self, uid: str) -> LegPicture | None:
        return next((leg for leg in self.legs if leg.uid == uid), None)


def hear(
    call: CallPicture, event: CallEvent, *, tells_end: bool = False
) -> tuple[CallPicture, list[Effect], bool]:
    """What an event makes of a call: the new picture, the effects, and whether it came too late to count.

    Never raises and never forgets: unknown legs are added, a second end does nothing. `tells_end`: this kind
    of PBX tells all in order, the end last.
    """
    if not call.is_live:
        call, corrections = _correct(call, event)
        return call, corrections, True
    known_number = call.number
    call = _learn(call, event)
    if not event.leg:
        if event.kind is Kind.ENDED and not tells_end and (call.ended_at or _is_unheard(call)):
            # its end has overtaken its beginning: closing waits until that had time to come
            ended_at, cause = call.ended_at or event.at, call.cause or event.cause or Cause.UNKNOWN
            return replace(call, ended_at=ended_at, cause=cause), [], False
        if event.kind is Kind.ENDED:
            return _close(call, event.at, event.cause or Cause.UNKNOWN)
        is_shown = call.number != known_number and call.ended_at is None
        return call, _show_again(call) if is_shown else [], False
    before = _leg_meant(call, event)
    state, change = LEGS[before.state, event.kind]
    leg = _dated(_described(before, event), state, change, event)
    if _had_answered(leg, event):
        leg = replace(leg, answered_at=event.at)
    call = _with_leg(call, leg)
    # a consultation between colleagues in an outside call shows nothing; taking the call over does
    is_outside = event.direction is not Direction.INTERNAL
    effects: list[Effect] = []
    if change in {C.RINGS, C.DIALS}:
        if is_outside and not _answered_since(call, leg, event.at):
            effects.append(Present(leg.uid, "ring" if change is C.RINGS else "dial"))
    elif change is C.ANSWERS:
        if call.answered_at is None or event.at < call.answered_at:
            call = replace(call, answered_at=event.at)
        effects += [
            Withdraw(other.uid) for other in call.legs if other.uid != leg.uid and other.state is S.RINGING
        ]
        if is_outside:
            effects.append(Present(leg.uid, "answer"))
    elif change is C.ENDS:
        effects.append(Withdraw(leg.uid))
    elif event.kind is K.ANSWERED and state is S.TALKING and event.direction in OUTSIDE:
        effects.append(Present(leg.uid, "answer"))
    if call.number != known_number:
        effects += [effect for effect in _show_again(call) if effect not in effects]
    return call, [] if call.ended_at is not None else effects, change is C.LATE


def time_out(
    call: CallPicture, now: datetime, *, tells_end: bool = False
) -> tuple[CallPicture, list[Effect]]:
    """End a call that has been silent for too long, as of its last word; nothing when it may still go on.

    `tells_end`: this kind of PBX always says that a call is over, so a pause between its legs is only a
    pause.
    """
    limit = limit_of(call, tells_end=tells_end)
    if not call.is_live or call.quiet_at is None or now - call.quiet_at < limit:
        return call, []
    cause = call.cause or (Cause.HUNG_UP if call.answered_at else Cause.NO_ANSWER)
    call, effects, _late = _close(call, call.ended_at or call.quiet_at, cause)
    return call, effects


def limit_of(call: CallPicture, *, tells_end: bool = False) -> timedelta:
    """How long this call may stay silent."""
    if call.ended_at is not None:
        return LINGER_LIMIT
    if any(leg.state in SPEAKS for leg in call.legs):
        return TALK_LIMIT
    if not call.legs or any(leg.state in WAITS for leg in call.legs):
        return RING_LIMIT
    last = max(call.legs, key=lambda leg: (leg.ended_at is not None, leg.ended_at or call.quiet_at))
    return LINGER_LIMIT if last.cause in HUNG_UP and not tells_end else GAP_LIMIT


def _had_answered(leg: LegPicture, event: CallEvent) -> bool:
    """Whether this answer, which comes after the end of its leg, had been given before it."""
    return (
        event.kind is Kind.ANSWERED
        and leg.answered_at is None
        and leg.ended_at is not None
        and event.at < leg.ended_at
    )


def _correct(call: CallPicture, event: CallEvent) -> tuple[CallPicture, list[Effect]]:
    """What is heard of after the call's end corrects whose call it was and who called; it shows nothing."""
    ended_at = call.ended_at
    if ended_at is None:
        return call, []
    known_number, had_legs = call.number, bool(call.legs)
    if not known_number or not had_legs:
        call = replace(_learn(call, event), quiet_at=call.quiet_at)
    effects: list[Effect] = [Correct()] if call.number != known_number else []
    if not event.leg or event.kind not in BEGINS:
        return call, effects
    mine = [leg for leg in call.legs if leg.uid.partition(AGAIN)[0] == event.leg]
    # a leg that we never heard of ended with the call, at the latest
    unheard = LegPicture(event.leg, state=S.OVER, started_at=event.at, ended_at=max(ended_at, event.at))
    leg = _described(mine[-1] if mine else unheard, event)
    if _had_answered(leg, event):
        leg = replace(leg, answered_at=event.at)
        call = replace(call, answered_at=min(filter(None, (call.answered_at, event.at))))
    elif had_legs:
        return call, effects
    elif event.kind is K.RINGING:
        leg = replace(leg, rang_at=event.at)
    return _with_leg(call, leg), [Correct()]


def _is_unheard(call: CallPicture) -> bool:
    """Whether nobody has told yet whose call this is, or who called: no phone was heard to ring or speak."""
    is_begun = any(leg.state not in {S.NEW, S.OVER} or leg.rang_at or leg.answered_at for leg in call.legs)
    return not call.legs or (not call.number and not is_begun)


def _leg_meant(call: CallPicture, event: CallEvent) -> LegPicture:
    """The leg that an event is about; a PBX that knows a leg by its extension may ring it again."""
    mine = [leg for leg in call.legs if leg.uid.partition(AGAIN)[0] == event.leg]
    if not mine:
        return LegPicture(uid=event.leg, started_at=event.at)
    last = mine[-1]
    if (
        last.state is S.OVER
        and event.kind in BEGINS
        and last.ended_at is not None
        and event.at > last.ended_at
    ):
        return LegPicture(uid=f"{event.leg}{AGAIN}{len(mine) + 1}", started_at=event.at)
    return last


def _show_again(call: CallPicture) -> list[Effect]:
    """The caller's number became known, or another one: whoever could not be shown it before may be now."""
    moments = {S.RINGING: "ring", S.DIALING: "dial", S.TALKING: "answer", S.HELD: "answer"}
    return [Present(leg.uid, moments[leg.state]) for leg in call.legs if leg.state in moments]


def _learn(call: CallPicture, event: CallEvent) -> CallPicture:
    """What an event tells of the whole call; later words win, empty ones never erase.

    In an outside call a colleague's number and name are nobody's; an internal call that is turned outside has
    the outside party's alone.
    """
    number, name, dialled = (
        event.number or call.number,
        event.name or call.name,
        call.dialled or event.dialled,
    )
    if event.direction is Direction.INTERNAL and call.direction in OUTSIDE:
        number, name, dialled = call.number, call.name, call.dialled
    elif event.direction in OUTSIDE and call.direction is Direction.INTERNAL:
        number, name, dialled = event.number, event.name, event.dialled
    return replace(
        call,
        direction=_direction(call.direction, event.direction),
        number=number,
        name=name,
        dialled=dialled,
        via=str(event.via or call.via),
        via_name=event.via_name or call.via_name,
        started_at=min(filter(None, (call.started_at, event.at))),
        quiet_at=max(filter(None, (call.quiet_at, event.at))),
    )


def _direction(known: Direction, said: Direction) -> Direction:
    """An internal call that is turned outside becomes an outside call, never the other way round."""
    if said is Direction.UNKNOWN or (said is Direction.INTERNAL and known is not Direction.UNKNOWN):
        return known
    return said if known in {Direction.UNKNOWN, Direction.INTERNAL} else known


def _described(leg: LegPicture, event: CallEvent) -> LegPicture:
    return replace(
        leg,
        number=event.extension or leg.number,
        via=str(event.via or leg.via),
        via_name=event.via_name or leg.via_name,
    )


def _dated(leg: LegPicture, state: LegState, change: Change, event: CallEvent) -> LegPicture:
    leg = replace(leg, state=state)
    if change is C.RINGS:
        return replace(leg, rang_at=event.at)
    if change is C.ANSWERS:
        return replace(leg, answered_at=event.at)
    if change is C.ENDS:
        return replace(leg, ended_at=event.at, cause=event.cause or Cause.UNKNOWN)
    return leg


def _answered_since(call: CallPicture, ringing: LegPicture, at: datetime) -> bool:
    """A ring that was overtaken by a colleague's answer shows nothing any more."""
    return any(
        leg.uid != ringing.uid
        and leg.state in SPEAKS
        and leg.answered_at is not None
        and leg.answered_at >= at
        for leg in call.legs
    )


def _with_leg(call: CallPicture, leg: LegPicture) -> CallPicture:
    if call.leg(leg.uid) is None:
        return replace(call, legs=(*call.legs, leg))
    return replace(call, legs=tuple(leg if other.uid == leg.uid else other for other in call.legs))


def _close(call: CallPicture, at: datetime, cause: str) -> tuple[CallPicture, list[Effect], bool]:
    effects: list[Effect] = [Withdraw(leg.uid) for leg in call.legs if leg.state is not S.OVER]
    legs = tuple(
        leg
        if leg.state is S.OVER
        else replace(leg, state=S.OVER, ended_at=max(filter(None, (at, leg.answered_at))), cause=cause)
        for leg in call.legs
    )
    call = replace(call, is_live=False, ended_at=at, cause=cause, legs=legs)
    return call, [*effects, Close()], False
