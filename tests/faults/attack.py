"""Kills workers of the journal while the CRM misbehaves, and lets the checker count: a program of its own.

    python -m tests.faults.attack ORDER

ORDER is JSON: `{"folder": …, "contacts": n, "attacks": [{"attack": "every_point", "seed": n, "ways": [name]},
{"attack": "at_random", "seed": n, "entries": n}]}`; the last line printed is a list with what came of each.
Workers are forked from it: each has a process of its own and yet starts within milliseconds. They write with
the real adapter over real HTTP into a practice Nutshell.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults import arena, checker, fire, lives, working

Attack = Callable[[dict[str, Any], arena.Crm, Iterator[dict[str, Any]], Path], dict[str, Any]]
ATTACKS: dict[str, Attack] = {"every_point": lives.every_point, "at_random": fire.at_random}


def main() -> None:
    order = json.loads(sys.argv[1])
    folder = Path(order["folder"])
    calls = folder / "calls.jsonl"
    crm = arena.Crm(contacts=order["contacts"], seed=7)
    results: list[dict[str, Any]] = []
    entries = 0
    try:
        arena.start_django(folder / "data")
        people = iter(crm.people())
        arena.make_office(crm)
        lives.warm_up(people, calls)
        for one in order["attacks"]:
            started = time.monotonic()
            result = ATTACKS[one["attack"]](one, crm, people, calls)
            result |= checker.check(calls=calls, crm=crm.address)  # of all calls so far
            result |= {"duration_s": time.monotonic() - started, "entries": result["calls"] - entries}
            entries = result["calls"]
            results.append({**one, **result, "states": working.states()})
    finally:
        crm.stop()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
