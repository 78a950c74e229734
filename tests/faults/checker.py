"""Counts the calls of a phone system against the notes of a CRM: what is missing, double or foreign.

    python tests/faults/checker.py --calls FILE --crm http://127.0.0.1:PORT

FILE is the phone system's own list: one line of JSON for each call that it was done with,
`{"call": "…", "record": "…", …}`, where `record` is whose note the call has to leave. The CRM is a practice
Nutshell, asked by its control side for everything that stands in it. A note is one of ours when a line of it
is a marker, as the handbook describes them. This program shares no code with what it checks.

Exits 1 when something is missing, double or foreign.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: The code, the check character and the generation: a moved note has the same code, one generation on.
MARKER = re.compile(r"\[npbx ([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})-[0-9A-Z]-[0-9]{1,4}\]")
LINE_END = re.compile(r"\r\n|\r|\n|<br\s*/?>")
ASK_S = 120.0


def check(*, calls: Path, crm: str) -> dict[str, Any]:
    """What came of these calls in the CRM at this address.

    `{"calls": n, "notes": n, "missing": […], "double": […], "foreign": […]}`, the lists with one sentence for
    each note that is missing, one too many, or at a record that nobody called. Raises ValueError for a list
    that cannot be read, OSError when the CRM does not answer.
    """
    return compare(calls=read_calls(calls), notes=ask_notes(crm))


def compare(*, calls: Iterable[Mapping[str, Any]], notes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The same for calls and notes that were read already; a note is `{id, parent, body, deleted_at}`."""
    called: dict[str, list[str]] = defaultdict(list)
    for call in calls:
        called[str(call["record"])].append(str(call["call"]))
    standing: dict[str, list[tuple[str, str]]] = defaultdict(list)  # marker's code -> (record, note)
    double: list[str] = []
    count = 0
    for note in notes:
        codes = markers_in(str(note["body"])) if note["deleted_at"] is None else []
        count += bool(codes)
        if len(codes) > 1:
            double.append(f"note {note['id']} at {note['parent']} carries {len(codes)} markers")
        for code in dict.fromkeys(codes):
            standing[code].append((str(note["parent"]), str(note["id"])))
    foreign: list[str] = []
    codes_at: dict[str, set[str]] = defaultdict(set)
    for code, places in standing.items():
        # One of them counts: at a record that was called, if there is one.
        places.sort(key=lambda place: place[0] not in called)
        codes_at[places[0][0]].add(code)
        for record, note_id in places[1:]:
            double.append(f"marker {code} stands again in note {note_id} at {record}")
        for record, note_id in places:
            if record not in called:
                foreign.append(f"note {note_id} stands at {record}, which nobody called")
    missing: list[str] = []
    for record, ids in called.items():
        surplus = len(codes_at[record]) - len(ids)
        words = f"{record} has {len(codes_at[record])} notes for its calls {', '.join(ids)}"
        double += [words] * surplus
        missing += [words] * -surplus
    return {
        "calls": sum(map(len, called.values())),
        "notes": count,
        "missing": missing,
        "double": double,
        "foreign": foreign,
    }


def markers_in(body: str) -> list[str]:
    """The codes of the markers that are lines of their own in a note, in order."""
    lines = (line.strip() for line in LINE_END.split(body))
    return [found.group(1) for line in lines if (found := MARKER.fullmatch(line))]


def read_calls(path: Path) -> list[dict[str, Any]]:
    """The phone system's list; raises ValueError for a line that is no call and for a call listed twice."""
    calls: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            call = json.loads(line)
            name, record = call["call"], call["record"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: this is no call: {line[:80]!r}") from error
        if not record or name in calls:
            raise ValueError(f"{path}, line {number}: {name} has no record, or is listed twice")
        calls[name] = call
    return list(calls.values())


def ask_notes(crm: str) -> list[dict[str, Any]]:
    """Everything that stands in the practice Nutshell, deleted notes too."""
    if not crm.startswith("http://127.0.0.1:"):
        raise ValueError("the CRM must be a practice one on this machine: http://127.0.0.1:PORT")
    with urllib.request.urlopen(f"{crm.rstrip('/')}/_practice/notes", timeout=ASK_S) as answer:
        return list(json.load(answer)["notes"])


def main() -> int:
    """Print the counts as JSON."""
    parser = argparse.ArgumentParser(description="Counts calls against the notes of a CRM.")
    parser.add_argument("--calls", type=Path, required=True, metavar="FILE")
    parser.add_argument("--crm", required=True, metavar="ADDRESS")
    arguments = parser.parse_args()
    result = check(calls=arguments.calls, crm=arguments.crm)
    print(json.dumps(result, indent=1))
    return 1 if result["missing"] or result["double"] or result["foreign"] else 0


if __name__ == "__main__":
    sys.exit(main())
