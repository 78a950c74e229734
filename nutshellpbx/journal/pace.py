"""The request budget of a credential: a bucket of tokens whose rate adapts to what the CRM bears. Pure.

Grows by addition while requests go well, shrinks by a factor when the CRM asks to go slower (as TCP does, RFC
5681), and comes near the rate at which it was last asked only slowly (as CUBIC does, RFC 9438): so a limit
that is not known is found, and then hardly ever hit. Times are aware datetimes, rates requests per second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

START: Final = 2.0
CAP: Final = 20.0
FLOOR: Final = 0.2
#: What an idle credential may do at once: one entry's write, read-back and search, and a little.
BURST: Final = 5.0
#: Requests per second that are won in a second of requests that go well; the second figure near the ceiling.
GAIN: Final = 1.0
SLOW_GAIN: Final = 0.1
NEAR: Final = 0.9
CUT: Final = 0.7
#: A wait up to this long is waited out by the worker itself; a longer one goes into the row.
PATIENCE_S: Final = 1.2


@dataclass(slots=True)
class Pace:
    """How fast a credential may ask now; `tokens` below zero are requests that were let through on credit."""

    rate: float = START
    ceiling: float = CAP
    tokens: float = BURST
    at: datetime | None = None

    def wait_s(self, *, requests: int, now: datetime) -> float:
        """Seconds until so many requests may be sent; takes nothing."""
        self._fill(now)
        return max(0.0, (min(requests, BURST) - self.tokens) / self.rate)

    def take(self, *, now: datetime) -> float:
        """Take one request's token and return how many seconds to wait before it is sent."""
        self._fill(now)
        self.tokens -= 1.0
        return max(0.0, -self.tokens / self.rate)

    def went_well(self, *, requests: int = 1) -> None:
        """So many requests were answered: a little faster."""
        for _each in range(requests):
            gain = GAIN if self.rate < NEAR * self.ceiling else SLOW_GAIN
            self.rate = min(CAP, self.rate + gain / self.rate)
        self.ceiling = max(self.ceiling, self.rate)

    def told_to_slow_down(self) -> None:
        """The CRM said "too many requests" (429)."""
        self.ceiling = self.rate
        self.rate = max(FLOOR, self.rate * CUT)
        self.tokens = min(self.tokens, 0.0)

    def after_outage(self) -> None:
        """The CRM was away: it is met with half of what it bore before, no storm on its first breath."""
        self.rate = max(START, self.rate / 2)
        self.tokens = min(self.tokens, 1.0)

    def _fill(self, now: datetime) -> None:
        if self.at is not None:
            passed_s = (now - self.at).total_seconds()
            if passed_s > 0:  # a clock that was set back gives nothing and takes nothing
                self.tokens = min(BURST, self.tokens + passed_s * self.rate)
        self.at = now
