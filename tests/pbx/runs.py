"""The stories' runs: each is played once, on one of several Asterisks; what was heard and seen is kept."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any

from django.db import connections

from nutshellpbx.calls.models import Call, Heard, Pop, Step
from nutshellpbx.desktop.models import Instruction
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.stories import play
from nutshellpbx.lab.watching import Seen
from nutshellpbx.pbx.models import Pbx
from tests.pbx.ear import Ear
from tests.pbx.office import PEOPLE, PbxOffice, until
from tests.pbx.seen import SEEN
from tests.pbx_port.asterisk.expected import EXPECTED
from tests.pbx_port.asterisk.telling import tell

#: For the whole pool: as long as a test waits for its story's turn.
TURN_S = 600.0
#: How many times as long a story takes when it is played again, because the machine was too busy for it.
SLOWER = (1, 2, 4)
#: A machine with some time left shows a caller within this.
PROMPT = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class Run:
    """One played story: what the connector `told`, what each desk has `seen`, and how many `times` as
    long it took as on a machine with time left.
    """

    office: PbxOffice
    story: str
    told: list[str]
    keys: tuple[str, ...]
    seen: dict[str, list[Seen]] = field(default_factory=dict)
    times: int = 1

    def screens(self) -> dict[str, list[str]]:
        """What each person saw in order, call by call, by extension; who saw nothing is left out."""
        told: dict[str, dict[str, list[str]]] = {}
        for number, seen in self.seen.items():
            for one in seen:
                told.setdefault(number, {}).setdefault(one.instruction.call, []).append(one.words)
        return {number: sorted(", ".join(words) for words in of.values()) for number, of in told.items()}

    def calls(self) -> list[Call]:
        """Its calls as the server knows them; those that became part of others left out."""
        rows = Call.objects.filter(key__in=self.keys).exclude(state=Call.State.JOINED)
        return list(rows.order_by("started_at"))

    def left_out(self) -> list[str]:
        """Why calls have no entry."""
        return [call.left_out for call in self.calls() if call.left_out]

    def why_never(self) -> list[str]:
        """Why callers whose calls have no entry are never matched."""
        steps = Step.objects.filter(call__key__in=self.keys, what="left_out", facts__has_key="never")
        return [step.facts["never"] for step in steps]

    def taken_away(self) -> list[tuple[str, str, list[Heard]]]:
        """Each withdrawal at a desk: its person's extension, its call's key, and the events with which it
        was written, in one transaction.
        """
        gone = Instruction.objects.filter(call_key__in=self.keys, verb="withdraw").select_related(
            "device__user"
        )
        return [
            (
                next(number for number, (_n, email) in PEOPLE.items() if email == row.device.user.email),
                row.call_key,
                list(Heard.objects.filter(call__key=row.call_key, taken_at=row.created_at)),
            )
            for row in gone
        ]

    def entries(self) -> list[Entry]:
        """Its entries, once each is written, or waits for somebody."""
        settled = {Entry.State.VERIFIED, Entry.State.PARKED, Entry.State.WAITING}
        rows = Entry.objects.filter(call_key__in=self.keys).order_by("happened_at")
        until(lambda: all(entry.state in settled for entry in rows.all()), timeout_s=60)
        return list(rows.all())

    def notes(self) -> list[dict[str, Any]]:
        """What stands in the CRM for its entries: the notes that hold their markers."""
        markers = [entry.marker for entry in self.entries() if entry.marker]
        return [note for note in self.office.crm.notes() if any(mark in note["body"] for mark in markers)]

    def is_complete(self) -> bool:
        """Whether connector and desks said what they must."""
        screens = SEEN[self.story].screens
        return self.told == EXPECTED[self.story] and screens in (None, self.screens())

    def was_hurried(self) -> bool:
        """Whether the machine was too slow to show anything before the phones had gone on."""
        pops = Pop.objects.filter(leg__call__key__in=self.keys, settled_at__isnull=False)
        took = [pop.settled_at - pop.created_at for pop in pops if pop.settled_at]
        return any(one > PROMPT for one in took) or _is_overloaded()


def _is_overloaded() -> bool:
    return os.getloadavg()[0] > 2 * (os.cpu_count() or 1)


class Runs:
    """A pool of Asterisks that play stories; `of` waits for a story's run."""

    def __init__(self, office: PbxOffice, asterisks: Sequence[RealAsterisk], stories: Sequence[str]) -> None:
        self._office = office
        self._asterisks = asterisks
        self._waiting = list(stories)
        self._futures: dict[str, Future[Run]] = {story: Future() for story in stories}
        self._lock = threading.Lock()
        self._players: list[threading.Thread] = []

    def __enter__(self) -> Runs:
        owners = {number: email for number, (_name, email) in PEOPLE.items()}
        for place, asterisk in enumerate(self._asterisks):
            pbx = self._office.add_asterisk(asterisk, name=f"Asterisk {place + 1}", owners=owners)
            player = threading.Thread(target=self._play, args=(asterisk, pbx), daemon=True)
            self._players.append(player)
            player.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._waiting.clear()
        for player in self._players:
            player.join(60)

    def of(self, story: str) -> Run:
        """The run of this story, once it was played; raises what went wrong in it."""
        return self._futures[story].result(timeout=TURN_S)

    def _play(self, asterisk: RealAsterisk, pbx: Pbx) -> None:
        try:
            with Ear(asterisk) as ear:
                while (story := self._next()) is not None:
                    try:
                        run = self._run(story, asterisk, pbx, ear)
                    except BaseException as error:
                        # told to whoever waits for this story; the others are played all the same
                        self._futures[story].set_exception(error)
                    else:
                        self._futures[story].set_result(run)
        finally:
            connections.close_all()

    def _next(self) -> str | None:
        with self._lock:
            return self._waiting.pop(0) if self._waiting else None

    def _run(self, story: str, asterisk: RealAsterisk, pbx: Pbx, ear: Ear) -> Run:
        """The story's run; on a machine that was too busy for it, everything in it takes longer."""
        for times in SLOWER:
            asterisk.slow_down(times)
            try:
                run = self._play_once(story, asterisk, pbx, ear)
            except TimeoutError:
                if times == SLOWER[-1] or not _is_overloaded():
                    raise
                continue
            if run.is_complete() or not run.was_hurried():
                break
        return run

    def _play_once(self, story: str, asterisk: RealAsterisk, pbx: Pbx, ear: Ear) -> Run:
        before = set(Call.objects.filter(pbx=pbx).values_list("pk", flat=True))
        ear.forget()
        play(story, asterisk)
        end = time.monotonic() + 10
        while tell(ear.events) != EXPECTED[story] and time.monotonic() < end:
            time.sleep(0.05)
        told = tell(ear.events)
        calls = Call.objects.filter(pbx=pbx).exclude(pk__in=before)
        until(lambda: calls.exists() and not calls.filter(state=Call.State.LIVE).exists())
        waiting = {Pop.State.QUEUED, Pop.State.LOOKING}
        until(lambda: not Pop.objects.filter(leg__call__in=calls, state__in=waiting).exists())
        keys = tuple(calls.values_list("key", flat=True))
        return Run(self._office, story, told, keys, self._seen(keys), asterisk.times)

    def _seen(self, keys: tuple[str, ...]) -> dict[str, list[Seen]]:
        """What the desks were told of these calls, once everything that was given has arrived."""
        given = Instruction.objects.filter(call_key__in=keys).exclude(
            withdrawn_at__isnull=False, delivered_at__isnull=True
        )
        for number, (_name, email) in PEOPLE.items():
            desk = self._office.watched[number]
            ids = {str(uid) for uid in given.filter(device__user__email=email).values_list("uid", flat=True)}
            assert desk.wait(ids.issubset, timeout_s=15), f"{number} was not told of all"
        return {number: desk.seen(calls=keys) for number, desk in self._office.watched.items()}
