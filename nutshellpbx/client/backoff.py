"""Waits between tries: longer each time, never all desks at once."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """From half a second up to `most_s`, each wait drawn between half of it and all of it."""

    most_s: float = 15.0
    _next_s: float = 0.5

    def next_s(self) -> float:
        """Seconds to wait now."""
        wait_s = random.uniform(self._next_s / 2, self._next_s)
        self._next_s = min(self.most_s, self._next_s * 2)
        return wait_s

    def reset(self) -> None:
        """It worked: begin anew."""
        self._next_s = 0.5
