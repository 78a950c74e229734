"""Calls are taken in and written while every process that does so is killed, again and again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.faults import arena, misdeeds, working
from tests.faults.traffic import append

ROLES = ("intake", *("worker",) * working.WORKERS)
KILL_EVERY_S = (0.1, 0.8)
#: So many kills for each call: where calls are written faster, it is killed faster, and the other way round.
KILLS_PER_CALL, IN_HASTE_S, AT_LEISURE_S = 0.17, (0.01, 0.15), (0.8, 2.0)
FROZEN = 0.1  # share of the kills that only stop a process for a moment
AT_A_POINT = 0.5  # share of the workers that die at a point of the writer, not wherever the kill meets them
POINTS_AHEAD = 1_500
#: Calls end only while fewer entries than this are on their way: the pace of an office that gets along.
WINDOW = 160
LEARNING = 2 * arena.USERS
MOVED_EVERY, MOVED_AFTER = 16, 60
REPEATED = 0.1
LOOKED_UP = 0.06
#: The last entries may take so long under fire; then they end in peace.
TAIL_S = 15.0


class Plan:
    """What each call is: whose number, known or to be looked up, moved to another record or not; by seed."""

    def __init__(self, *, seed: int, entries: int, people: Iterator[dict[str, Any]]) -> None:
        self.seed, self.entries = seed, entries
        self.learning = list(islice(people, LEARNING))
        self._people = list(islice(people, entries + entries // MOVED_EVERY + 1))

    def call(self, number: int) -> tuple[str, dict[str, Any], bool]:
        """Its key, the person, and whether the record is known already."""
        dice = random.Random(f"{self.seed} call {number}")
        again = number > 0 and not self.is_moved(number) and dice.random() < REPEATED
        person = self._people[dice.randrange(number) if again else number]
        return f"fire {self.seed}/{number}", person, dice.random() >= LOOKED_UP

    def is_moved(self, number: int) -> bool:
        return number % MOVED_EVERY == MOVED_EVERY // 2

    def moved(self, number: int) -> dict[str, Any]:
        """Whose call it turned out to be."""
        return self._people[self.entries + number // MOVED_EVERY]

    def count_in(self, path: Path) -> int:
        """How many of its calls stand in a list."""
        name = f'"call": "fire {self.seed}/'
        return path.read_text(encoding="utf-8").count(name) if path.exists() else 0

    def record(self, number: int) -> str:
        """Where its note belongs in the end."""
        person = self.moved(number) if self.is_moved(number) else self.call(number)[1]
        return str(person["id"])


def at_random(
    order: dict[str, Any], crm: arena.Crm, people: Iterator[dict[str, Any]], calls: Path
) -> dict[str, Any]:
    """Take in and write `entries` calls under fire; how often what happened."""
    seed = int(order["seed"])
    plan = Plan(seed=seed, entries=int(order["entries"]), people=people)
    learn_the_lag(crm, plan, calls)
    crm.misbehave(*misdeeds.at_random(), seed=seed)
    started = time.monotonic()
    counts = burn(plan, calls)
    under_fire_s = time.monotonic() - started
    fired = crm.fired()
    crm.misbehave()
    working.calm_down(seed)
    return {
        "kills": counts["kills"],
        "freezes": counts["freezes"],
        "misdeeds": fired,
        "under_fire_s": round(under_fire_s, 1),
    }


def learn_the_lag(crm: arena.Crm, plan: Plan, calls: Path) -> None:
    """Some calls before the fire, from which the writer learns how slow this CRM's lists can be."""
    crm.misbehave(*misdeeds.slow_lists())
    for number, person in enumerate(plan.learning):
        call = f"before {plan.seed}/{number}"
        arena.enqueue(call=call, number=number, person=person, is_known=True)
        append(calls, {"call": call, "record": person["id"]})
    working.calm_down(plan.seed)


def burn(plan: Plan, calls: Path) -> Counter[str]:
    """Kill and start processes until all calls are told and nearly all written; how often what happened."""
    dice = random.Random(plan.seed)
    counts: Counter[str] = Counter()
    running: dict[int, str] = {}

    def start(role: str) -> None:
        life = random.Random(dice.getrandbits(64))
        task = (lambda: take_in(plan, calls)) if role == "intake" else (lambda: work_under_fire(life))
        running[arena.fork(task)] = role

    def bury(process_id: int, status: int) -> None:
        role = running.pop(process_id)
        counts["kills"] += os.WIFSIGNALED(status)
        if os.WIFSIGNALED(status):
            start(role)
        elif os.WEXITSTATUS(status):
            raise RuntimeError(f"the {role} failed, see above")

    for role in ROLES:
        start(role)
    all_told_at = None
    try:
        while all_told_at is None or (time.monotonic() - all_told_at < TAIL_S and arena.count_at_work() > 9):
            time.sleep(dice.uniform(*pause(kills=counts["kills"], calls=plan.count_in(calls))))
            victim = dice.choice(list(running))
            if dice.random() < FROZEN:
                counts["freezes"] += 1
                os.kill(victim, signal.SIGSTOP)
                time.sleep(dice.uniform(0.0, 0.5))
                os.kill(victim, signal.SIGCONT)
            else:
                os.kill(victim, signal.SIGKILL)
                bury(*os.waitpid(victim, 0))
            while ended := _ended(running):
                bury(*ended)
            if "intake" not in running.values() and all_told_at is None:
                all_told_at = time.monotonic()
    finally:
        for process_id in running:
            os.kill(process_id, signal.SIGKILL)
            counts["kills"] += os.WIFSIGNALED(os.waitpid(process_id, 0)[1])
    return counts


def pause(*, kills: int, calls: int) -> tuple[float, float]:
    """How long to wait before the next kill, in seconds, between this and that."""
    owed = KILLS_PER_CALL * calls
    if kills < owed:
        return IN_HASTE_S
    return KILL_EVERY_S if kills < 1.2 * owed + 20 else AT_LEISURE_S


def take_in(plan: Plan, calls: Path) -> None:
    """Go on taking calls in where the one before was killed: what is not on the list is told again."""
    from nutshellpbx.journal.outbox import TooLate

    moves = calls.with_name("moves.jsonl")
    told, moved = plan.count_in(calls), plan.count_in(moves)
    to_move = [number for number in range(plan.entries) if plan.is_moved(number)]
    while told < plan.entries or moved < len(to_move):
        if moved < len(to_move) and to_move[moved] <= told - (MOVED_AFTER if told < plan.entries else 0):
            number = to_move[moved]
            try:
                arena.move(call=plan.call(number)[0], person=plan.moved(number))
            except TooLate:  # a worker is at it again and again: ask again
                continue
            append(moves, {"call": plan.call(number)[0]})
            moved += 1
            continue
        while told % 10 == 0 and arena.count_at_work() >= WINDOW:
            time.sleep(0.02)
        call, person, is_known = plan.call(told)
        arena.enqueue(call=call, number=told, person=person, is_known=is_known)
        append(calls, {"call": call, "number": person["number"], "record": plan.record(told)})
        told += 1


def work_under_fire(dice: random.Random) -> None:
    """A worker that may have to die at one of its next points."""
    from django.conf import settings

    if dice.random() < AT_A_POINT:
        settings.NUTSHELLPBX_FAULT_POINT = f"*:{dice.randint(1, POINTS_AHEAD)}"
    working.work(dice=dice)


def _ended(running: dict[int, str]) -> tuple[int, int] | None:
    """A process that ended by itself, with its status."""
    for process_id in running:
        gone, status = os.waitpid(process_id, os.WNOHANG)
        if gone:
            return gone, status
    return None
