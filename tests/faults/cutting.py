"""Power cuts under the writers: everything they have stands on a disk that forgets what was not synced.

    python -m tests.faults.cutting ORDER

ORDER is JSON: `{"folder": …, "seed": n, "entries": n, "cuts": n, "contacts": n, "model": …}`, the model one
of lab/lossy/disk.py; the result is the last line printed, JSON too. At each cut the intake and all workers
die at the same moment, then the disk loses what they had not synced (or all but some pages of it, by the
dice), and all start again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from nutshellpbx.lab.lossy.running import LossyDisk
from tests.faults import arena, checker, fire, misdeeds, working

LIFE_S = (0.1, 0.9)  # from one cut to the next
SHARES = (0.0, 0.0, 0.3, 0.7)  # of the unsynced pages that survive a cut
END_S = 240.0


def main() -> None:
    order = json.loads(sys.argv[1])
    folder = Path(order["folder"])
    calls = folder / "calls.jsonl"
    crm = arena.Crm(contacts=order["contacts"], seed=order["seed"])
    try:
        with LossyDisk(folder / "disk", model=order["model"]) as disk:
            arena.start_django(disk.place / "data")
            arena.run_apart(lambda: arena.make_office(crm))
            disk.sync()
            result = cut_and_cut_again(order, crm, calls, disk)
            result |= checker.check(calls=calls, crm=crm.address)
    finally:
        crm.stop()
    print(json.dumps(result))


def cut_and_cut_again(order: dict[str, Any], crm: arena.Crm, calls: Path, disk: LossyDisk) -> dict[str, Any]:
    """Take in and write all calls while the power goes so many times; how often what happened."""
    people = iter(crm.people(order["entries"] * 5 // 4))
    plan = fire.Plan(seed=order["seed"], entries=order["entries"], people=people)
    fire.learn_the_lag(crm, plan, calls)
    crm.misbehave(*misdeeds.at_random(), seed=order["seed"])
    dice = random.Random(order["seed"])
    counts: Counter[str] = Counter()
    forgotten = calls.with_name("forgotten.txt")
    until = time.monotonic() + END_S
    while counts["cuts"] < order["cuts"] and time.monotonic() < until:
        running = [arena.fork(lambda: fire.take_in(plan, calls))]
        for _worker in range(working.WORKERS):
            life = random.Random(dice.getrandbits(64))
            running.append(arena.fork(lambda life=life: working.work(dice=life)))  # type: ignore[misc]
        time.sleep(dice.uniform(*LIFE_S))
        for process_id in running:
            os.kill(process_id, signal.SIGKILL)
        for process_id in running:
            counts["kills"] += os.WIFSIGNALED(os.waitpid(process_id, 0)[1])
        lost = disk.cut(share=dice.choice(SHARES), seed=dice.getrandbits(32))
        counts["cuts"] += 1
        counts["cuts_that_bit"] += bool(lost["pages"] or lost["names"])
        counts["lost_pages"] += lost["pages"]
        arena.run_apart(lambda: note_forgotten(calls, forgotten))
    crm.misbehave()
    arena.run_apart(lambda: fire.take_in(plan, calls))
    working.calm_down(order["seed"])
    names = forgotten.read_text(encoding="utf-8").split() if forgotten.exists() else []
    return {**counts, "forgotten": names, "states": working.states()}


def note_forgotten(calls: Path, forgotten: Path) -> None:
    """Write down which acknowledged calls are not there any more."""
    from django.db import connection

    from nutshellpbx.journal.models import Entry

    there = set(Entry.objects.values_list("call_key", flat=True))
    gone = [call["call"] for call in checker.read_calls(calls) if call["call"] not in there]
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        answer = cursor.fetchone()[0]
    if gone or answer != "ok":
        with forgotten.open("a", encoding="utf-8") as file:
            file.write(" ".join([*gone, "" if answer == "ok" else "database_is_broken"]) + "\n")


if __name__ == "__main__":
    main()
