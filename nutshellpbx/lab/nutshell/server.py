"""The practice Nutshell as an HTTP server on loopback, with the faults that were ordered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate

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
from nutshellpbx.lab.nutshell.rpc import RPC_PATH, answer_rpc
from nutshellpbx.lab.nutshell.sign_in import username_of

logger = logging.getLogger(__name__)

#: What the second door answers to who means another practice server (a port that was somebody's before).
SOMEBODY_ELSE = 421
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
        self._control: asyncio.Server | None = None
        # Keeps the port ours while nobody listens on it.
        self._holder: socket.socket | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._conversations: set[asyncio.Task[None]] = set()
        self._lines: set[asyncio.StreamWriter] = set()
        self._minding: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Listen on 127.0.0.1, and for the control side alone on a second port."""
        self._holder = _bind(self.port)
        self.port = self._holder.getsockname()[1]
        await self._open_door()
        self._control = await asyncio.start_server(self._converse_control, "127.0.0.1", 0)
        self.instance.address = self._address or f"http://127.0.0.1:{self.port}"
        control_port = self._control.sockets[0].getsockname()[1]
        self.instance.control_address = f"http://127.0.0.1:{control_port}"

    async def stop(self) -> None:
        """Close the door and every conversation."""
        # wait_for swallows a cancellation that meets an arriving request.
        self._is_stopping = True
        if self._reopening:
            self._reopening.cancel()
        doors = [door for door in (self._server, self._control) if door]
        for door in doors:
            door.close()
        for task in list(self._conversations):
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        for door in doors:
            await door.wait_closed()
        if self._holder:
            self._holder.close()
        self.instance.log.close()

    async def _open_door(self) -> None:
        self._server = await asyncio.start_server(
            self._converse, sock=_bind(self.port), limit=MOST_HEAD_BYTES, backlog=512
        )

    async def _mind_the_door(self) -> None:
        """Shut or open the door as the ordered faults want it, and come back when that changes by itself."""
        if self._is_stopping:
            return
        fault = self.instance.misbehaviour.shut_door
        if self._reopening:
            self._reopening.cancel()
            self._reopening = None
        if fault and (left_s := self.instance.misbehaviour.left_s(fault)) is not None:
            self._reopening = asyncio.get_running_loop().call_later(left_s, self._mind_the_door_soon)
        if fault and fault.kind == "refuse":
            if self._server:
                self._server.close()
                self._server = None
        elif self._server is None:
            await self._open_door()
        if fault:
            for writer in list(self._lines):
                _reset(writer)

    def _mind_the_door_soon(self) -> None:
        self._minding = asyncio.ensure_future(self._mind_the_door())

    async def _converse_control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._talk(reader, writer, self._serve_second_door)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self.instance.misbehaviour.shut_door
        if fault:
            fault.fired += 1
            _reset(writer)
            return
        self._lines.add(writer)
        try:
            await self._talk(reader, writer, self._serve)
        finally:
            self._lines.discard(writer)

    async def _talk(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        serve: Callable[[Request, asyncio.StreamWriter], Awaitable[bool]],
    ) -> None:
        """Serve one connection's requests one after the other, until one side has enough."""
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
                if not await serve(request, writer):
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
            return await self._serve_control(request, writer)
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

    async def _serve_second_door(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.headers.get("host", "").rpartition(":")[2] != str(self.port):
            await _refuse(writer, SOMEBODY_ELSE)
            return False
        return await self._serve_control(request, writer)

    async def _serve_control(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Do what one request of the control side orders, of the door too, and answer it."""
        answer = await answer_control(self.instance, request)
        if request.method != "GET":
            self._lines.discard(writer)
            await self._mind_the_door()
        await _send(writer, answer, await gather_body(answer), keeps_alive=request.keeps_alive)
        return request.keeps_alive

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
        if deed and kind in ("status_before", "throttle", "limit"):
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
        answer.headers.setdefault("Date", formatdate(self.instance.now(), usegmt=True))
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
            if request.path == RPC_PATH:
                return answer_rpc(self.instance, request)
            return answer_page(self.instance, request)
        except Exception:
            # The outermost border of a page; the REST side has its own.
            logger.exception("the practice Nutshell failed at %s %s", request.method, request.path)
            return server_error()


def _bind(port: int) -> socket.socket:
    """A socket on this port of 127.0.0.1 that does not listen yet; several may share it until one does."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


def _canned(fault: Fault) -> Answer:
    """The answer of a fault that leaves the request undone."""
    if fault.kind in ("throttle", "limit"):
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
