"""The practice Nutshell as an HTTP server on loopback, with the faults that were ordered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from dataclasses import dataclass, field

from nutshellpbx.lab.nutshell.control import answer_control
from nutshellpbx.lab.nutshell.errors import error_page, server_error
from nutshellpbx.lab.nutshell.exchange import (
    MOST_HEAD_BYTES,
    Answer,
    Request,
    Unreadable,
    gather_body,
    head_of,
    read_request,
)
from nutshellpbx.lab.nutshell.instance import Instance
from nutshellpbx.lab.nutshell.misbehaviour import Fault
from nutshellpbx.lab.nutshell.pages import answer_page
from nutshellpbx.lab.nutshell.routes import answer_rest
from nutshellpbx.lab.nutshell.sign_in import username_of

logger = logging.getLogger(__name__)

_IDLE_S = 120.0
_TRICKLE_STEP_S = 0.1


@dataclass(slots=True)
class _Outcome:
    """What became of one request."""

    status: int | None = None
    was_handled: bool = False
    stays_open: bool = True
    misdeed: str | None = None
    after: list[Fault] = field(default_factory=list)


class NutshellServer:
    """Serves one instance; ``port`` 0 lets the kernel choose."""

    def __init__(self, *, instance: Instance, port: int = 0, address: str | None = None) -> None:
        self.instance = instance
        self.port = port
        self._address = address
        self._server: asyncio.Server | None = None
        self._is_stopping = False
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on 127.0.0.1."""
        self._server = await asyncio.start_server(
            self._converse, "127.0.0.1", self.port, limit=MOST_HEAD_BYTES, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.instance.address = self._address or f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Close the door and every conversation."""
        # wait_for swallows a cancellation that meets an arriving request.
        self._is_stopping = True
        if self._server:
            self._server.close()
        for task in list(self._conversations):
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        if self._server:
            await self._server.wait_closed()
        self.instance.log.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        peer = writer.get_extra_info("peername")
        try:
            while not self._is_stopping:
                request = await asyncio.wait_for(read_request(reader), _IDLE_S)
                if request is None:
                    return
                request.peer = peer[0] if peer else ""
                if not await self._serve(request, writer):
                    return
        except Unreadable as unreadable:
            await _refuse(writer, unreadable.status)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            self._conversations.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; says whether the conversation goes on."""
        if request.path.partition("/")[2].startswith("_practice"):
            answer = await answer_control(self.instance, request)
            await _send(writer, answer, await gather_body(answer), keeps_alive=request.keeps_alive)
            return request.keeps_alive
        started = time.perf_counter()
        username = username_of(request.headers.get("authorization"))
        outcome = _Outcome()
        try:
            await self._answer(request, writer, username, outcome)
        finally:
            self.instance.log.write(
                request=request,
                username=username,
                status=outcome.status,
                duration_s=time.perf_counter() - started,
                was_handled=outcome.was_handled,
                misdeed=outcome.misdeed,
            )
        return outcome.stays_open and request.keeps_alive

    async def _answer(
        self, request: Request, writer: asyncio.StreamWriter, username: str, outcome: _Outcome
    ) -> None:
        misbehaviour = self.instance.misbehaviour
        faults = misbehaviour.draw(
            method=request.method,
            path=request.path,
            username=username,
            agent=request.headers.get("user-agent", ""),
        )
        outcome.misdeed = "+".join(fault.kind for fault in faults) or None
        deed: Fault | None = None
        for fault in faults:
            if fault.kind == "delay":
                await asyncio.sleep(misbehaviour.draw_wait_s(fault))
            else:
                deed = fault
        kind = deed.kind if deed else ""
        if kind == "reset_before":
            outcome.stays_open = False
            _reset(writer)
            return
        if deed and kind in ("status_before", "throttle"):
            answer = _canned(deed)
        else:
            answer = self._handle(request)
            outcome.was_handled = True
            if deed and kind == "slow_answer":
                await asyncio.sleep(misbehaviour.draw_wait_s(deed))
            elif kind == "reset_after":
                outcome.stays_open = False
                _reset(writer)
                return
            elif deed:
                answer = _spoiled(answer, deed)
        body = await gather_body(answer)
        if request.method == "HEAD":
            body = b""
        outcome.status = answer.status
        if kind == "truncate":
            outcome.stays_open = False
            writer.write(head_of(answer, length=len(body), keeps_alive=True) + body[: len(body) // 2])
            await writer.drain()
            return
        if deed and kind == "trickle":
            await _trickle(writer, answer, body, bytes_per_s=deed.bytes_per_s)
            return
        await _send(writer, answer, body, keeps_alive=request.keeps_alive)
        if kind == "duplicate":
            await _send(writer, answer, body, keeps_alive=request.keeps_alive)

    def _handle(self, request: Request) -> Answer:
        try:
            if request.path == "/rest" or request.path.startswith("/rest/"):
                return answer_rest(self.instance, request)
            return answer_page(self.instance, request)
        except Exception:
            # The outermost border of a page; the REST side has its own.
            logger.exception("the practice Nutshell failed at %s %s", request.method, request.path)
            return server_error()


def _canned(fault: Fault) -> Answer:
    """The answer of a fault that leaves the request undone."""
    if fault.kind == "throttle":
        answer = Answer(status=429, body=b"Too Many Requests", content_type="text/plain; charset=UTF-8")
        if fault.retry_after is not None:
            answer.headers["Retry-After"] = str(fault.retry_after)
        return answer
    return _failure(fault.status)


def _failure(status: int) -> Answer:
    """What a status looks like: JSON from the application, a page from whatever stands before it."""
    if status == 500:
        return server_error()
    return error_page(status=status, phrase="Service Unavailable" if status == 503 else "Failure")


def _spoiled(answer: Answer, fault: Fault) -> Answer:
    """The answer of a request that was carried out, made wrong as the fault says."""
    if fault.kind == "status_after":
        return _failure(fault.status)
    if fault.kind == "html":
        return error_page(status=200, phrase="Maintenance")
    if fault.kind == "garbage":
        answer.body, answer.parts = b'{"meta":{"count":1,"contacts":[}\x00\xff', None
    elif fault.kind == "empty":
        answer.body, answer.parts = b"", None
    elif fault.kind == "wrong_type":
        answer.content_type = fault.content_type
    return answer


async def _send(writer: asyncio.StreamWriter, answer: Answer, body: bytes, *, keeps_alive: bool) -> None:
    writer.write(head_of(answer, length=len(body), keeps_alive=keeps_alive) + body)
    await writer.drain()


async def _trickle(writer: asyncio.StreamWriter, answer: Answer, body: bytes, *, bytes_per_s: int) -> None:
    writer.write(head_of(answer, length=len(body), keeps_alive=True))
    await writer.drain()
    step = max(1, int(bytes_per_s * _TRICKLE_STEP_S))
    pause_s = step / bytes_per_s
    for start in range(0, len(body), step):
        await asyncio.sleep(pause_s)
        writer.write(body[start : start + step])
        await writer.drain()


async def _refuse(writer: asyncio.StreamWriter, status: int) -> None:
    with contextlib.suppress(ConnectionError):
        answer = error_page(status=status, phrase="Bad Request")
        await _send(writer, answer, answer.body, keeps_alive=False)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection so that the other side reads a reset, not an end."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
