"""Desks that open nothing and keep everything that they are told: what a person would have seen, in order."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from nutshellpbx import wire

WAIT_S = 10
#: Behind a leg's id where the page is the one after the call's end.
AFTER = ":after"


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that a desk was told; `at` is the moment of its arrival, in Unix time."""

    at: float
    instruction: wire.Instruction

    @property
    def words(self) -> str:
        """What the person saw: "page", "card", "gone", or "page afterwards"."""
        verb = self.instruction.verb
        word = {wire.Verb.OPEN: "page", wire.Verb.CARD: "card", wire.Verb.WITHDRAW: "gone"}[verb]
        return f"{word} afterwards" if self.instruction.subject.endswith(AFTER) else word


class WatchedDesk:
    """A desk with its token, waiting on a thread of its own between `start` and `stop`."""

    def __init__(self, *, push_url: str, token: str) -> None:
        self._split = urlsplit(push_url)
        self._token = token
        self._seen: list[Seen] = []
        self._news = threading.Condition()
        self._ended = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def seen(self, *, calls: Sequence[str]) -> list[Seen]:
        """What came for these calls' keys so far."""
        with self._news:
            return [one for one in self._seen if one.instruction.call in calls]

    def wait(self, is_so: Callable[[set[str]], bool], *, timeout_s: float) -> bool:
        """Whether the ids of all that came fulfil a condition in time."""
        with self._news:
            return self._news.wait_for(
                lambda: is_so({one.instruction.id for one in self._seen}), timeout=timeout_s
            )

    def _run(self) -> None:
        cursor = 0
        while not self._ended.is_set():
            try:
                cursor = self._ask(cursor)
            except (OSError, http.client.HTTPException, wire.Malformed):
                self._hang_up()
                self._ended.wait(0.2)
        self._hang_up()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, cursor: int) -> int:
        if self._connection is None:
            host, port = self._split.hostname or "", self._split.port
            self._connection = http.client.HTTPConnection(host, port, timeout=WAIT_S + 20)
        path = f"/push/instructions?after={cursor}&wait={WAIT_S}"
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
        batch = wire.read_batch(self._connection.getresponse().read())
        now = time.time()
        readable = [one for one in batch.instructions if isinstance(one, wire.Instruction)]
        with self._news:
            self._seen += [Seen(now, one) for one in readable]
            self._news.notify_all()
        return batch.cursor
