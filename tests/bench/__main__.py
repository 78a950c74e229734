"""`make bench`: PBX event posted → page asked for by the desk, with desks connected and this disk's fsync
beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nutshellpbx.lab.desks import Desks
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Office, webhook_office

FSYNCS = 200


def main() -> int:
    """Run the benchmark; prints one table and writes it as JSON with --json."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=5.0)
    parser.add_argument("--desks", type=int, default=50)
    parser.add_argument("--contacts", type=int, default=5000)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nutshellpbx-bench-") as name:
        folder = Path(name)
        os.environ["NUTSHELLPBX_DIR"] = str(folder / "data")
        figures = run(folder, arguments)
    for title, values in figures["ms"].items():
        sys.stdout.write(f"{title:<58}{_row(values)}\n")
    sys.stdout.write(f"{figures['opened']} of {figures['calls']} pages opened; {figures['machine']}\n")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def run(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Start an office with many desks, tell the calls, and measure from the outside."""
    sys.stdout.write("an office with its desks …\n")
    sys.stdout.flush()
    with Office(folder, contacts=arguments.contacts) as office:
        assert office.nutshell is not None
        people = [
            {
                "email": f"desk{number}@harbortools.example",
                "name": f"Desk {number}",
                "extensions": [str(number)],
            }
            for number in range(100, 100 + arguments.desks)
        ]
        people[0] |= {"email": PRACTICE_EMAIL, "key": PRACTICE_KEY}
        spec = webhook_office(nutshell=office.nutshell.address, people=people)
        spec["crm"]["company_key"] = {"email": PRACTICE_EMAIL, "key": PRACTICE_KEY}
        office.enter(spec)
        office.wait_until_ready()
        tokens = json.loads(office.manage("practice", "desks"))["tokens"]
        desks = Desks(f"http://127.0.0.1:{office.push_port}", tokens)
        desks.start()
        sys.stdout.write(
            f"{desks.waiting} desks wait; {arguments.calls} calls at {arguments.per_second} per second …\n"
        )
        sys.stdout.flush()
        customers = office.nutshell.sample(count=arguments.calls)
        rang, answered_ms = _ring(office, customers, arguments)
        _settle(desks, customers)
        desks.stop()
        waits = json.loads(office.manage("practice", "waits"))
        fsync = _fsync_ms(folder)
    pages = {customer["id"].split("-")[0]: customer["id"] for customer in customers}
    opened = {pages[path.split("/")[2].split("-")[0]]: at for path, at in desks.opened.items()}
    delays = [(opened[key] - at) * 1000 for key, at in rang.items() if key in opened]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "calls": len(rang),
        "opened": len(delays),
        "desks": len(tokens),
        "per_second": arguments.per_second,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "ms": {
            "event posted -> page asked for by the desk": _spread(delays),
            "  event posted -> 2xx": _spread(answered_ms),
            "  pop queued -> a worker has it": _spread(waits["queued"]),
            "  a worker has it -> instruction written": _spread(waits["worked"]),
            "  instruction written -> given to the desk": _spread(waits["given"]),
            "this disk: write and fsync of 4 KB": _spread(fsync),
        },
    }


def _ring(
    office: Office, customers: Sequence[dict[str, Any]], arguments: argparse.Namespace
) -> tuple[dict[str, float], list[float]]:
    """Tell the calls at their pace, each at another desk; when each was posted, and how long the 2xx took."""
    rang: dict[str, float] = {}
    took: list[float] = []
    system = office.phone_system()
    started = time.monotonic()
    for number, customer in enumerate(customers):
        time.sleep(max(0.0, started + number / arguments.per_second - time.monotonic()))
        extension = str(100 + number % arguments.desks)
        call = {"call": f"bench-{number}", "direction": "inbound", "number": customer["number"]}
        rang[customer["id"]] = before = time.time()
        system.tell({**call, "kind": "ringing", "extension": extension})
        took.append((time.time() - before) * 1000)
        if number >= 10:
            ended = {"call": f"bench-{number - 10}", "kind": "ended", "cause": "gave_up"}
            threading.Timer(0.05, lambda content=ended: office.phone_system().tell(content)).start()
    system.close()
    return rang, took


def _settle(desks: Desks, customers: Sequence[dict[str, Any]]) -> None:
    until = time.monotonic() + 15
    while len(desks.opened) < len(customers) and time.monotonic() < until:
        time.sleep(0.1)


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


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    shares = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
        for name, share in shares.items()
        if ordered
    }


def _row(values: dict[str, float]) -> str:
    return "   ".join(f"{name} {value:8.1f} ms" for name, value in values.items()) or "nothing measured"


if __name__ == "__main__":
    sys.exit(main())
