"""One person, one pop: what a call's effects mean for people who have several phones. Pure.

Phones that ring together for one person show the caller once; what was shown stays while one of them still
rings or speaks, and goes with the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from nutshellpbx.calls.effects import Effect, Present, Withdraw
from nutshellpbx.calls.states import LegState

ALIVE = frozenset({LegState.RINGING, LegState.DIALING, LegState.TALKING, LegState.HELD})
MOMENTS = {
    LegState.RINGING: "ring",
    LegState.DIALING: "dial",
    LegState.TALKING: "answer",
    LegState.HELD: "answer",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A leg as this question sees it; `owner` is empty where the line has none."""

    owner: str
    state: LegState
    is_overtaken: bool = False

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE and not self.is_overtaken


class Timed(Protocol):
    """What a leg must tell of itself: the states' picture of it does, and so does its row."""

    @property
    def uid(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def rang_at(self) -> datetime | None: ...
    @property
    def answered_at(self) -> datetime | None: ...


def line_of(leg: Timed, legs: Iterable[Timed], *, owner: str) -> Line:
    """A leg among all legs of its call; a phone that still rings when another was answered is overtaken."""
    rang_at = leg.rang_at if leg.state == LegState.RINGING else None
    is_overtaken = rang_at is not None and any(
        other.answered_at is not None and other.answered_at >= rang_at and other.uid != leg.uid
        for other in legs
    )
    return Line(owner, LegState(leg.state), is_overtaken)


def for_people(effects: Sequence[Effect], lines: Mapping[str, Line]) -> list[Effect]:
    """The effects with each person counted once; `lines`: all legs of the call after the event, in order."""
    going = {effect.leg for effect in effects if isinstance(effect, Withdraw)}
    result: list[Effect] = []
    for effect in effects:
        match effect:
            case Withdraw(leg=uid):
                result += _take_away(uid, lines, going)
            case Present(leg=uid, moment="ring") if _rings_beside(uid, lines, going):
                pass
            case _:
                result.append(effect)
    return list(dict.fromkeys(result))


def _take_away(uid: str, lines: Mapping[str, Line], going: set[str]) -> list[Effect]:
    """Take away all that a person was shown of the call, unless another phone of theirs goes on."""
    theirs = _lines_of(uid, lines)
    goes_on = next((other for other in theirs if other not in going and lines[other].is_alive), None)
    if goes_on is None or goes_on == uid:
        return [Withdraw(other) for other in theirs]
    # what the other phone shows already stays; what was still on its way for this one is shown for that one
    return [Present(goes_on, MOMENTS[lines[goes_on].state])]


def _rings_beside(uid: str, lines: Mapping[str, Line], going: set[str]) -> bool:
    """Whether an earlier phone of the same person shows this ring already."""
    theirs = _lines_of(uid, lines)
    earlier = theirs[: theirs.index(uid)]
    return any(other not in going and lines[other].is_alive for other in earlier)


def _lines_of(uid: str, lines: Mapping[str, Line]) -> list[str]:
    owner = lines[uid].owner
    return [other for other, line in lines.items() if other == uid or (owner and line.owner == owner)]
