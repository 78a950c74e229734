"""How many requests a CRM lets pass: tokens for each sign-in, or for all together, and a count."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

#: So many sign-ins are told apart; more than that is no office.
MOST_BUCKETS = 10_000
WHOSE = ("sign_in", "all")


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float
    allowed: int = 0
    refused: int = 0


class RateLimit:
    """Lets ``per_second`` requests pass on average and ``burst`` of them at once; times are in seconds."""

    def __init__(self, *, per_second: float, burst: int, per: str) -> None:
        self._per_second = per_second
        self._burst = burst
        self._per = per
        self._buckets: dict[str, _Bucket] = {}
        self._last_second: deque[float] = deque()
        self._fullest_second = 0

    def take(self, username: str, *, now: float) -> float:
        """Let a request pass (0.0), or say how many seconds it has to wait."""
        bucket = self._bucket_of(username.lower() if self._per == "sign_in" else "", now)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
        if bucket.tokens < 1.0:
            bucket.refused += 1
            return (1.0 - bucket.tokens) / self._per_second
        bucket.tokens -= 1.0
        bucket.allowed += 1
        self._last_second.append(now)
        while self._last_second[0] <= now - 1.0:
            self._last_second.popleft()
        self._fullest_second = max(self._fullest_second, len(self._last_second))
        return 0.0

    def counts(self) -> dict[str, Any]:
        """How many were let through and refused, in all and by sign-in, and the most within one second."""
        by = {
            who: {"allowed": bucket.allowed, "refused": bucket.refused}
            for who, bucket in self._buckets.items()
        }
        return {
            "allowed": sum(bucket.allowed for bucket in self._buckets.values()),
            "refused": sum(bucket.refused for bucket in self._buckets.values()),
            "fullest_second": self._fullest_second,
            "by_sign_in": by if self._per == "sign_in" else {},
        }

    def _bucket_of(self, who: str, now: float) -> _Bucket:
        if who not in self._buckets and len(self._buckets) >= MOST_BUCKETS:
            who = ""
        return self._buckets.setdefault(who, _Bucket(float(self._burst), now))
