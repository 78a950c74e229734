"""When a credential stops asking a CRM that is away, and how it finds out that it is back. Pure.

Failures are answers that say "not now" for reasons of the CRM's own (unreachable, reset, time-out, 5xx).
Being asked to go slower (429) is none: there the pace is cut and Retry-After is obeyed. After `OPEN_AFTER`
failures in a row nothing is sent for a while; then one probe goes, and its success lets everything flow.
"""

from __future__ import annotations

import random
from datetime import datetime
from enum import StrEnum
from typing import Final

OPEN_AFTER: Final = 5
BASE_S: Final = 1.0
CAP_S: Final = 900.0
#: While it is open, the longest pause between two probes: so a CRM that is back is noticed soon.
PROBE_EVERY_S: Final = 15.0
#: The CRM's own word is obeyed, up to a day: more is a mistake of its own.
RETRY_AFTER_CAP_S: Final = 86_400.0

_dice = random.SystemRandom()


class Breaker(StrEnum):
    """Whether a credential writes."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


def state_of(*, failures: int, not_before: datetime | None, now: datetime) -> Breaker:
    """The state after so many failures in a row with a pause until `not_before`."""
    if failures < OPEN_AFTER:
        return Breaker.CLOSED
    return Breaker.OPEN if not_before is not None and not_before > now else Breaker.PROBING


def pause_s(failures: int, retry_after_s: float | None) -> float:
    """How long a credential rests after so many failures in a row, in seconds; the CRM's own word counts."""
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), RETRY_AFTER_CAP_S)
    if failures < OPEN_AFTER:
        return min(back_off_s(failures), PROBE_EVERY_S)
    return _dice.uniform(PROBE_EVERY_S / 2, PROBE_EVERY_S)


def back_off_s(failures: int, retry_after_s: float | None = None) -> float:
    """How long an entry waits after so many failures in a row, in seconds: full jitter after Retry-After."""
    ceiling = min(CAP_S, BASE_S * 2.0 ** min(failures, 20))
    asked_for = min(max(retry_after_s or 0.0, 0.0), RETRY_AFTER_CAP_S)
    return asked_for + _dice.uniform(0.0, ceiling)
