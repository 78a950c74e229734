"""The one place that rings: Celery tasks by row id, and wake-ups for waiting desktops.

The database is the queue of record; this is only the doorbell. Nobody who rings ever waits: what is to be
rung goes into a bounded queue, and one daemon thread per process publishes it, with short time-outs and no
second try. What could not be rung is dropped and counted: workers and the push process look into the
database by themselves.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import redis
from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

#: Where the push process listens; a message is the ids of devices with blanks between.
WAKE_CHANNEL = "nutshellpbx:wake"
QUEUE_SIZE = 10_000
SOCKET_TIMEOUT_S = 0.5
#: After a failure nothing is tried for so long; what comes meanwhile is dropped (the database still has it).
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Task:
    """One Celery message: a task's name and the row id that is its only argument."""

    name: str
    id: str
    queue: str


@dataclass(frozen=True, slots=True)
class Wake:
    """Devices that have something to fetch, or were revoked."""

    device_ids: tuple[str, ...]


@dataclass(slots=True)
class Count:
    """What this process's bell did so far."""

    rung: int = 0
    dropped: int = 0
    failed: int = 0


def ring(*, task: str, ids: Iterable[str | UUID | int], queue: str) -> None:
    """Have a worker take up these rows: one message per id, the task's only argument; never waits."""
    _bell.put(Task(task, str(one), queue) for one in ids)


def wake(*, device_ids: Iterable[str | UUID]) -> None:
    """Tell the push process that these devices have something to fetch; never waits."""
    if ids := tuple(str(one) for one in device_ids):
        _bell.put([Wake(ids)])


def ring_on_commit(*, task: str, ids: Iterable[str | UUID | int], queue: str) -> None:
    """`ring` when the surrounding transaction is committed."""
    transaction.on_commit(partial(ring, task=task, ids=list(ids), queue=queue))


def wake_on_commit(*, device_ids: Iterable[str | UUID]) -> None:
    """`wake` when the surrounding transaction is committed."""
    transaction.on_commit(partial(wake, device_ids=list(device_ids)))


def count() -> Count:
    """What this process's bell did so far, for health pages."""
    return _bell.count


def flush(*, timeout_s: float) -> bool:
    """Wait until all that was rung so far was tried, at most `timeout_s`; False when that was too short."""
    return _bell.flush(timeout_s)


def make_publisher() -> Celery:
    """A Celery application that only sends: the project's settings, time-outs short enough for a bell.

    Celery's own "current application" differs by thread, and is none of ours where no worker was ever meant
    to run.
    """
    publisher = Celery("doorbell", set_as_current=False)
    publisher.config_from_object("django.conf:settings", namespace="CELERY")
    publisher.conf.broker_transport_options = {
        **(publisher.conf.broker_transport_options or {}),
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
    }
    return publisher


class _Bell:
    """One bounded queue and the one thread that empties it."""

    def __init__(self) -> None:
        self.count = Count()
        self._waiting: queue.Queue[Task | Wake] = queue.Queue(maxsize=QUEUE_SIZE)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._redis: redis.Redis | None = None
        self._celery: Celery | None = None
        self._is_away = False

    def put(self, messages: Iterable[Task | Wake]) -> None:
        for message in messages:
            try:
                self._waiting.put_nowait(message)
            except queue.Full:
                self.count.dropped += 1
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                    self._thread.start()

    def flush(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)
        return not self._waiting.unfinished_tasks

    def _run(self) -> None:
        while True:
            message = self._waiting.get()
            try:
                self._publish(message)
            except (RedisError, OperationalError, OSError) as error:
                self._note_away(type(error).__name__)
                time.sleep(PAUSE_S)
            except Exception:
                logger.exception("the doorbell could not ring")
                self.count.failed += 1
                time.sleep(PAUSE_S)
            else:
                self.count.rung += 1
                if self._is_away:
                    self._is_away = False
                    logger.info("doorbell: Redis is back")
            finally:
                self._waiting.task_done()

    def _publish(self, message: Task | Wake) -> None:
        if isinstance(message, Task):
            if self._celery is None:
                self._celery = make_publisher()
            self._celery.send_task(
                message.name, args=[message.id], queue=message.queue, retry=False, ignore_result=True
            )
            return
        if self._redis is None:
            self._redis = redis.Redis.from_url(
                settings.NUTSHELLPBX_REDIS_URL,
                socket_timeout=SOCKET_TIMEOUT_S,
                socket_connect_timeout=SOCKET_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
        self._redis.publish(WAKE_CHANNEL, " ".join(message.device_ids))

    def _note_away(self, reason: str) -> None:
        self.count.failed += 1
        if not self._is_away:
            self._is_away = True
            logger.warning("doorbell: Redis is away (%s); workers and push look into the database", reason)


_bell = _Bell()


def reset() -> None:
    """Begin anew, as a forked child must: it has the queue without the thread, and shares a socket."""
    global _bell
    _bell = _Bell()


os.register_at_fork(after_in_child=reset)
#: A short-lived process (a management command) gives its last rings this long.
atexit.register(flush, timeout_s=0.3)
