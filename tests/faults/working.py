"""What a worker of the journal does all day, for processes that are killed at it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from tests.faults import arena

#: Until every entry is at its end once nobody is killed any more; a parked one heals within half of it.
CALM_S = 90.0
WORKERS = 3


def work(
    *,
    dice: random.Random,
    seconds: float = 3600.0,
    shift_s: float = 0.8,
    is_done: Callable[[], bool] = lambda: False,
) -> None:
    """What `journal.tasks` does, in shifts: free what the dead left, wake what was parked, deliver the rest.

    Raises TimeoutError when it is not done after so many seconds.
    """
    from nutshellpbx.journal import addressee, box, clock, delivery, outbox, restored, workers

    clock.forget()  # a process that starts knows nothing yet
    end = time.monotonic() + seconds
    next_look = 0.0
    while time.monotonic() < end:
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + 0.1
            if is_done():
                return
            clock.heed()
            outbox.reap(now=arena.clock())
            restored.check(now=arena.clock())
            addressee.wake(now=arena.clock())
        if outbox.due(now=arena.clock(), limit=1):
            at_most_s = dice.uniform(0.0, shift_s)
            with workers.shift() as name:
                delivery.work_off(worker=name, at_most_s=at_most_s, clock=arena.clock)
        else:
            time.sleep(0.01)
    raise TimeoutError(f"not at its end: {states()}; held: {box.hold()}")


def calm_down(seed: int) -> None:
    """Bring everything to its end with workers that nobody kills."""

    def one(number: int) -> Callable[[], None]:
        dice = random.Random(f"{seed} calm {number}")
        return lambda: work(dice=dice, seconds=CALM_S, is_done=lambda: not arena.count_at_work())

    running = [arena.fork(one(number)) for number in range(WORKERS)]
    for process_id in running:
        arena.was_killed(process_id)


def states() -> dict[str, int]:
    """How many entries are in which state, for which reason."""
    from nutshellpbx.journal.models import Entry

    rows = Entry.objects.values_list("state", "reason", "reason_title")
    return dict(Counter(" ".join(filter(None, row)) for row in rows))
