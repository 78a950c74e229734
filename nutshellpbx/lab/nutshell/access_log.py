"""Each request as one line: what was asked, who asked, what came of it. Secrets and full numbers stay out."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, deque
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from nutshellpbx.lab.nutshell.exchange import Request
from nutshellpbx.lab.nutshell.numbers import digits_of

#: So many entries are kept unless told otherwise: about 1 KB each.
MOST_ENTRIES = 50_000
#: So many kinds of requests are counted apart.
MOST_KINDS = 1000

_NUMBER_IN_PATH = re.compile(r"/\d+(-[a-zA-Z0-9_-]+)?(?=/|$)")

# Query values that are shown as they are; of a number the last four digits; of all others only the name.
_PLAIN = frozenset(
    ("page[page]", "page[limit]", "limit", "sort", "since_id", "max_id", "since_time", "max_time")
    + ("filter[types]", "filters[payload][]")
)


class AccessLog:
    """Numbered entries, the last ``keeps`` in memory and, with a path, all in a file of JSON lines.

    What came of each kind of request is counted, whatever is kept.
    """

    def __init__(self, *, path: str | None = None, keeps: int = MOST_ENTRIES) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=keeps)
        self._tally: dict[str, Counter[str]] = {}
        self._last = 0
        self._file: IO[str] | None = _open(path) if path else None
        self._waiting: set[asyncio.Event] = set()

    def write(
        self,
        *,
        request: Request,
        username: str,
        status: int | None,
        duration_s: float,
        was_handled: bool,
        misdeed: str | None,
    ) -> None:
        """Add one entry; ``status`` is None when no answer went out."""
        self._last += 1
        entry = {
            "n": self._last,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "method": request.method,
            "path": request.path,
            "query": {name: _shown(name, value) for name, value in request.query},
            "status": status,
            "user": username or None,
            "agent": request.headers.get("user-agent"),
            "dest": request.headers.get("sec-fetch-dest"),
            "duration_ms": round(duration_s * 1000, 2),
            "handled": was_handled,
            "fault": misdeed,
        }
        self._entries.append(entry)
        self._count(request, status)
        if self._file:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        for waiter in self._waiting:
            waiter.set()

    def after(self, number: int) -> list[dict[str, Any]]:
        """The kept entries with a higher number."""
        behind = self._last - number
        if behind <= 0:
            return []
        return list(islice(reversed(self._entries), behind))[::-1]

    async def wait_after(self, number: int, *, timeout_s: float) -> list[dict[str, Any]]:
        """The entries with a higher number, waiting for the first one if there is none yet."""
        if self._last > number or timeout_s <= 0:
            return self.after(number)
        waiter = asyncio.Event()
        self._waiting.add(waiter)
        try:
            await asyncio.wait_for(waiter.wait(), timeout_s)
        except TimeoutError:
            return []
        finally:
            self._waiting.discard(waiter)
        return self.after(number)

    def tally(self) -> dict[str, dict[str, int]]:
        """How often each kind of request (ids left out of its path) got each status; "none" is no answer."""
        return {kind: dict(statuses) for kind, statuses in self._tally.items()}

    def _count(self, request: Request, status: int | None) -> None:
        kind = f"{request.method} {_NUMBER_IN_PATH.sub('/#', request.path)}"
        if kind not in self._tally and len(self._tally) >= MOST_KINDS:
            kind = "others"
        self._tally.setdefault(kind, Counter())["none" if status is None else str(status)] += 1

    @property
    def kept_from(self) -> int:
        """The number of the oldest entry in memory; what is older was dropped."""
        return self._entries[0]["n"] if self._entries else self._last + 1

    @property
    def last(self) -> int:
        """The number of the newest entry."""
        return self._last

    def clear(self) -> None:
        """Forget the entries and counts in memory; the numbers go on and the file stays."""
        self._entries.clear()
        self._tally.clear()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def _open(path: str) -> IO[str]:
    # Line-buffered and open as long as the server lives: each line is on disk when its answer is out.
    return Path(path).open("a", encoding="utf-8", buffering=1)


def _shown(name: str, value: str) -> str:
    if name in _PLAIN:
        return value
    if name.startswith("filter[phone]"):
        return f"…{digits_of(value)[-4:]}"
    return "…"
