"""How fast a backlog drains: `python -m tests.bench.drain [--entries 5000] [--allowed 20]`.

An hour's outage in a few minutes: the practice Nutshell is away (connections are refused) while so many
entries come to wait, either put into the outbox as the end of a call does, with the times of an hour, or by
calls told through the webhook as fast as they are taken (`--through webhook`). Then it comes back and allows
so many requests per second, 429 beyond. Meanwhile calls go on ringing: how soon their pages are asked for is
measured before and during the drain.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench._figures import around, load, say, say_spreads, spread
from tests.bench._house import House, keep_pace, look_into, open_house

#: Calls of one message: a ring and an end each.
BATCH = 25
RINGS_FOR_S = 3.0
LOOK_EVERY_S = 2.0
OUTAGE = timedelta(hours=1)
SAY_EVERY_S = 30.0
#: Requests of the older interface and of REST; pages and this bench's own questions are not counted.
API = (" /rest", " /api")


@dataclass(slots=True)
class Ringing:
    """Calls that ring at a pace, each for a few seconds, until told to stop."""

    house: House
    per_second: float
    records: list[str] = field(default_factory=list)
    _ends: list[threading.Timer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._ring, daemon=True)
        self._thread.start()

    def stop(self) -> list[float]:
        """End it and every call; milliseconds from each ring to its page."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=60)
        for end in self._ends:
            end.join(timeout=60)
        until = time.monotonic() + 15
        while len(self._delays()) < len(self.records) and time.monotonic() < until:
            time.sleep(0.1)
        return self._delays()

    def _delays(self) -> list[float]:
        return self.house.pop_delays_ms(self.records)

    def _ring(self) -> None:
        started = time.monotonic()
        with self.house.office.phone_system(retry_for_s=30) as system:
            while not self._stop.is_set():
                keep_pace(started, len(self.records), self.per_second)
                customer = next(self.house.customers)
                call = {"call": system.new_call_id(), "direction": "inbound", "number": customer["number"]}
                self.house.rang_at[customer["id"]] = time.time()
                self.records.append(customer["id"])
                system.tell({**call, "kind": "ringing", "extension": self.house.next_line()})
                end = {"call": call["call"], "kind": "ended", "cause": "gave_up"}
                self._ends.append(threading.Timer(RINGS_FOR_S, self._end, (end,)))
                self._ends[-1].start()

    def _end(self, event: dict[str, Any]) -> None:
        with self.house.office.phone_system(retry_for_s=30) as system:
            system.tell(event)


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Calm, outage, drain; what each looked like."""
    rings = int(arguments.per_second * (arguments.calm_s + arguments.most_s)) + 100
    wanted = arguments.entries + rings
    contacts = arguments.contacts or wanted * 2
    with open_house(folder, desks=arguments.desks, contacts=contacts, customers=wanted) as house:
        look_into(house.office)
        load_before = load()
        say(f"calm: calls at {arguments.per_second:g} per second for {arguments.calm_s:g} s …")
        calm = Ringing(house, arguments.per_second)
        calm.start()
        time.sleep(arguments.calm_s)
        before_ms = calm.stop()
        _wait_until_verified(since=None, until=None, most_s=120)
        say(f"the CRM is away; {arguments.entries:,} entries come in through the {arguments.through} …")
        house.nutshell.misbehave({"kind": "refuse"})
        miss = {"webhook": _miss_calls, "outbox": _put_into_outbox}[arguments.through]
        away_at, took_s = miss(house, arguments.entries)
        say(f"{arguments.entries:,} entries wait; {arguments.entries / took_s:.0f} came per second")
        back_at = datetime.now(UTC)
        limit = {"kind": "limit", "per_second": arguments.allowed, "retry_after": arguments.retry_after}
        tally_before = _api_tally(house)
        house.nutshell.behave()
        house.nutshell.misbehave(limit)
        say(f"it is back and allows {arguments.allowed:g} requests per second …")
        during = Ringing(house, arguments.per_second)
        during.start()
        verified = _wait_until_verified(since=away_at, until=back_at, most_s=arguments.most_s)
        counts = house.nutshell.ask("GET", "/limits")["limits"][0]
        tally = {kind: number - tally_before.get(kind, 0) for kind, number in _api_tally(house).items()}
        drained = _drained(away_at, back_at, verified, counts)
        during_ms = during.stop()
        return {
            "command": f"python -m tests.bench.drain --entries {arguments.entries} "
            f"--allowed {arguments.allowed:g} --retry-after {arguments.retry_after or 'none'} "
            f"--through {arguments.through} "
            f"--per-second {arguments.per_second:g} --desks {arguments.desks}",
            **around(load_before, load()),
            "came_per_s": round(arguments.entries / took_s, 1),
            **drained,
            "requests": {kind: number for kind, number in sorted(tally.items()) if number},
            "pops_before": len(before_ms),
            "pops_during": f"{len(during_ms)} of {len(during.records)}",
            "ms": {
                "before: event posted → page asked for by the desk": spread(before_ms),
                "during the drain: event posted → page asked for by the desk": spread(during_ms),
            },
        }


def _miss_calls(house: House, count: int) -> tuple[datetime, float]:
    """Tell so many calls that ring and end while the CRM is away; since when, and how long it took."""
    from nutshellpbx.journal.models import Entry

    away_at, started = datetime.now(UTC), time.monotonic()
    with house.office.phone_system(retry_for_s=60) as system:
        for start in range(0, count, BATCH):
            calls = []
            for _place in range(min(BATCH, count - start)):
                number = next(house.customers)["number"]
                calls.append({"call": system.new_call_id(), "direction": "inbound", "number": number})
            lines = [house.next_line() for _call in calls]
            system.tell(
                *(
                    {**call, "kind": "ringing", "extension": line}
                    for call, line in zip(calls, lines, strict=True)
                )
            )
            system.tell(*({"call": call["call"], "kind": "ended", "cause": "gave_up"} for call in calls))
    until = time.monotonic() + 120
    while (made := Entry.objects.filter(created_at__gte=away_at).count()) < count:
        if time.monotonic() > until:
            raise RuntimeError(f"only {made} of {count} calls became entries")
        time.sleep(0.5)
    return away_at, time.monotonic() - started


def _put_into_outbox(house: House, count: int) -> tuple[datetime, float]:
    """Put so many entries into the outbox, of calls in the last hour; since when, and how long it took."""
    from django.db import transaction

    from nutshellpbx.crm.adapter import Card, Table
    from nutshellpbx.crm.models import Crm
    from nutshellpbx.journal import outbox
    from nutshellpbx.people.models import Extension

    away_at, started = datetime.now(UTC), time.monotonic()
    crm = Crm.objects.get()
    lines = list(Extension.objects.select_related("owner").order_by("number"))
    for number in range(count):
        customer, line = next(house.customers), lines[number % len(lines)]
        with transaction.atomic():
            outbox.enqueue(
                crm=crm,
                call_key=f"bench:{number}",
                user=line.owner,
                extension=line,
                direction="inbound",
                number=customer["number"],
                name="",
                card=Card(Table.CONTACTS, customer["id"], customer["name"]),
                text=f"Missed call, number {number} of the outage.",
                happened_at=away_at - OUTAGE * (1 - number / count),
                now=datetime.now(UTC),
            )
    return away_at, time.monotonic() - started


def _wait_until_verified(*, since: datetime | None, until: datetime | None, most_s: float) -> bool:
    """Wait until every entry made between two moments is verified; False when the time is up before."""
    from nutshellpbx.journal.models import Entry
    from nutshellpbx.journal.states import State

    entries = Entry.objects.all()
    if since is not None and until is not None:
        entries = entries.filter(created_at__gte=since, created_at__lt=until)
    started = said = time.monotonic()
    while (left := entries.exclude(state=State.VERIFIED).count()) and time.monotonic() - started < most_s:
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            say(f"  {said - started:4.0f} s: {left:,} left, load {load()}")
        time.sleep(LOOK_EVERY_S)
    return not left


def _drained(
    away_at: datetime, back_at: datetime, all_verified: bool, counts: dict[str, Any]
) -> dict[str, Any]:
    """Time, order and cost of the drain."""
    from nutshellpbx.journal.models import Entry
    from nutshellpbx.journal.states import State

    entries = Entry.objects.filter(created_at__gte=away_at, created_at__lt=back_at)
    done = list(
        entries.filter(state=State.VERIFIED)
        .order_by("happened_at", "pk")
        .values_list("written_at", "verified_at")
    )
    verified_at = [verified for _written, verified in done if verified]
    last = max(verified_at, default=back_at)
    everything = Entry.objects.filter(verified_at__gte=back_at, verified_at__lte=last).count()
    states = entries.values_list("state", flat=True)
    written = [at.timestamp() for at, _verified in done if at]
    spent_s = (last - back_at).total_seconds()
    return {
        "entries": entries.count(),
        "verified": len(done),
        "all_verified": all_verified,
        "other_states": {
            state: number
            for state in State
            if (number := list(states).count(state)) and state != State.VERIFIED
        },
        "drained_in_s": round(spent_s, 1),
        "verified_per_s": round(len(done) / spent_s, 2) if spent_s else None,
        "first_verified_after_s": round((min(verified_at, default=back_at) - back_at).total_seconds(), 1),
        "new_entries_verified_meanwhile": everything - len(done),
        "requests_per_entry": round((counts["allowed"]) / everything, 2) if everything else None,
        "allowed": counts["allowed"],
        "answered_429": counts["refused"],
        "fullest_second": counts["fullest_second"],
        "rank_correlation": _rank_correlation(written),
        "inverted_pairs_share": _inverted_share(written),
        "furthest_out_of_place": _furthest(written),
    }


def _rank_correlation(values: Sequence[float]) -> float | None:
    """Spearman's: 1 is the order in which they stand, -1 the opposite."""
    count = len(values)
    if count < 2:
        return None
    ranks = sorted(range(count), key=lambda place: values[place])
    off = sum((place - rank) ** 2 for rank, place in enumerate(ranks))
    return round(1 - 6 * off / (count * (count**2 - 1)), 6)


def _inverted_share(values: Sequence[float]) -> float | None:
    """The share of all pairs that stand the wrong way round."""
    count = len(values)
    if count < 2:
        return None
    earlier: list[float] = []
    inverted = 0
    for value in values:
        inverted += len(earlier) - bisect_right(earlier, value)
        insort(earlier, value)
    return round(inverted / (count * (count - 1) / 2), 6)


def _furthest(values: Sequence[float]) -> int:
    """By how many places the one furthest from its place was written too late or too early."""
    ranks = sorted(range(len(values)), key=lambda place: values[place])
    return max((abs(place - rank) for rank, place in enumerate(ranks)), default=0)


def _api_tally(house: House) -> dict[str, int]:
    """How often each kind of API request was answered, by kind and status."""
    told = house.nutshell.ask("GET", "/tally")["requests"]
    return {
        f"{kind} {status}": number
        for kind, statuses in told.items()
        if any(part in kind for part in API)
        for status, number in statuses.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=5000)
    parser.add_argument("--allowed", type=float, default=20.0, help="requests per second and sign-in")
    parser.add_argument("--retry-after", choices=("none", "exact"), default="none", help="beside a 429")
    parser.add_argument("--per-second", type=float, default=1.0, help="calls that ring before and during")
    parser.add_argument("--through", choices=("outbox", "webhook"), default="outbox")
    parser.add_argument("--calm-s", type=float, default=120.0)
    parser.add_argument("--most-s", type=float, default=1800.0, help="give up after so long")
    parser.add_argument("--desks", type=int, default=50)
    parser.add_argument("--contacts", type=int, default=0, help="0: as many as the calls need")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    arguments.retry_after = None if arguments.retry_after == "none" else arguments.retry_after
    with tempfile.TemporaryDirectory(prefix="nutshellpbx-bench-") as folder:
        figures = measure(Path(folder), arguments)
    say_spreads(figures["ms"])
    for name, value in figures.items():
        if name != "ms":
            say(f"{name}: {value}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
