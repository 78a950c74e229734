"""A CRM of our own for the journal's tests: its notes are lines of a file and outlive who wrote them.

It can be told to misbehave: once, in a given way (`Mood`), or at random by rate.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from nutshellpbx.crm.adapter import (
    Card,
    CardNumber,
    CrmConfig,
    Draft,
    Page,
    Ref,
    SignIn,
    SignInRefused,
    SlowDown,
    Table,
    WayAnswer,
    WayOutcome,
    WrittenNote,
)
from nutshellpbx.faults import Rejected, TryLater

KIND = "double"
WHERE = "tests.journal.double.DoubleAdapter"
ORIGIN = "https://double.example"
KEY = "a-key-of-the-double-crm-0001"


@dataclass
class Mood:
    """How this process's double behaves: `once` is taken from the left by the next call of that method."""

    once: dict[str, list[str]] = field(default_factory=dict)
    always: dict[str, str] = field(default_factory=dict)
    key: str = KEY
    rate: float = 0.0
    dice: random.Random = field(default_factory=random.Random)
    writes: int = 0
    while_writing: Any = None
    sinces: list[datetime] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def of(self, method: str) -> str:
        if queue := self.once.get(method):
            return queue.pop(0)
        if method in self.always:
            return self.always[method]
        kinds = {"write": BEFORE + AFTER, "find_written": BEFORE, "read": BEFORE, "remove": BEFORE}
        if self.rate and self.dice.random() < self.rate:
            return self.dice.choice(kinds.get(method, BEFORE))
        return ""


BEFORE = ["unsent", "reset_before", "busy"]
AFTER = ["reset_after", "slow_after", "nonsense"]
MOOD = Mood()


def notes_in(folder: Path) -> list[dict[str, Any]]:
    """Every note that stands in the CRM now."""
    path = folder / "notes.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    notes: dict[str, dict[str, Any]] = {}
    for line in lines:
        row = json.loads(line)
        if row.get("removed"):
            notes.pop(row["id"], None)
        else:
            notes[row["id"]] = row
    return list(notes.values())


class DoubleAdapter:
    """The adapter and the CRM behind it in one."""

    kind = KIND
    label = "Double"
    fields: Sequence[Any] = ()
    tables = (Table.CONTACTS, Table.ACCOUNTS)
    origins = (ORIGIN,)

    def __init__(self, config: CrmConfig) -> None:
        self.before_request: Callable[[], None] | None = None
        self.folder = Path(config.settings["folder"])

    def find(self, number: Any, tables: Any, as_: SignIn, deadline_s: float) -> list[Card]:
        self._misbehave("find", as_)
        book = json.loads((self.folder / "contacts.json").read_text(encoding="utf-8"))
        found = [(key, name) for key, (name, digits) in book.items() if digits == number.e164]
        return [
            Card(Table.CONTACTS, key, name, numbers=(CardNumber(number.e164, number.e164),))
            for key, name in found
        ]

    def write(self, draft: Draft, marker: str, as_: SignIn) -> Ref:
        MOOD.writes += 1
        what = self._misbehave("write", as_)
        if MOOD.while_writing is not None:
            MOOD.while_writing()
        note_id = self._append({"text": f"{draft.text}\n{marker}", "parent": draft.card_id})
        if what == "reset_after":
            raise TryLater("The connection was cut", may_have_happened=True)
        if what == "slow_after":
            time.sleep(0.02)
            raise TryLater("No answer in time", may_have_happened=True)
        if what == "nonsense":
            raise TryLater("The CRM answered with something unreadable", may_have_happened=True)
        return Ref("" if what == "no_id" else note_id, Page(ORIGIN, f"/note/{note_id}"))

    def find_written(
        self,
        marker: str,
        card_id: str,
        since: datetime,
        as_: SignIn,
        heard: Callable[[WayAnswer], None] | None = None,
    ) -> list[Ref]:
        return self._find("find_written", [marker], since, as_, heard)[marker]

    def find_many(
        self,
        markers: Collection[str],
        since: datetime,
        as_: SignIn,
        heard: Callable[[WayAnswer], None] | None = None,
    ) -> dict[str, list[Ref]]:
        return self._find("find_many", markers, since, as_, heard)

    def _find(
        self,
        method: str,
        markers: Collection[str],
        since: datetime,
        as_: SignIn,
        heard: Callable[[WayAnswer], None] | None,
    ) -> dict[str, list[Ref]]:
        MOOD.sinces.append(since)
        try:
            what = self._misbehave(method, as_)
        except TryLater as fault:
            if heard:
                heard(WayAnswer("the way", WayOutcome.UNANSWERED, reason=fault.title))
            raise
        notes = [] if what == "blind" else notes_in(self.folder)
        found = {marker: [Ref(one["id"]) for one in notes if marker in one["text"]] for marker in markers}
        if heard:
            heard(WayAnswer("the way", WayOutcome.FOUND if any(found.values()) else WayOutcome.ABSENT))
        return found

    def notes_since(self, since: datetime, as_: SignIn) -> Iterator[list[WrittenNote]]:
        """Notes in pages of three; "cut" ends after the first page, "blind" shows nothing and says all."""
        what = self._misbehave("notes_since", as_)
        notes = [] if what == "blind" else notes_in(self.folder)
        for start in range(0, len(notes), 3):
            yield [WrittenNote(Ref(note["id"]), note["text"], note["parent"]) for note in notes[start:][:3]]
            if what == "cut":
                raise TryLater("The CRM did not show all notes")

    def read(self, ref: Ref, as_: SignIn) -> WrittenNote | None:
        what = self._misbehave("read", as_)
        note = next((note for note in notes_in(self.folder) if note["id"] == ref.id), None)
        if note is None or what == "not_yet":
            return None
        return WrittenNote(ref, "other" if what == "other" else note["text"], note["parent"])

    def remove(self, ref: Ref, as_: SignIn) -> None:
        what = self._misbehave("remove", as_)
        self._append({"removed": True}, note_id=ref.id)
        if what == "reset_after":
            raise TryLater("The connection was cut", may_have_happened=True)

    def _misbehave(self, method: str, as_: SignIn) -> str:
        if self.before_request is not None:
            self.before_request()
        MOOD.requests.append(method)
        if as_.key.reveal() != MOOD.key:
            raise SignInRefused("Nutshell refused this e-mail and key", "Enter it again.")
        what = MOOD.of(method)
        if what in ("unsent", "reset_before"):
            raise TryLater("The CRM is away", may_have_happened=what == "reset_before")
        if what == "busy":
            raise SlowDown("The CRM wants peace", retry_after_s=0.05)
        if what.startswith("busy "):
            raise SlowDown("The CRM wants peace", retry_after_s=float(what.split()[1]))
        if what == "rejected":
            raise Rejected("The contact is not there any more", "Choose another one.")
        if what == "bug":
            raise ZeroDivisionError("a bug of ours")
        return what

    def _append(self, row: dict[str, Any], note_id: str = "") -> str:
        with (self.folder / "notes.jsonl").open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            note_id = note_id or f"{sum(1 for _line in file) + 1}-notes"
            file.write(json.dumps({"id": note_id, "pid": os.getpid(), **row}) + "\n")
        return note_id
