"""The bell's end at the journal: a message says where to look first, the database what there is to do."""

from __future__ import annotations

import time
from uuid import UUID

from celery import shared_task

from nutshellpbx import doorbell
from nutshellpbx.journal import addressee, box, clock, delivery, outbox, restored, workers

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
    with workers.shift() as worker:
        delivery.deliver(entry_id=entry_id, worker=worker)
    work_off()


def due() -> list[str]:
    """For the sweeper of the slow queue: the ids of the entries that somebody should look at now.

    It also heeds the clock, frees what dead workers left, and every few seconds looks whether the database
    was restored and sends what was parked for want of a right. A box whose writer is held leaves all as it
    is: another one may be at it.
    """
    global _woken_at
    clock.heed()
    if box.hold() is not None:
        return []
    now = clock.now()
    outbox.reap(now=now)
    if time.monotonic() - _woken_at >= WAKE_EVERY_S:
        _woken_at = time.monotonic()
        clock.pull_in()
        restored.check(now=now)
        addressee.wake(now=now)
    return outbox.due(now=now)


def work_off(*, at_most_s: float = AT_MOST_S) -> int:
    """Deliver what is due, the oldest first, until nothing is left or the time is up. How many.

    Nothing on a box whose writer is held: all of it would be due again at once.
    """
    if box.hold() is not None:
        return 0
    with workers.shift() as worker:
        count = delivery.work_off(worker=worker, at_most_s=at_most_s)
    if count and (waiting := outbox.due(now=clock.now(), limit=1)):
        doorbell.ring(task=outbox.TASK, ids=waiting, queue="slow")
    return count
