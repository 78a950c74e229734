"""A practice phone system: tells calls as signed JSON events to a webhook, and keeps its own list of them.

An event is ``{"id", "call", "leg", "kind", "at", "extension", "direction", "number", "name", "dialled",
"via", "cause", "joins"}``; members without a value are left out. A body is one event, or
``{"events": [...]}`` with at most fifty. An ``ended`` without ``leg`` ends the whole call.
"""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

from nutshellpbx.lab.signing import sign

KINDS = ("dialing", "ringing", "answered", "held", "resumed", "updated", "joined", "ended")
CAUSES = (
    "answered_elsewhere",
    "busy",
    "no_answer",
    "gave_up",
    "voicemail",
    "forwarded",
    "failed",
    "unknown",
)
MOST_EVENTS = 50


class NotTaken(Exception):
    """The other side did not take a message; ``status`` is None when it gave no answer at all."""

    def __init__(self, message: str, *, status: int | None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it was posted: its id, the answer's status and how long the answer took."""

    message_id: str
    status: int
    duration_s: float


@dataclass(slots=True)
class ToldCall:
    """One call as the phone system knows it; what a checker compares the CRM with."""

    id: str
    story: str
    direction: str
    number: str
    name: str = ""
    rang: list[str] = field(default_factory=list)
    answered_by: str | None = None
    started_at: str = ""
    answered_at: str | None = None
    ended_at: str | None = None
    cause: str | None = None
    untold: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether somebody spoke."""
        return self.answered_by is not None

    def to_json(self) -> dict[str, Any]:
        """The call as one line of the ledger."""
        return asdict(self) | {"is_answered": self.is_answered}


class PhoneSystem:
    """One phone system that posts to one address; several threads may tell calls at the same time.

    ``speed`` shortens all waits (10 is ten times as fast). ``retry_for_s`` is how long a message that was not
    taken is posted again, under the same id; 0 means once only, as most phone systems do.
    """

    def __init__(
        self,
        *,
        url: str,
        secret: str | None = None,
        token: str | None = None,
        speed: float = 1.0,
        timeout_s: float = 5.0,
        retry_for_s: float = 0.0,
        ca_file: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise ValueError(f"not an address of a webhook: {url}")
        if (secret is None) == (token is None):
            raise ValueError("either a signing secret or a bearer token is needed")
        if speed <= 0:
            raise ValueError("the speed must be above 0")
        self._split = split
        self._path = split.path + (f"?{split.query}" if split.query else "")
        self._secret, self._token = secret, token
        self._speed, self._timeout_s, self._retry_for_s = speed, timeout_s, retry_for_s
        self._tls = ssl.create_default_context(cafile=ca_file) if split.scheme == "https" else None
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        # Vendors count calls anew after each restart; what stands in front keeps two runs apart.
        self._prefix = f"c-{int(time.time()):x}{uuid.uuid4().hex[:6]}"
        self._numbers = itertools.count(1)
        self.deliveries: list[Delivery] = []

    def new_call_id(self) -> str:
        """An id for the next call."""
        return f"{self._prefix}-{next(self._numbers)}"

    def now(self) -> str:
        """This moment as events carry it."""
        return iso(self._clock())

    def moment(self, *, after_s: float = 0.0) -> str:
        """A moment from now, shortened by the speed."""
        return iso(self._clock() + timedelta(seconds=after_s / self._speed))

    def wait(self, seconds: float) -> None:
        """Let time pass, shortened by the speed."""
        time.sleep(seconds / self._speed)

    def tell(
        self, *events: dict[str, Any], message_id: str | None = None, expects: Sequence[int] = range(200, 300)
    ) -> Delivery:
        """Post one message with one or several events; raises NotTaken without an expected status in time."""
        if not 1 <= len(events) <= MOST_EVENTS:
            raise ValueError(f"a message carries 1 to {MOST_EVENTS} events")
        content = events[0] if len(events) == 1 else {"events": list(events)}
        body = json.dumps(content, ensure_ascii=False).encode()
        return self.post(body, message_id=message_id, expects=expects)

    def post(
        self, body: bytes, *, message_id: str | None = None, expects: Sequence[int] = range(200, 300)
    ) -> Delivery:
        """Post any bytes, signed; raises NotTaken."""
        message_id = message_id or f"msg_{uuid.uuid4().hex}"
        give_up_at = time.monotonic() + self._retry_for_s
        pause_s = 0.1
        while True:
            try:
                delivery = self._post_once(body, message_id)
            except (OSError, http.client.HTTPException) as failure:
                refusal = NotTaken(f"no answer: {failure}", status=None)
            else:
                self.deliveries.append(delivery)
                if delivery.status in expects:
                    return delivery
                refusal = NotTaken(f"answered {delivery.status}", status=delivery.status)
            if time.monotonic() + pause_s > give_up_at:
                raise refusal
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _post_once(self, body: bytes, message_id: str) -> Delivery:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "practice-phone-system",
            "webhook-id": message_id,
        }
        if self._secret is not None:
            timestamp = int(self._clock().timestamp())
            headers["webhook-timestamp"] = str(timestamp)
            headers["webhook-signature"] = sign(
                secret=self._secret, message_id=message_id, timestamp=timestamp, body=body
            )
        else:
            headers["Authorization"] = f"Bearer {self._token}"
        started = time.perf_counter()
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return Delivery(
                    message_id, self._ask(connection, body, headers), time.perf_counter() - started
                )
            except (ConnectionError, http.client.HTTPException):
                # The other side had closed the kept connection; the message goes again under its id.
                connection.close()
        status = self._ask(self._connect(), body, headers)
        return Delivery(message_id, status, time.perf_counter() - started)

    def _ask(self, connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> int:
        """The status that a message gets; keeps a connection that may be used again."""
        try:
            connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            answer.read()
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return answer.status

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._split.hostname or "", self._split.port
        if self._tls:
            return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


def make_event(*, call: str, kind: str, at: str, **members: Any) -> dict[str, Any]:
    """One event with a fresh id, members without a value left out; raises ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of event: {kind}")
    if members.get("cause") is not None and members["cause"] not in CAUSES:
        raise ValueError(f"unknown cause: {members['cause']}")
    given = {name: value for name, value in members.items() if value is not None}
    return {"id": f"evt-{uuid.uuid4().hex[:16]}", "call": call, "kind": kind, "at": at} | given


def iso(moment: datetime) -> str:
    """A moment in UTC with milliseconds, ``2026-11-22T15:04:05.123Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
