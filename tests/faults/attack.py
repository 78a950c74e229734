"""Kills workers of the journal and counts what stands in the CRM afterwards: a program of its own.

It works on the test's own database (argument 1: a file of JSON) and prints JSON. Workers are forked from it:
each has a process of its own and yet starts within milliseconds; their clock runs faster, so that nobody
waits for quiet periods.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SPEED = 200.0
STARTED = time.time()
DEADLINE_S = 60.0


def clock() -> datetime:
    """The time, SPEED times faster, the same in every process of this run."""
    now = time.time()
    return datetime.fromtimestamp(STARTED, UTC) + timedelta(seconds=(now - STARTED) * SPEED)


def start_django(order: dict[str, Any]) -> None:
    """Django on the test's database, as a worker of a practice run."""
    os.environ.update(order["environment"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "nutshellpbx.settings"
    from django.conf import settings

    for alias, name in order["databases"].items():
        settings.DATABASES[alias]["NAME"] = name
    import django

    django.setup()
    from nutshellpbx.crm.adapter import ADAPTERS
    from nutshellpbx.journal import outbox
    from tests.journal import double

    ADAPTERS[double.KIND] = double.WHERE  # type: ignore[index]
    # Leases are not sped up: a worker that this machine lets wait for a moment is not a dead one.
    outbox.LEASE_S *= SPEED


def fork(work: Any) -> int:
    """Run `work` in a process of its own; its process id."""
    from django.db import connections

    connections.close_all()
    process_id = os.fork()
    if process_id:
        return process_id
    try:
        work()
    except BaseException as error:  # the child must never run its parent's code
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def was_killed(process_id: int) -> bool:
    """Wait for a worker's end; raises RuntimeError when it failed by itself."""
    _, status = os.waitpid(process_id, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise RuntimeError("a worker failed")
    return False


def work_until_done(wanted: str = "") -> None:
    """What a worker does: free, wake, deliver, until nothing is on its way."""
    from nutshellpbx.journal import addressee, delivery, outbox, workers
    from nutshellpbx.journal.models import Entry
    from nutshellpbx.journal.states import State

    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        outbox.reap(now=clock())
        addressee.wake(now=clock())
        for entry_id in outbox.due(now=clock(), limit=20):
            delivery.deliver(entry_id=entry_id, worker=workers.worker_name(), clock=clock)
        if not Entry.objects.exclude(state=State.VERIFIED, not_before=None).exists():
            return
        time.sleep(0.001)
    raise TimeoutError(str(Counter(Entry.objects.values_list("state", "reason_title"))))


def enqueue(crm_id: str, call_key: str, **more: Any) -> None:
    """A call ends: its entry, told again until the call's own transaction is through, as the intake does."""
    from django.db import transaction

    from nutshellpbx.crm.models import Crm
    from nutshellpbx.journal import outbox
    from nutshellpbx.people.models import Extension

    line = Extension.objects.select_related("owner").get()
    with transaction.atomic():
        outbox.enqueue(
            crm=Crm.objects.get(pk=crm_id),
            call_key=call_key,
            user=line.owner,
            extension=line,
            direction="inbound",
            number="+13125550142",
            name="Anna",
            card=None,
            text="Inbound call",
            happened_at=clock(),
            now=clock(),
            **more,
        )


def every_point(order: dict[str, Any]) -> dict[str, Any]:
    """One entry's life with a kill at its first point, then another's at its second, until none is left.

    The life: a caller found by lookup, the write, the read-back, a move, the removal; then the other ways
    in which a write can end, with kills at the points that only they pass.
    """
    from django.conf import settings

    from nutshellpbx.crm.adapter import Card, Table
    from nutshellpbx.crm.models import Crm
    from nutshellpbx.journal import outbox
    from nutshellpbx.journal.models import Entry
    from nutshellpbx.journal.states import State
    from tests.journal import double

    bert = Card(Table.CONTACTS, "24-contacts", "Bert Brook")
    results = []

    def live(call_key: str, point: str, how: str) -> None:
        settings.NUTSHELLPBX_FAULT_POINT = point
        double.MOOD.once["write"] = [how] if how else []
        enqueue(order["crm"], call_key)
        work_until_done()
        entry = Entry.objects.get(call_key=call_key)
        if entry.card_id != bert.id and entry.generation == 1:
            crm = Crm.objects.get(pk=order["crm"])
            outbox.give_card(crm=crm, call_key=call_key, card=bert, by=None, now=clock())
        work_until_done()

    for how, points in order["plan"].items():
        for point in points or [f"*:{number}" for number in range(1, 200)]:
            call_key = f"{how}/{point}"
            killed = was_killed(fork(lambda: live(call_key, point, how)))  # noqa: B023
            if killed:
                again = fork(lambda: live(call_key, "", ""))  # noqa: B023
                if was_killed(again):
                    raise RuntimeError("killed without having been asked to")
            entry = Entry.objects.get(call_key=call_key)
            # of any generation: the old note must be gone
            code = entry.marker[6:20]
            notes = [one for one in double.notes_in(Path(order["folder"])) if code in one["text"]]
            good = entry.state == State.VERIFIED and [one["parent"] for one in notes] == [bert.id]
            results.append({"how": how, "point": point, "killed": killed, "good": good, "notes": notes})
            if not killed and not points:
                break
    return {
        "kills": sum(one["killed"] for one in results),
        "bad": [one for one in results if not one["good"]],
    }


def at_random(order: dict[str, Any]) -> dict[str, Any]:
    """Many entries, a CRM that fails now and then in every way, two workers that are killed all the time."""
    from nutshellpbx.journal.models import Entry
    from nutshellpbx.journal.states import State
    from tests.journal import double

    dice = random.Random(order["seed"])
    for number in range(order["entries"]):
        enqueue(order["crm"], f"random/{number}")
    kills = 0
    running: list[int] = []
    end = time.monotonic() + DEADLINE_S
    while Entry.objects.exclude(state=State.VERIFIED).exists() and time.monotonic() < end:
        while len(running) < 2:
            seed = dice.random()

            def work(seed: float = seed) -> None:
                double.MOOD.rate, double.MOOD.dice = order["rate"], random.Random(seed)
                work_until_done()

            running.append(fork(work))
        time.sleep(dice.uniform(0.02, 0.4))
        victim = running.pop(dice.randrange(len(running)))
        os.kill(victim, signal.SIGKILL)
        kills += was_killed(victim)
    for process_id in running:
        os.kill(process_id, signal.SIGKILL)
        was_killed(process_id)
    was_killed(fork(work_until_done))
    notes = Counter(one["text"].rpartition("\n")[2] for one in double.notes_in(Path(order["folder"])))
    markers = list(Entry.objects.values_list("marker", flat=True))
    return {
        "kills": kills,
        "entries": len(markers),
        "missing": sum(notes[marker] == 0 for marker in markers),
        "double": sum(number > 1 for number in notes.values()),
        "foreign": len(notes.keys() - set(markers)),
        "states": dict(Counter(Entry.objects.values_list("state", flat=True))),
    }


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    start_django(order)
    attack = {"every_point": every_point, "at_random": at_random}[order["attack"]]
    print(json.dumps(attack(order)))


if __name__ == "__main__":
    main()
