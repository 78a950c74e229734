"""What an event of a call makes others do: the effects, as the states return them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Present:
    """Show the caller to the owner of this leg; `moment` is ring, answer or dial."""

    leg: str
    moment: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take away what was shown for this leg."""

    leg: str


@dataclass(frozen=True, slots=True)
class Close:
    """The call is over: journal it, open the record once more for the one who spoke."""


@dataclass(frozen=True, slots=True)
class Correct:
    """The call is over and journaled, and only now we hear who was rung or had answered."""


Effect = Present | Withdraw | Close | Correct
