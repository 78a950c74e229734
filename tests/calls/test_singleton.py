"""One listener per company: the second waits, and takes over when the first is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from nutshellpbx.calls import listening, singleton
from nutshellpbx.vault import keys

HOLDER = """
import time, django
django.setup()
from nutshellpbx.calls import singleton
with singleton.hold(name="listen", stop=lambda: False) as held:
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ) | {"NUTSHELLPBX_DIR": str(settings.NUTSHELLPBX_DIR)},
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def says_held(process: subprocess.Popen[str], *, within_s: float) -> bool:
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if "held" in (process.stdout.readline() or ""):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(
    settings.NUTSHELLPBX_ONE_DATABASE, reason="the test's own database is not the processes' one"
)
def test_a_second_listener_waits_until_the_first_is_gone_even_by_kill_9() -> None:
    with holder() as first:
        assert says_held(first, within_s=20)
        with holder() as second:
            assert not says_held(second, within_s=3)
            os.kill(first.pid, signal.SIGKILL)
            assert says_held(second, within_s=20)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_lock_whose_connection_broke_says_so_and_leaves_no_connection() -> None:
    with singleton.hold(name="listen", stop=lambda: False) as held:
        assert held is not None
        held.check()
        (holder_pid,) = holders()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [holder_pid])
        with pytest.raises(singleton.Lost, match="listen"):
            held.check()
    with singleton.hold(name="listen", stop=lambda: False) as held:
        assert held is not None
        held.check()
        assert len(holders()) == 1
    deadline = time.monotonic() + 10
    while holders():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def holders() -> list[int]:
    """The database's own numbers of the connections that hold such a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
        return [pid for (pid,) in cursor.fetchall()]


def test_listener_without_its_lock_ends_with_a_failure_so_that_it_is_started_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lose(**_: object) -> None:
        raise singleton.Lost("The connection that holds the lock broke.")

    @contextmanager
    def held(**_: object) -> Iterator[singleton.Hold]:
        yield singleton.Hold(check=lambda: None)

    monkeypatch.setattr(singleton, "hold", held)
    monkeypatch.setattr(listening, "run", lose)
    monkeypatch.setattr(keys, "demand", lambda role: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(CommandError, match="started again"):
        call_command("listen")
