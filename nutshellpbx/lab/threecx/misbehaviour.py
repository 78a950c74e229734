"""What goes wrong at the practice 3CX, and how it is licensed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Misbehaviour:
    """Everything as it should be, until a test says otherwise."""

    key: str = "practice-key"
    #: As told, in minutes or in seconds, and as it is, in seconds.
    expires_in: int = 60
    token_life_s: float = 3_600.0
    has_call_control: bool = True
    has_xapi: bool = True
    #: How the Call Control API is refused where it is not licensed.
    refuses_with: int = 403
    #: So many of the next requests are answered with 500.
    failing: int = 0
    #: How often each event is sent.
    repeats: int = 1
    #: Events are held back until `release`, which sends the last one first.
    reorders: bool = False
    loses_events: bool = False
    dial_fails: bool = False
