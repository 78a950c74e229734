"""GET /push/instructions: desktops wait here for what they shall do.

A plain ASGI application, a process of its own. All waiting polls share one Redis subscription; a wake-up
says only which device shall look. The database is asked in a few threads. Because a wake-up may be lost,
the database is also looked into by itself: every two seconds, every second while the subscription is down.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import redis.asyncio
from django.conf import settings
from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from nutshellpbx import doorbell, wire
from nutshellpbx.desktop import mailbox
from nutshellpbx.desktop.models import Device, Instruction
from nutshellpbx.desktop.question import HEARTBEAT_S, REFUSED, Question, Refusal, read_question
from nutshellpbx.desktop.tokens import find_device
from nutshellpbx.desktop.waiting import Waiter, Waiting

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]
T = TypeVar("T")

LOOK_S = 2.0
LOOK_WHILE_DOWN_S = 1.0
#: Redis is asked for a sign of life once a second; none for this long, and the subscription counts as down.
SILENCE_S = 1.5
MOST_POLLS = 5_000
THREADS = 4

BUSY = {"title": _("The server is busy."), "next_step": _("The client tries again by itself.")}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database has for a desktop."""

    device_id: str
    cursor: int
    rows: tuple[Instruction, ...]


# ------------------------------------------------------------------------------ in threads: the database
def look(question: Question, after: int) -> Answer | None:
    """What a desktop may be given now; None when its token is not (or no longer) good."""
    now = timezone.now()
    device = find_device(question.kept)
    if device is None:
        return None
    if after > device.cursor:
        after = 0  # a cursor of another time (a restored backup): begin anew, with what is still alive
    mailbox.note_seen(device=device, cursor=after, idle_s=question.idle_s, now=now)
    rows = mailbox.alive(device=device, after=after, now=now)
    return Answer(str(device.pk), rows[-1].cursor if rows else device.cursor, tuple(rows))


def find_due() -> set[str]:
    """The devices that have something to fetch, or were revoked a moment ago."""
    now = timezone.now()
    waiting = Instruction.objects.filter(delivered_at=None, withdrawn_at=None, expires_at__gt=now)
    revoked = Device.objects.filter(revoked_at__gt=now - timedelta(minutes=2))
    return {
        str(pk)
        for pks in (
            waiting.values_list("device_id", flat=True).distinct(),
            revoked.values_list("pk", flat=True),
        )
        for pk in pks
    }


def _in_connection(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


# ------------------------------------------------------------------------------ the application
class Push:
    """The ASGI application of the push process."""

    def __init__(self) -> None:
        self._waiting = Waiting()
        self._polls = 0
        #: token hash -> device id: where to wait before the first look. Says nothing about being let in.
        self._known: OrderedDict[str, str] = OrderedDict()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="push-database")
        #: Writing waits for other writers: it has a thread of its own, so that no desk waits for it.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="push-given")
        self._given: deque[tuple[tuple[Instruction, ...], datetime]] = deque()
        self._is_subscribed = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise ValueError(f"push speaks HTTP, not {scope['type']}")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._tasks = [
                    asyncio.create_task(self._subscribe()),
                    asyncio.create_task(self._look_by_itself()),
                ]
                gc.collect()
                gc.freeze()  # the collector walking over what never goes made the slowest wake-ups
                await send({"type": "lifespan.startup.complete"})
            else:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                for threads in (self._threads, self._writer):
                    threads.shutdown(wait=False, cancel_futures=True)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["path"] == "/push/healthz":
                await _send_json(send, 200, {"redis": self._is_subscribed, "polls": self._polls})
                return
            question = read_question(scope)
            if self._polls >= MOST_POLLS:
                raise Refusal(503, str(BUSY["title"]), str(BUSY["next_step"]))
        except Refusal as refusal:
            await _send_json(send, refusal.status, refusal.body)
            return
        self._polls += 1
        waiter = Waiter()
        leaving = asyncio.create_task(_await_leaving(receive, waiter))
        try:
            if question.as_stream:
                await self._stream(question, waiter, send)
            else:
                await self._long_poll(question, waiter, send)
        except DatabaseError:
            logger.exception("push could not ask the database")
            if not question.as_stream:
                await _send_json(send, 503, BUSY)
        finally:
            leaving.cancel()
            self._waiting.leave(waiter)
            self._polls -= 1

    async def _long_poll(self, question: Question, waiter: Waiter, send: Send) -> None:
        loop = asyncio.get_running_loop()
        # A little chance, so that a thousand desks that came back together do not stay together.
        until = loop.time() + min(question.wait_s, HEARTBEAT_S) * random.uniform(0.85, 1)
        while True:
            answer = await self._look(question, waiter, question.after)
            left_s = until - loop.time()
            if answer is None:
                await _send_json(send, 401, REFUSED)
                return
            if answer.rows or left_s <= 0 or waiter.is_over:
                await _send(send, 200, _batch(answer))
                await self._note_given(answer)
                return
            await waiter.sleep(left_s)
            if waiter.has_left:
                return

    async def _stream(self, question: Question, waiter: Waiter, send: Send) -> None:
        answer = await self._look(question, waiter, question.after)
        if answer is None:
            await _send_json(send, 401, REFUSED)
            return
        await send(_head(200, "text/event-stream"))
        while answer is not None and not waiter.is_over:
            event = b"id: %d\ndata: %s\n\n" % (answer.cursor, _batch(answer))
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await self._note_given(answer)
            await waiter.sleep(HEARTBEAT_S * random.uniform(0.7, 0.95))
            answer = await self._look(question, waiter, answer.cursor)
        end = (
            b"event: refused\ndata: %s\n\n" % json.dumps(REFUSED, default=str).encode()
            if answer is None
            else b""
        )
        await send({"type": "http.response.body", "body": end})

    async def _look(self, question: Question, waiter: Waiter, after: int) -> Answer | None:
        """Ask the database; who is not known yet looks twice, since a wake-up could fall between."""
        if device_id := self._known.get(question.kept.hash):
            self._waiting.enter(waiter, device_id)
        was_waiting = bool(waiter.device_id)
        answer = await self._in_thread(partial(look, question, after))
        if answer is None:
            self._known.pop(question.kept.hash, None)
        elif not was_waiting:
            self._known[question.kept.hash] = answer.device_id
            if len(self._known) > 2 * MOST_POLLS:
                self._known.popitem(last=False)
            self._waiting.enter(waiter, answer.device_id)
            if not answer.rows:
                answer = await self._in_thread(partial(look, question, after))
        return answer

    async def _note_given(self, answer: Answer) -> None:
        if answer.rows:
            self._given.append((answer.rows, timezone.now()))
            await self._in_thread(self._write_given, self._writer)

    def _write_given(self) -> None:
        """Note all that was given since the last time: after a group's answer that is many desks at once."""
        waiting = [self._given.popleft() for _ in range(len(self._given))]
        if waiting:
            with transaction.atomic():
                for rows, at in waiting:
                    mailbox.note_given(rows=rows, now=at)

    async def _in_thread(self, work: Callable[[], T], threads: ThreadPoolExecutor | None = None) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads or self._threads, _in_connection, work)

    async def _look_by_itself(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S if self._is_subscribed else LOOK_WHILE_DOWN_S)
            if not self._waiting:
                continue
            try:
                self._waiting.wake(await self._in_thread(find_due))
            except DatabaseError:
                logger.exception("push could not look into the database")

    async def _subscribe(self) -> None:
        said_away = False
        while True:
            try:
                await self._hear()
            except (RedisError, OSError, TimeoutError) as error:
                if self._is_subscribed or not said_away:
                    said_away = True
                    logger.warning(
                        "push: Redis is away (%s); the database is looked into", type(error).__name__
                    )
                self._is_subscribed = False
            await asyncio.sleep(random.uniform(0.2, 0.6))

    async def _hear(self) -> None:
        """Wake whoever is named, until Redis falls silent (raises)."""
        loop = asyncio.get_running_loop()
        client = redis.asyncio.Redis.from_url(settings.NUTSHELLPBX_REDIS_URL, socket_connect_timeout=0.5)
        async with client, client.pubsub() as subscription:
            async with asyncio.timeout(1):
                await subscription.subscribe(doorbell.WAKE_CHANNEL)
            heard_at = asked_at = loop.time()
            while True:
                message = await subscription.get_message(timeout=0.5)
                if message is not None:
                    heard_at = loop.time()
                    if message["type"] == "subscribe":
                        self._is_subscribed = True
                        logger.info("push: hears wake-ups from Redis")
                    elif message["type"] == "message":
                        self._waiting.wake(message["data"].decode("ascii", "replace").split())
                if loop.time() - heard_at > SILENCE_S:
                    raise TimeoutError("no sign of life")
                if loop.time() - asked_at > SILENCE_S / 2:
                    asked_at = loop.time()
                    async with asyncio.timeout(0.5):
                        await subscription.ping()


def _batch(answer: Answer) -> bytes:
    return wire.batch_to(
        cursor=answer.cursor, now=timezone.now(), instructions=[row.body for row in answer.rows]
    )


async def _await_leaving(receive: Receive, waiter: Waiter) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    waiter.leave()


def _head(status: int, kind: str) -> dict[str, Any]:
    headers = [
        (b"content-type", kind.encode()),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"x-content-type-options", b"nosniff"),
    ]
    headers += {
        401: [(b"www-authenticate", b"Bearer")],
        405: [(b"allow", b"GET")],
        503: [(b"retry-after", b"2")],
    }.get(status, [])
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _send(send: Send, status: int, body: bytes) -> None:
    await send(_head(status, "application/json"))
    await send({"type": "http.response.body", "body": body})


async def _send_json(send: Send, status: int, body: dict[str, Any]) -> None:
    await _send(send, status, json.dumps(body, default=str).encode())
