"""A practice office in the database alone: its people, their desks, a phone system's events, a clock.

No process and no sleep: events are taken in, workers work when they are told to, desks fetch what there is,
and what everybody saw can be read as lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from nutshellpbx import wire
from nutshellpbx.calls import flow, present
from nutshellpbx.calls.models import Call, Pop
from nutshellpbx.crm.models import Credential, Crm, Grant
from nutshellpbx.desktop import mailbox
from nutshellpbx.desktop.models import Device, Instruction
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, Preferences, User
from nutshellpbx.vault.models import Sealed
from tests.stories import book

START = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
PEOPLE = {"101": "Ada", "102": "Ben", "103": "Cyd", "104": "Dan", "105": "Eve", "106": "Flo"}
GRACE, SECOND, ABROAD, OWN = "+13125550142", "+13125550199", "+13125550199", "+1 212 555 0100"


class Clock:
    """The time in the office: goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Stage:
    """The office of a story; `seen` is what each desk was asked to do, in order."""

    clock: Clock
    pbx: Pbx
    crm: Crm
    users: dict[str, User]
    devices: dict[str, Device]
    seen: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    standing: dict[tuple[str, str, str], datetime] = field(default_factory=dict)

    # --- what happens

    def take_in(self, event: CallEvent, *, then: Callable[[], None] | None = None) -> Call | None:
        """An event arrives; the workers and the desks do at once what follows from it."""
        call = flow.take_in(event=event, now=self.clock.now)
        (then or self.work)()
        return call

    def work(self) -> None:
        """Workers take up all that waits; desks fetch."""
        for _round in range(10):
            waiting = list(Pop.objects.filter(state=Pop.State.QUEUED).order_by("pk"))
            if not waiting:
                break
            for pop in waiting:
                present.present(pop_id=pop.pk, now=self.clock.now)
        self.fetch()

    def fetch(self) -> None:
        """Each desk asks for its instructions and carries them out."""
        for name, device in self.devices.items():
            device.refresh_from_db()
            after = self.cursors.get(name, 0)
            mailbox.note_seen(device=device, cursor=after, idle_s=0, now=self.clock.now)
            rows = mailbox.alive(device=device, after=after, now=self.clock.now)
            for row in rows:
                self._see(name, row)
            mailbox.note_given(rows=rows, now=self.clock.now)
            self.cursors[name] = max([after, *(row.cursor for row in rows)])

    def _see(self, name: str, row: Instruction) -> None:
        what = {wire.Verb.OPEN: "page", wire.Verb.CARD: "card", wire.Verb.WITHDRAW: "gone"}[
            wire.Verb(row.verb)
        ]
        if row.phase == Instruction.Phase.AFTER:
            what += " after"
        place = (name, row.call_key, row.subject)
        if row.verb == wire.Verb.WITHDRAW:
            self.standing.pop(place, None)
        elif row.phase == Instruction.Phase.LIVE:
            self.standing[place] = row.expires_at
        self.seen.append((name, what, row.body.get("title", ""), self.clock.now))
        if row.verb == wire.Verb.OPEN:
            opened = wire.Outcome(str(row.uid), wire.Result.OPENED, self.clock.now)
            mailbox.settle(device=row.device, outcomes=[opened], now=self.clock.now)

    def set_up(self, name: str, **values: Any) -> None:
        Preferences.objects.update_or_create(user=self.users[name], defaults=values)

    def rule(self, **values: Any) -> None:
        Company.objects.filter(pk=1).update(**values)

    # --- what came of it

    def story(self) -> list[str]:
        """Each desk's line ("Ada: page Grace, gone"), then each call's entry or why it has none."""
        lines = []
        for name in self.devices:
            things = [f"{what} {title}".strip() for who, what, title, _at in self.seen if who == name]
            if things:
                lines.append(f"{name}: {', '.join(things)}")
        for call in Call.objects.exclude(state=Call.State.JOINED).order_by("started_at", "uid"):
            entries = Entry.objects.filter(call_key=call.key)
            for entry in entries:
                lines.append(f"entry of {entry.user and entry.user.name}: {_head(entry.text)}")
            if not entries:
                lines.append(f"no entry: {call.left_out or call.state}")
        return lines

    def text(self) -> str:
        return Entry.objects.get().text

    def check(self) -> None:
        """What holds after every story: all is over, nothing stands, no desk saw too much, one entry."""
        assert not Call.objects.filter(state=Call.State.LIVE).exists(), "a call never ended"
        assert not Pop.objects.filter(state__in=[Pop.State.QUEUED, Pop.State.LOOKING]).exists()
        standing = Instruction.objects.filter(phase="live", withdrawn_at=None).exclude(verb="withdraw")
        assert not standing.exists(), "something stands on a desk after the end"
        still = [place for place, until in self.standing.items() if until > self.clock.now]
        assert not still, f"still on a desk: {still}"
        for name in self.devices:
            for call in Call.objects.all():
                rows = Instruction.objects.filter(device=self.devices[name], call_key=call.key, verb="open")
                assert rows.filter(phase="live").count() <= 1, f"{name} saw two pages of a call"
                assert rows.filter(phase="after").count() <= 1, f"{name} saw two pages after a call"
        keys = list(Entry.objects.values_list("crm", "call_key"))
        assert len(keys) == len(set(keys))


def _head(text: str) -> str:
    """The note without its date, the caller's own name and the dialled number: its head and its legs."""
    first, *rest = text.splitlines()
    told = [line for line in rest if not line.startswith(("Caller's own name", "Dialled"))]
    return " | ".join([first.partition("2:05 p.m.: ")[2] or first, *told])


def build(*, kind: str, clock: Clock, owners: dict[str, str] | None = None) -> Stage:
    """An office with six extensions on a PBX of this kind; `owners` gives extensions to other people."""
    book.BOOK.names.update({GRACE: ["Grace"], SECOND: ["Second"]})
    Company.objects.update_or_create(
        pk=1, defaults={"name": "Practice Ltd", "country": "US", "own_numbers": [OWN], "time_zone": "UTC"}
    )
    pbx = Pbx.objects.create(kind=kind, name="Office")
    crm = Crm.objects.create(kind=book.KIND, name="Book")
    never_opened = Sealed.objects.create(
        purpose="crm", key_id="none", ciphertext=b"", created_at=clock.now, changed_at=clock.now
    )
    Credential.objects.create(
        crm=crm, email="all@practice.example", state="ok", created_at=clock.now, sealed=never_opened
    )
    users, devices = {}, {}
    for name in PEOPLE.values():
        users[name] = User.objects.create_user(f"{name.lower()}@practice.example", name=name)
        devices[name] = Device.objects.create(
            user=users[name], name=name, token_prefix=name, token_hash=name, last_seen_at=clock.now
        )
    for number, name in {**PEOPLE, **(owners or {})}.items():
        line = Extension.objects.create(pbx=pbx, number=number, owner=users[name])
        Grant.objects.create(extension=line, crm=crm, granted_at=clock.now)
    return Stage(clock, pbx, crm, users, devices)


def say_all(stage: Stage, events: Iterable[CallEvent]) -> None:
    for event in events:
        stage.clock.now = max(stage.clock.now, event.at)
        stage.take_in(event)
