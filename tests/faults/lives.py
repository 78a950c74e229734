"""An entry's life, killed at every point of the writer that it passes, however its write may end."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import arena, misdeeds, working
from tests.faults.traffic import append

LIFE_S = 60.0


@dataclass(frozen=True, slots=True)
class Life:
    """One call: looked up, written at one person, read back, looked for, moved to another, removed there."""

    call: str
    before: dict[str, Any]
    after: dict[str, Any]
    number: int = 0
    is_known: bool = False

    def tell(self) -> None:
        """The call ends, or is told again because nobody acknowledged it."""
        arena.enqueue(call=self.call, number=self.number, person=self.before, is_known=self.is_known)

    def live(self) -> None:
        """From its end to its note at the other person; raises TimeoutError."""
        self.tell()
        self._until_at(self.before)
        self.move()
        self._until_at(self.after)

    def move(self) -> None:
        """Somebody says that it was the other one's call."""
        arena.move(call=self.call, person=self.after)

    def _until_at(self, person: dict[str, Any]) -> None:
        from nutshellpbx.journal import addressee, clock, delivery, outbox, workers
        from nutshellpbx.journal.models import Entry
        from nutshellpbx.journal.states import State

        clock.forget()
        end = time.monotonic() + LIFE_S
        while True:
            entry = Entry.objects.get(call_key=self.call)
            is_there = entry.state == State.VERIFIED and entry.card_id == person["id"]
            if is_there and entry.not_before is None:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"{self.call}: {entry.state} {entry.reason_title}")
            outbox.reap(now=arena.clock())
            addressee.wake(now=arena.clock())
            with workers.shift() as name:
                taken = delivery.deliver(entry_id=str(entry.pk), worker=name, clock=arena.clock)
            if taken is None:
                time.sleep(0.005)


def warm_up(people: Iterator[dict[str, Any]], calls: Path) -> None:
    """One life in this process: what is loaded and worked out at the first time is there in every fork."""
    # Not looked up: the threads that do this would be missing in the forks.
    life = Life("warm-up", next(people), next(people), is_known=True)
    life.live()
    append(calls, {"call": life.call, "record": life.after["id"]})
    arena.let_go()


def every_point(
    order: dict[str, Any], crm: arena.Crm, people: Iterator[dict[str, Any]], calls: Path
) -> dict[str, Any]:
    """For each way a life without a kill, which shows the points that it passes; then one with a kill at each
    of them, each time that it is passed. What the dead left is taken up by others.

    Points that a way passes before it differs from the first one are not passed again; if `is_short`, neither
    are those after it.
    """
    passed: list[str] = []
    hits: Counter[str] = Counter()
    for way in order["ways"]:
        fault = misdeeds.once(way)
        names = _rehearsed(Life(f"{way}/unharmed", next(people), next(people)), crm, fault, calls)
        skip = _alike(passed, names)
        end = len(names)
        if order.get("is_short") and passed:
            end -= min(_alike(passed[::-1], names[::-1]), len(names) - skip)
        passed = passed or names
        lived = []
        for number, point in enumerate(_numbered(names)[skip:end]):
            life = Life(f"{way}/{point}", next(people), next(people), number)
            crm.misbehave(*fault)
            hits[point.partition(":")[0]] += arena.was_killed(arena.fork(_dying(life, point)))
            lived.append(life)
        crm.misbehave()
        _bring_to_an_end(lived, calls, seed=order["seed"])
    rest: list[Life] = []
    for number, point in enumerate(_unhit(hits)):
        # What a single entry never passes: shifts that end too early, moved clocks, restored databases.
        some = [Life(f"{point}/{place}", next(people), next(people), number + place) for place in range(4)]
        arena.run_apart(_each(some, Life.tell))
        hits[point] += arena.was_killed(arena.fork(_dying_in_a_shift(point)))
        rest += some
    _bring_to_an_end(rest, calls, seed=order["seed"])
    return {"kills": sum(hits.values()), "points": hits}


def _bring_to_an_end(lives: list[Life], calls: Path, *, seed: int) -> None:
    """Take up what the dead left, as phone system, workers and people would; put the calls on the list."""
    arena.run_apart(_each(lives, Life.tell))
    working.calm_down(seed)
    arena.run_apart(_each(lives, Life.move))
    working.calm_down(seed)
    for life in lives:
        append(calls, {"call": life.call, "record": life.after["id"]})


def _each(lives: list[Life], act: Callable[[Life], None]) -> Callable[[], None]:
    def work() -> None:
        for life in lives:
            act(life)

    return work


def _unhit(hits: Counter[str]) -> list[str]:
    from nutshellpbx.journal import points

    return [point for point in points.POINTS if not hits[point]]


def _dying_in_a_shift(point: str) -> Callable[[], None]:
    def work() -> None:
        from django.conf import settings

        settings.NUTSHELLPBX_FAULT_POINT = point
        if point.endswith("_clock_shift"):
            arena.move_the_clock(seconds=5.0)
        elif point.endswith("_restored"):
            arena.forget_the_last_attempts()
        elif point.endswith("_release"):
            arena.let_others_write(seconds=8.0)
        is_done = lambda: not arena.count_at_work()  # noqa: E731
        working.work(dice=random.Random(point), seconds=LIFE_S, shift_s=0.03, is_done=is_done)

    return work


def _rehearsed(life: Life, crm: arena.Crm, fault: list[dict[str, Any]], calls: Path) -> list[str]:
    """The points that an unharmed life passes, in order."""
    path = calls.with_name("passed.json")

    def rehearse() -> None:
        from nutshellpbx.journal import points

        reach, names = points.reach, list[str]()

        def note(name: str) -> None:
            names.append(name)
            reach(name)

        points.reach = note
        life.live()
        path.write_text(json.dumps(names), encoding="utf-8")

    crm.misbehave(*fault)
    arena.run_apart(rehearse)
    append(calls, {"call": life.call, "record": life.after["id"]})
    return list(json.loads(path.read_text(encoding="utf-8")))


def _dying(life: Life, point: str) -> Callable[[], None]:
    def work() -> None:
        from django.conf import settings

        settings.NUTSHELLPBX_FAULT_POINT = point
        life.live()

    return work


def _alike(first: list[str], second: list[str]) -> int:
    """How many points both begin with alike."""
    pairs = zip(first, second, strict=False)
    return next(
        (place for place, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second))
    )


def _numbered(names: list[str]) -> list[str]:
    """Each point with how often it was passed by then: `name:n`."""
    return list(_count(names))


def _count(names: list[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield f"{name}:{seen[name]}"
