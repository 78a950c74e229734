"""Where writers are attacked: a database and a CRM of their own, forked workers, a clock that runs faster."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nutshellpbx.lab.nutshell.running import ask_control

#: How much faster time goes for the journal and for the CRM's data. Leases are not sped up: a worker that
#: this machine lets wait for a moment is not a dead one.
SPEED = 40.0
STARTED = time.time()
USERS = 4
COMPANY = "harbortools.example"

Work = Callable[[], object]


def clock() -> datetime:
    """The time, SPEED times faster, the same in every process of this run."""
    return datetime.fromtimestamp(STARTED, UTC) + timedelta(seconds=(time.time() - STARTED) * SPEED)


class Crm:
    """The practice Nutshell of this run, in a process of its own."""

    def __init__(self, *, contacts: int, seed: int) -> None:
        self.users = [(f"writer{number}@{COMPANY}", f"{number}" * 40) for number in range(USERS)]
        order = {
            "contacts": contacts,
            "seed": seed,
            "started": STARTED,
            "speed": SPEED,
            "users": self.users,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fast_crm", json.dumps(order)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            raise RuntimeError("the practice Nutshell did not start")

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """Ask its control side."""
        return ask_control(self.address, method, path, content)

    def misbehave(self, *faults: dict[str, Any], seed: int | None = None) -> None:
        """Order faults instead of those before; none: it behaves."""
        self.ask("DELETE", "/faults")
        if faults:
            self.ask("POST", "/faults", {"faults": list(faults), "seed": seed})

    def fired(self) -> dict[str, int]:
        """How often each kind of the faults that stand now happened."""
        counts: dict[str, int] = {}
        for fault in self.ask("GET", "/faults")["faults"]:
            counts[fault["kind"]] = counts.get(fault["kind"], 0) + fault["fired"]
        return counts

    def people(self, count: int = 1_000_000) -> list[dict[str, Any]]:
        """So many people with a number of their own, or all of them; always in the same order."""
        return list(self.ask("GET", f"/sample?count={count}&kind=own")["contacts"])

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)


def nap(seconds: float) -> None:
    """Wait by this run's clock."""
    time.sleep(seconds / SPEED)


def start_django(folder: Path) -> None:
    """Django on a new database in this folder, as a worker of a practice run, with time sped up."""
    for name in [name for name in os.environ if name.startswith(("NUTSHELLPBX_", "DATABASE_URL"))]:
        del os.environ[name]
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "nutshellpbx.settings",
        "NUTSHELLPBX_DIR": str(folder),
        "NUTSHELLPBX_ROLE": "worker",
        "NUTSHELLPBX_PRACTICE": "1",
        "NUTSHELLPBX_PRIVATE_CRM_OK": "1",
        "NUTSHELLPBX_LOG_LEVEL": "ERROR",
    }
    import django

    django.setup()
    from django.conf import settings

    from nutshellpbx import doorbell, outbound, phone
    from nutshellpbx.journal import outbox, writers
    from nutshellpbx.journal import tasks as _everything  # noqa: F401 - before its figures are changed
    from nutshellpbx.ops.prepare import prepare

    settings.NUTSHELLPBX_ROLE = "manage"
    prepare(say=lambda _line: None)
    settings.NUTSHELLPBX_ROLE = "worker"
    outbox.LEASE_S *= SPEED
    writers.nap = nap
    ask = outbound.ask

    def ask_faster(*, timeout_s: float, **more: Any) -> outbound.Answer:
        return ask(timeout_s=timeout_s / SPEED, **more)

    outbound.ask = ask_faster
    doorbell.ring = lambda **_: None  # there is none here: workers look by themselves, as their sweepers do
    phone.read("+13125550142", country="US")


def make_office(crm: Crm) -> None:
    """A line, a grant and a sign-in that works for each of the CRM's writers."""
    from nutshellpbx.crm import signin
    from nutshellpbx.crm.models import Credential
    from nutshellpbx.ops.practice import make_office as enter

    people = [
        {"email": email, "name": email.partition("@")[0], "extensions": [str(101 + place)], "key": key}
        for place, (email, key) in enumerate(crm.users)
    ]
    enter(
        spec={
            "company": {"name": "Harbor Tools", "country": "US"},
            "pbx": {"kind": "webhook", "name": "Phone system"},
            "crm": {"address": crm.address},
            "people": people,
        }
    )
    for credential in Credential.objects.all():
        signin.check_candidate(credential_id=credential.pk, now=datetime.now(UTC))
    if Credential.objects.filter(state=Credential.State.OK).count() != len(people):
        raise RuntimeError("the CRM did not take the writers' keys")


def let_go() -> None:
    """Close what this process has open to database and CRM: a fork must never share it."""
    from django.db import connections

    from nutshellpbx.outbound.connections import here

    connections.close_all()
    for transport in here.transports.values():
        transport.close()
    here.transports.clear()


def fork(work: Work) -> int:
    """Run `work` in a process of its own; its process id."""
    let_go()
    process_id = os.fork()
    if process_id:
        return process_id
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # whoever stops the attack stops its workers
        work()
    except BaseException as error:  # the child must never run its parent's code
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def was_killed(process_id: int) -> bool:
    """Wait for a process's end; raises RuntimeError when it failed by itself."""
    _, status = os.waitpid(process_id, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise RuntimeError("a worker failed, see above")
    return False


def run_apart(work: Work) -> None:
    """Run `work` in a process of its own to its end: what it opens is not handed on to later workers."""
    if was_killed(fork(work)):
        raise RuntimeError("killed without having been asked to")


def kill(process_id: int) -> bool:
    """kill -9, and whether that was what ended it."""
    os.kill(process_id, signal.SIGKILL)
    return was_killed(process_id)


def enqueue(*, call: str, number: int, person: dict[str, Any], is_known: bool) -> None:
    """A call of this person ends: its entry, in a transaction as the intake has one."""
    from django.db import transaction

    from nutshellpbx.crm.models import Crm as CrmRow
    from nutshellpbx.journal import outbox
    from nutshellpbx.people.models import Extension

    line = Extension.objects.select_related("owner").get(number=str(101 + number % USERS))
    with transaction.atomic():
        outbox.enqueue(
            crm=CrmRow.objects.get(),
            call_key=call,
            user=line.owner,
            extension=line,
            direction="inbound",
            number=person["number"],
            name=person["name"],
            card=card_of(person) if is_known else None,
            text="Inbound call, 3:20 min",
            happened_at=clock(),
            now=clock(),
        )


def move(*, call: str, person: dict[str, Any]) -> None:
    """Somebody says that the call was another one's."""
    from nutshellpbx.crm.models import Crm as CrmRow
    from nutshellpbx.journal import outbox

    outbox.give_card(crm=CrmRow.objects.get(), call_key=call, card=card_of(person), by=None, now=clock())


def card_of(person: dict[str, Any]) -> Any:
    from nutshellpbx.crm.adapter import Card, Table

    return Card(Table.CONTACTS, person["id"], person["name"])


def count_at_work() -> int:
    """How many entries are not at their end yet."""
    from django.db.models import Q

    from nutshellpbx.journal.models import Entry
    from nutshellpbx.journal.states import State

    return Entry.objects.exclude(Q(state=State.VERIFIED) & Q(not_before=None) & Q(next_card=None)).count()


def move_the_clock(*, seconds: float) -> None:
    """Let the journal believe that this box's clock was moved on."""
    from django.db.models import F

    from nutshellpbx.journal.models import Box

    Box.objects.update(offset_us=F("offset_us") - round(seconds * 1e6))


def let_others_write(*, seconds: float) -> None:
    """Let each credential have its one writer already, somewhere else, for so long by this run's clock."""
    from nutshellpbx.journal.models import Writer

    Writer.objects.update(held_by="another box", held_until=clock() + timedelta(seconds=seconds))


def forget_the_last_attempts() -> None:
    """Let the journal believe that its database is an older one than the box had."""
    from nutshellpbx.journal import restored
    from nutshellpbx.journal.models import Attempt

    restored.note_reached((Attempt.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1000)
