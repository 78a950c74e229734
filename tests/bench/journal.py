"""How soon a note stands in the CRM: `python -m tests.bench.journal [--calls 200] [--per-second 1]`.

From the moment when the hang-up is told until the note is in the CRM's list, as a colleague who reads that
list sees it: the whole server with real Redis and SQLite, a practice Nutshell as a process of its own, every
call answered, every desk told.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench._figures import around, load, measure_and_say, say, spread
from tests.bench._house import House, keep_pace, look_into, open_house

TALK_S = 2.0
SETTLE_S = 60.0
LOOK_EVERY_S = 0.05
_MARKER = re.compile(r"\[npbx [^\]]+\]")


@dataclass(slots=True)
class Reader:
    """A colleague who reads the CRM's newest notes again and again, and when each record's was there."""

    address: str
    email: str
    key: str
    seen_at: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _read(self) -> None:
        split = urlsplit(self.address)
        pair = base64.b64encode(f"{self.email}:{self.key}".encode()).decode()
        connection = http.client.HTTPConnection(str(split.hostname), split.port, timeout=10)
        while not self._stop.wait(LOOK_EVERY_S):
            connection.request(
                "GET", "/rest/notes?page[limit]=50&page[page]=0", headers={"Authorization": f"Basic {pair}"}
            )
            notes = json.loads(connection.getresponse().read())["notes"]
            now = time.time()
            for note in notes:
                self.seen_at.setdefault(note["links"]["parent"], now)
        connection.close()


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Tell the calls at their pace, measure from outside, then ask the journal which part took what."""
    calls = arguments.calls
    with open_house(folder, desks=arguments.desks, contacts=arguments.contacts, customers=calls) as house:
        reader = _colleague(house)
        reader.start()
        say(f"{calls} calls at {arguments.per_second:g} per second, each answered and ended …")
        load_before = load()
        ended_at, answered_ms = _tell(house, calls, arguments.per_second)
        until = time.monotonic() + SETTLE_S
        while len(reader.seen_at) < calls and time.monotonic() < until:
            time.sleep(0.1)
        reader.stop()
        marked = [note for note in house.nutshell.notes() if _MARKER.search(note["body"])]
        parts = _parts(house, ended_at)
    per_record = Counter(note["parent"] for note in marked)
    whole = [
        (reader.seen_at[record] - at) * 1000 for record, at in ended_at.items() if record in reader.seen_at
    ]
    return {
        "command": f"python -m tests.bench.journal --calls {calls} --per-second {arguments.per_second:g} "
        f"--desks {arguments.desks} --contacts {arguments.contacts}",
        "calls": calls,
        "visible": len(whole),
        "missing": sum(per_record[record] == 0 for record in ended_at),
        "double": sum(per_record[record] > 1 for record in ended_at),
        **around(load_before, load()),
        "ms": {
            "hang-up told → note in the CRM's list": spread(whole),
            "  hang-up told → 2xx": spread(answered_ms),
            **{f"  {name}": spread(values) for name, values in parts.items()},
        },
    }


def _colleague(house: House) -> Reader:
    told = house.nutshell.ask("POST", "/users", {"email": "reader@harbortools.example", "name": "Reader"})
    return Reader(house.nutshell.address, told["email"], told["key"])


def _tell(house: House, calls: int, per_second: float) -> tuple[dict[str, float], list[float]]:
    """When each record's hang-up was told, and how long its 2xx took."""
    ended_at: dict[str, float] = {}
    answered_ms: list[float] = []
    with house.office.phone_system(retry_for_s=30) as system, ThreadPoolExecutor(max_workers=16) as hands:

        def tell_one(customer: dict[str, Any], line: str) -> None:
            call = {"call": system.new_call_id(), "direction": "inbound", "number": customer["number"]}
            system.tell({**call, "kind": "ringing", "extension": line})
            time.sleep(0.5)
            system.tell({**call, "kind": "answered", "extension": line})
            time.sleep(TALK_S)
            ended_at[customer["id"]] = before = time.time()
            system.tell({**call, "kind": "ended"})
            answered_ms.append((time.time() - before) * 1000)

        started = time.monotonic()
        talks = []
        for number in range(calls):
            keep_pace(started, number, per_second)
            talks.append(hands.submit(tell_one, next(house.customers), house.next_line()))
        for talk in talks:
            talk.result()
    return ended_at, answered_ms


def _parts(house: House, ended_at: dict[str, float]) -> dict[str, list[float]]:
    """Milliseconds of each part of the way, by the journal's own rows."""
    look_into(house.office)
    from nutshellpbx.journal.models import Attempt, Entry

    parts: dict[str, list[float]] = {
        "hang-up told → its transaction begins": [],
        "→ intent committed (bell, queue, rights, record)": [],
        "→ CRM answered the write": [],
        "→ read back and verified": [],
        "→ marker found by a search": [],
    }
    names = list(parts)
    for entry in Entry.objects.filter(card_id__in=list(ended_at)).prefetch_related("attempts"):
        write = next((one for one in entry.attempts.all() if one.kind == Attempt.Kind.WRITE), None)
        moments: list[datetime | None] = [
            entry.created_at,
            write.started_at if write else None,
            write.ended_at if write else None,
            entry.verified_at,
            entry.seen_at,
        ]
        before: float | None = ended_at[entry.card_id]
        for name, moment in zip(names, moments, strict=True):
            at = moment.timestamp() if moment else None
            if at is not None and before is not None:
                parts[name].append((at - before) * 1000)
            before = at if at is not None else before
    return parts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=1)
    parser.add_argument("--desks", type=int, default=50)
    parser.add_argument("--contacts", type=int, default=5000)
    measure_and_say(
        parser,
        measure,
        lambda figures: (
            f"{figures['visible']} of {figures['calls']} notes seen, {figures['missing']} missing, "
            f"{figures['double']} double"
        ),
    )


if __name__ == "__main__":
    main()
