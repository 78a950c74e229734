"""What becomes of two conversations that become one: pure."""

from __future__ import annotations

from dataclasses import replace

from nutshellpbx.calls.effects import Effect, Present
from nutshellpbx.calls.states import SPEAKS, CallPicture
from nutshellpbx.pbx.events import Direction


def join(into: CallPicture, call: CallPicture, *, uid: str) -> tuple[CallPicture, list[Effect]]:
    """`call` becomes part of `into`: its legs go on there, and whoever speaks in it is shown the caller.

    `uid` is the joining call's id: a leg whose id is taken gets it as an addition. An outside call's party
    counts where the other one was internal.
    """
    taken = {leg.uid for leg in into.legs}
    moved = [replace(leg, uid=moved_uid(leg.uid, taken, uid)) for leg in call.legs]
    if takes_party(into.direction, call.direction):
        into = replace(into, direction=call.direction, number=call.number, name=call.name)
    starts = [moment for moment in (into.started_at, call.started_at) if moment is not None]
    into = replace(
        into,
        legs=(*into.legs, *moved),
        started_at=into.started_at or min(starts, default=None),
        quiet_at=max((moment for moment in (into.quiet_at, call.quiet_at) if moment), default=None),
    )
    return into, [Present(leg.uid, "answer") for leg in moved if leg.state in SPEAKS]


def moved_uid(uid: str, taken: set[str], call_uid: str) -> str:
    """The id of a leg in the call that it moves to."""
    return f"{uid}@{call_uid}"[:120] if uid in taken else uid


def takes_party(into: Direction, call: Direction) -> bool:
    """Whether the joining call's outside party is the one of both."""
    return into is Direction.UNKNOWN or (into is Direction.INTERNAL and call is not Direction.INTERNAL)
