"""A thread in every worker that looks into the database each second: a lost bell costs a second, never a
call.

It carries out what waits for longer than a second, with the same verbs as the doorbell's tasks; claims by
conditional update make sure that nothing is done twice. The slow queue's worker also does the housekeeping.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from django.db import close_old_connections, connections
from django.utils import timezone

from nutshellpbx.calls import contacts, counting, flow, intake, tidy
from nutshellpbx.calls import tasks as calls_tasks
from nutshellpbx.crm import tasks as crm_tasks
from nutshellpbx.desktop import mailbox
from nutshellpbx.journal import tasks as journal_tasks

log = logging.getLogger(__name__)
T = TypeVar("T")
PERIOD_S = 1.0
HANDS = 4

#: Every kind of waiting work. Literal on purpose.
TASKS: Mapping[str, Callable[[str], object]] = {
    "calls.present": calls_tasks.present_pop,
    "calls.create_contact": calls_tasks.create_contact,
    "crm.check_candidate": crm_tasks.check_candidate,
    "crm.sync": crm_tasks.sync_crm,
    "journal.deliver": journal_tasks.deliver,
}


class Sweeper:
    """One thread that looks, a few that work; `queues` says what this worker is for."""

    def __init__(self, *, queues: frozenset[str]) -> None:
        self.queues = queues
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._hands = ThreadPoolExecutor(max_workers=HANDS, thread_name_prefix="sweeper")
        self._at_work: dict[tuple[str, str], Future[None]] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._hands.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            try:
                close_old_connections()
                self.look()
            except Exception:
                # the outermost loop: whatever happened is told, and the next second is another try
                log.exception("The sweeper could not look for waiting work")

    def look(self) -> None:
        """Start what waits, and keep house where this worker is the slow one."""
        self._at_work = {key: future for key, future in self._at_work.items() if not future.done()}
        now = timezone.now()
        for task, row_id in self._waiting(now):
            key = (task, row_id)
            if key not in self._at_work and len(self._at_work) < HANDS * 4:
                self._at_work[key] = self._hands.submit(_work, task, row_id)
        if "slow" in self.queues:
            housekeeping = (
                intake.try_again,
                flow.end_silent_calls,
                contacts.abandon,
                mailbox.prune,
                tidy.tidy,
                counting.prove_if_due,
            )
            for keep in housekeeping:
                _attempt(keep, now)

    def _waiting(self, now: datetime) -> Iterator[tuple[str, str]]:
        for due in (calls_tasks.due, crm_tasks.due):
            for task, row_id, queue in _attempt(due, now) or ():
                if queue in self.queues:
                    yield task, row_id
        if "slow" in self.queues:
            for row_id in _attempt(lambda now: journal_tasks.due(), now) or ():
                yield "journal.deliver", row_id


def _attempt(verb: Callable[..., T], now: datetime) -> T | None:
    """What a verb gives; None when it raised: told, and the others have their turn all the same."""
    try:
        return verb(now=now)
    except Exception:
        log.exception("The sweeper could not carry out %s", getattr(verb, "__qualname__", verb))
        return None


def _work(task: str, row_id: str) -> None:
    try:
        TASKS[task](row_id)
    except Exception:
        # a poisonous row must not end the thread; its own verb has counted the try
        log.exception("%s failed for row %s", task, row_id)
    finally:
        connections.close_all()


_sweeper: Sweeper | None = None


def start(*, queues: frozenset[str]) -> None:
    """Start this process's sweeper."""
    global _sweeper
    if _sweeper is None:
        _sweeper = Sweeper(queues=queues)
        _sweeper.start()


def stop() -> None:
    """Stop this process's sweeper."""
    global _sweeper
    if _sweeper is not None:
        _sweeper.stop()
        _sweeper = None
