"""How soon a 3CX knows who calls: `python -m tests.bench.lookup [--contacts 160000] [--per-second 50]`.

A 3CX template's questions over HTTP, each with its key, at a steady pace whatever the answers take; four of
five callers are known. Measured from the moment when the question was due until its answer was read.
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nutshellpbx.lab.office import Office
from tests.bench._figures import around, load, measure_and_say, say, spread
from tests.bench._house import keep_pace, look_into

KEY = "whsec_YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtMDE="
BATCH = 200
#: Every fifth caller is in no record.
UNKNOWN_EACH = 5
HANDS = 16
WARM = 100


def number_of(place: int) -> str:
    """The number of the record at this place; all are different and well formed."""
    return f"+1312{2_000_000 + place * 7}"


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Fill the index, ask, and measure from the outside."""
    with Office(folder, contacts=50) as office:
        look_into(office)
        say(f"an index with {arguments.contacts:,} contacts …")
        path = _fill(arguments.contacts)
        say(f"{arguments.lookups} lookups at {arguments.per_second:g} per second …")
        with ThreadPoolExecutor(HANDS) as hands:
            _ask_all(hands, office.web_port, path, arguments, WARM)
            load_before = load()
            answers = _ask_all(hands, office.web_port, path, arguments, arguments.lookups)
            load_after = load()
    return {
        "command": f"python -m tests.bench.lookup --contacts {arguments.contacts} "
        f"--lookups {arguments.lookups} --per-second {arguments.per_second:g}",
        "lookups": len(answers),
        "wrong": sum(not is_right for _took, is_right in answers),
        **around(load_before, load_after),
        "ms": {"lookup due → answer read": spread([took for took, _is_right in answers])},
    }


def _fill(contacts: int) -> str:
    """The records and a phone system that may ask for them; the path of its questions."""
    from django.utils import timezone

    from nutshellpbx.crm import index
    from nutshellpbx.crm.models import Crm, Grant, Sync
    from nutshellpbx.pbx.config import keep_secret
    from nutshellpbx.pbx.models import Pbx
    from nutshellpbx.people.models import Company, Extension, User
    from nutshellpbx.redact import Secret

    Company.get()
    crm = Crm.objects.create(
        kind="nutshell", name="Bench", settings={"address": "https://bench.invalid"}, country="US"
    )
    for start in range(0, contacts, BATCH):
        places = range(start, min(start + BATCH, contacts))
        index.put_cards(crm_id=crm.pk, cards=_cards(places), country="US")
    for table in ("contacts", "accounts"):
        Sync.objects.create(crm=crm, table=table, state="complete", as_of=timezone.now())
    pbx = Pbx.objects.create(kind="threecx_template", name="Bench", country="US", is_practice=True)
    keep_secret(pbx=pbx, field="key", secret=Secret(KEY))
    owner = User.objects.create_user("bench@harbortools.example", name="Bench")
    line = Extension.objects.create(pbx=pbx, number="101", owner=owner)
    Grant.objects.create(extension=line, crm=crm, granted_at=timezone.now())
    return f"/hooks/{pbx.pk}/crm/lookup"


def _cards(places: range) -> Iterator[Any]:
    from nutshellpbx.crm.adapter import Card, CardNumber, Page, Table

    for place in places:
        yield Card(
            table=Table.CONTACTS,
            id=f"{place}-contacts",
            name=f"Person {place}",
            company=f"Company {place % 1000}",
            numbers=(CardNumber(number_of(place), number_of(place), "work"),),
            page=Page("https://bench.invalid", f"/person/{place}"),
        )


def _ask_all(
    hands: ThreadPoolExecutor, port: int, path: str, arguments: argparse.Namespace, lookups: int
) -> list[tuple[float, bool]]:
    own = threading.local()
    started = time.monotonic()
    waiting = []
    for number in range(lookups):
        keep_pace(started, number, arguments.per_second)
        due = time.perf_counter()
        is_known = number % UNKNOWN_EACH != 0
        place = (number * 7919) % arguments.contacts
        asked = number_of(place if is_known else arguments.contacts + place)
        waiting.append(hands.submit(_ask, own, port, path, asked, due, f"Person {place}" if is_known else ""))
    return [each.result() for each in waiting]


def _ask(own: Any, port: int, path: str, number: str, due: float, name: str) -> tuple[float, bool]:
    """How long it took in milliseconds, and whether the answer was the right one."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    body = json.dumps({"number": number, "direction": "Inbound"})
    if not hasattr(own, "connection"):
        own.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        own.connection.request("POST", path, body=body, headers=headers)
        response = own.connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        del own.connection
        return (time.perf_counter() - due) * 1000, False
    took_ms = (time.perf_counter() - due) * 1000
    contact = answer.get("contact", {})
    said = f"{contact.get('first', '')} {contact.get('last', '')}".strip()
    return took_ms, said == name and answer.get("state") == ("found" if name else "not_found")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--contacts", type=int, default=160_000)
    parser.add_argument("--lookups", type=int, default=3000)
    parser.add_argument("--per-second", type=float, default=50.0)
    measure_and_say(
        parser,
        measure,
        lambda figures: f"{figures['lookups']} lookups, {figures['wrong']} wrong",
    )


if __name__ == "__main__":
    main()
