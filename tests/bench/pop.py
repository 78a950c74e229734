"""How soon the page opens: `python -m tests.bench.pop [--calls 200] [--per-second 5] [--desks 50]`.

From the moment when the ring is told until the desk asks for the page, with this disk's fsync beside it; each
call also ends and is journaled meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from tests.bench._figures import around, load, measure_and_say, say, spread
from tests.bench._house import House, keep_pace, open_house

FSYNCS = 200
#: A call ends when so many others have rung after it.
ENDS_AFTER = 10
SETTLE_S = 15.0


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Tell the calls, each at another desk, and measure from the outside."""
    calls = arguments.calls
    with open_house(folder, desks=arguments.desks, contacts=arguments.contacts, customers=calls) as house:
        say(f"{calls} calls at {arguments.per_second:g} per second …")
        load_before = load()
        answered_ms = _ring(house, calls, arguments.per_second)
        until = time.monotonic() + SETTLE_S
        while len(house.desks.opened) < calls and time.monotonic() < until:
            time.sleep(0.1)
        delays = house.pop_delays_ms(list(house.rang_at))
        waits = json.loads(house.office.manage("practice", "waits"))
        fsync = _fsync_ms(folder)
    return {
        "command": f"python -m tests.bench.pop --calls {calls} --per-second {arguments.per_second:g} "
        f"--desks {arguments.desks} --contacts {arguments.contacts}",
        "calls": calls,
        "opened": len(delays),
        **around(load_before, load()),
        "ms": {
            "event posted → page asked for by the desk": spread(delays),
            "  event posted → 2xx": spread(answered_ms),
            "  queued → a worker has it": spread(waits["queued"]),
            "  a worker has it → instruction written": spread(waits["worked"]),
            "  instruction written → given to the desk": spread(waits["given"]),
            "this disk: write and fsync of 4 KB": spread(fsync),
        },
    }


def _ring(house: House, calls: int, per_second: float) -> list[float]:
    """How long the 2xx of each ring took, in milliseconds."""
    took: list[float] = []
    started = time.monotonic()
    with house.office.phone_system() as system:
        for number in range(calls):
            keep_pace(started, number, per_second)
            customer = next(house.customers)
            call = {"call": f"bench-{number}", "direction": "inbound", "number": customer["number"]}
            house.rang_at[customer["id"]] = before = time.time()
            system.tell({**call, "kind": "ringing", "extension": house.next_line()})
            took.append((time.time() - before) * 1000)
            if number >= ENDS_AFTER:
                ended = {"call": f"bench-{number - ENDS_AFTER}", "kind": "ended", "cause": "gave_up"}
                threading.Timer(0.05, _end, (house, ended)).start()
    return took


def _end(house: House, event: dict[str, Any]) -> None:
    with house.office.phone_system() as system:
        system.tell(event)


def _fsync_ms(folder: Path) -> list[float]:
    took = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(FSYNCS):
            before = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - before) * 1000)
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=5.0)
    parser.add_argument("--desks", type=int, default=50)
    parser.add_argument("--contacts", type=int, default=5000)
    measure_and_say(
        parser,
        measure,
        lambda figures: f"{figures['opened']} of {figures['calls']} pages opened",
    )


if __name__ == "__main__":
    main()
