"""The sweeper: it works without any Redis, one broken verb stops nobody, and idle looks write nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from nutshellpbx.calls import sweeper
from nutshellpbx.calls.sweeper import Sweeper
from nutshellpbx.crm.models import Crm
from nutshellpbx.journal import clock
from nutshellpbx.journal import tasks as journal_tasks
from nutshellpbx.journal.models import Entry, Proving

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
QUEUED_POP = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from nutshellpbx.calls.models import Call, Leg, Pop
from nutshellpbx.crm.models import Crm
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, User
at = timezone.now() - timedelta(hours=1)
Company.objects.get_or_create(pk=1, defaults={"name": "Harbor Tools", "country": "US"})
pbx = Pbx.objects.create(kind="webhook", name="Office")
crm = Crm.objects.create(kind="nutshell", name="Nutshell", settings={"address": "https://app.nutshell.com"})
ada = User.objects.create_user("ada@harbor.example", name="Ada")
line = Extension.objects.create(pbx=pbx, number="101", owner=ada)
call = Call.objects.create(pbx=pbx, uid="c", key="k", number="+13125550142", started_at=at, quiet_at=at)
leg = Leg.objects.create(call=call, uid="l", number="101", extension=line, owner=ada, started_at=at)
Pop.objects.create(leg=leg, crm=crm, user=ada, moment="ring", created_at=at)
"""


def make_environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUTSHELLPBX_")}
    return kept | {"NUTSHELLPBX_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "nutshellpbx.settings"} | more


@contextmanager
def worker(folder: Path, redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    program = "import sys; sys.argv[0] = 'celery'; from celery.__main__ import main; sys.exit(main())"
    arguments = ["-A", "nutshellpbx.celery", "worker", "-P", "threads", "-Q", "pop", "-l", "warning"]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env=make_environment(folder, NUTSHELLPBX_ROLE="worker", NUTSHELLPBX_REDIS_URL=redis_url),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.skipif(
    settings.NUTSHELLPBX_ONE_DATABASE, reason="the test's own database is not the processes' one"
)
def test_worker_that_never_finds_a_broker_settles_what_waits_and_stops_when_told(tmp_path: Path) -> None:
    run: dict[str, Any] = {"env": make_environment(tmp_path), "cwd": ROOT, "check": True}
    prepare = "import django; django.setup(); from nutshellpbx.ops import prepare; prepare.prepare(say=print)"
    subprocess.run([sys.executable, "-c", prepare], **run)
    subprocess.run([sys.executable, "-c", QUEUED_POP], **run)
    nobody = f"unix://{tmp_path}/no-redis.sock"
    with worker(tmp_path, nobody) as process:
        end = time.monotonic() + PATIENCE_S
        while (state := pop_state(tmp_path)) == "queued":
            log = (tmp_path / "worker.log").read_text()
            assert process.poll() is None, log
            assert time.monotonic() < end, log
            time.sleep(0.1)
        assert state == "nothing"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def pop_state(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "main.sqlite3")) as database:
        (state,) = database.execute("SELECT state FROM calls_pop").fetchone()
    return str(state)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "broken", ["intake.try_again", "flow.end_silent_calls", "contacts.abandon", "mailbox.prune"]
)
def test_housekeeping_that_breaks_does_not_stop_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    done = []
    for name in ("intake.try_again", "flow.end_silent_calls", "contacts.abandon", "mailbox.prune"):

        def keep(*, now: object, name: str = name) -> None:
            done.append(name)
            if name == broken:
                raise ValueError(name)

        monkeypatch.setattr(f"nutshellpbx.calls.sweeper.{name}", keep)
    Sweeper(queues=frozenset({"slow"})).look()
    assert len(done) == 4
    assert "could not carry out" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_work_that_cannot_be_listed_does_not_hide_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(now: object) -> list[tuple[str, str, str]]:
        raise ValueError

    done: list[str] = []
    monkeypatch.setattr("nutshellpbx.calls.tasks.due", refuse)
    monkeypatch.setattr("nutshellpbx.crm.tasks.due", lambda now: [("crm.sync", "7", "slow")])
    monkeypatch.setattr(sweeper, "TASKS", {"crm.sync": done.append})
    looking = Sweeper(queues=frozenset({"slow"}))
    looking.look()
    looking._hands.shutdown(wait=True)
    assert done == ["7"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_used", [False, True])
def test_a_look_at_an_empty_desk_writes_nothing(is_used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    looking = Sweeper(queues=frozenset({"slow", "pop"}))
    if is_used:
        prove_an_entry()
    # the first look ever enters the machine; from then on its row is touched once a minute (journal/clock.py)
    clock.forget()
    looking.look()
    # another process looks, with the turn of all that is not done every second
    clock.forget()
    monkeypatch.setattr(journal_tasks, "_woken_at", float("-inf"))
    with CaptureQueriesContext(connection) as queries:
        looking.look()
    wrote = [query["sql"] for query in queries if not query["sql"].startswith("SELECT")]
    assert wrote == []


def prove_an_entry() -> None:
    """A house with a note that was written long ago, and with its proofs done."""
    now = timezone.now()
    crm = Crm.objects.create(kind="nutshell", name="Nutshell", settings={"address": "https://a.example"})
    Entry.objects.create(
        crm=crm,
        call_key="k",
        state="verified",
        outcome="written",
        marker="m",
        ref_id="1",
        not_before=None,
        **dict.fromkeys(("happened_at", "trying_since", "created_at", "updated_at"), now - timedelta(days=1)),
    )
    for kind in Proving.Kind.HOURLY, Proving.Kind.NIGHTLY:
        Proving.objects.create(kind=kind, since=now, until=now, started_at=now, ended_at=now)
