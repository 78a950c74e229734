"""The bell's end at the journal: a message says where to look first, the database what there is to do."""

from __future__ import annotations

import time
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from nutshellpbx.journal import addressee, delivery, outbox, workers

#: One message's worth of work: then others get their turn.
AT_MOST_S = 20.0
WAKE_EVERY_S = 3.0
_woken_at = float("-inf")


@shared_task(name=outbox.TASK, ignore_result=True)
def deliver(entry_id: str) -> None:
    """Bring this entry as far as it goes, then go on with what else is due."""
    try:
        UUID(entry_id)
    except ValueError:
        return  # a forged message names nothing of ours
    delivery.deliver(entry_id=entry_id, worker=workers.worker_name())
    work_off()


def due() -> list[str]:
    """For the sweeper of the slow queue: the ids of the entries that somebody should look at now.

    It also frees what dead workers left, and every few seconds sends what was parked for want of a right.
    """
    global _woken_at
    now = timezone.now()
    outbox.reap(now=now)
    if time.monotonic() - _woken_at >= WAKE_EVERY_S:
        _woken_at = time.monotonic()
        addressee.wake(now=now)
    return outbox.due(now=now)


def work_off(*, at_most_s: float = AT_MOST_S) -> int:
    """Deliver what is due, the oldest first, until nothing is left or the time is up. How many."""
    seen: list[str] = []
    end = time.monotonic() + at_most_s
    while time.monotonic() < end:
        waiting = outbox.due(now=timezone.now(), limit=1, besides=seen)
        if not waiting:
            break
        seen.append(waiting[0])
        delivery.deliver(entry_id=waiting[0], worker=workers.worker_name())
    return len(seen)
