"""The client as a process, against real web and push processes: paired, killed, cut off, and never late."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from nutshellpbx import doorbell, wire
from nutshellpbx.desktop import mailbox, pairing
from nutshellpbx.desktop.models import Device, Instruction
from nutshellpbx.people.models import User
from tests.desktop.people import make_user, put, withdraw
from tests.desktop.servers import ROOT, Server, Uvicorn, end, start_push, start_redis, start_web, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = "https://app.nutshell.com"


@dataclass
class House:
    """Redis, push and web on this test's database."""

    redis: Server
    push: Uvicorn
    web: Uvicorn


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any
) -> Iterator[House]:
    with (
        django_db_blocker.unblock(),
        start_redis(tmp_path_factory.mktemp("redis")) as redis,
        start_push(tmp_path_factory.mktemp("push"), redis.socket) as push,
        start_web(tmp_path_factory.mktemp("web"), redis.socket, push_url=push.url) as web,
    ):
        yield House(redis, push, web)


@pytest.fixture(autouse=True)
def bell(house: House, settings: Any) -> None:
    settings.NUTSHELLPBX_REDIS_URL = f"unix://{house.redis.socket}"
    doorbell.reset()


@dataclass
class Desktop:
    """A client in a folder of its own."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NUTSHELLPBX_")}
        return kept | {
            "NUTSHELLPBX_CLIENT_DIR": str(self.folder),
            "NUTSHELLPBX_CLIENT_OPENER": f"recorder:{self.folder / 'pages'}",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def pages(self) -> list[str]:
        file = self.folder / "pages"
        return (
            [json.loads(line)["address"] for line in file.read_text().splitlines()] if file.exists() else []
        )

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "nutshellpbx.client.main", *words],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def start(self, *words: str) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nutshellpbx.client.main", *words],
                env=self.environment, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(5)


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def desktop(house: House, user: User, tmp_path: Path) -> Iterator[Desktop]:
    """A paired client that is not running yet."""
    desk = Desktop(tmp_path / "client")
    desk.start("pair", house.web.url, "--yes-origins")
    try:
        wait_until(lambda: "Code: " in desk.log, within_s=20)
        shown = re.search(r"Code: (\S+)", desk.log)
        assert shown is not None
        pairing.approve(code=shown[1], user=user, now=timezone.now())
        assert desk.process is not None
        assert desk.process.wait(20) == 0, desk.log
        assert desk.command("origins", "--add", ORIGIN).returncode == 0
        yield desk
    finally:
        if desk.process is not None:
            end(desk.process)


def run(desktop: Desktop) -> None:
    """Start the client and return when it waits."""
    Device.objects.update(last_seen_at=None)
    desktop.start("run")
    wait_until(lambda: Device.objects.exclude(last_seen_at=None).exists(), within_s=20)


def now_put(user: User, **changes: Any) -> list[Instruction]:
    return put(user, **{"now": timezone.now(), **changes})


def outcome(row: Instruction) -> str:
    row.refresh_from_db()
    return row.outcome


def test_a_call_opens_its_page_and_the_server_learns_what_became_of_it(desktop: Desktop, user: User) -> None:
    run(desktop)
    (row,) = now_put(user)
    wait_until(lambda: desktop.pages == [f"{ORIGIN}/person/23"])
    wait_until(lambda: outcome(row) == "opened")
    assert row.took_ms is not None and row.took_ms < 1000
    withdraw(user, now=timezone.now())
    wait_until(lambda: "gone: Maria Miller" in desktop.log)
    device = Device.objects.get()
    wait_until(lambda: ORIGIN in Device.objects.get().confirmed_origins)
    assert device.client_version


def test_killed_at_any_moment_no_page_opens_twice_and_none_is_missed(desktop: Desktop, user: User) -> None:
    run(desktop)
    now_put(user)
    wait_until(lambda: len(desktop.pages) == 1)
    desktop.kill()
    now_put(user, call_key="pbx:2")
    run(desktop)
    wait_until(lambda: len(desktop.pages) == 2)
    desktop.kill()
    state = json.loads((desktop.folder / "state.json").read_text())
    (desktop.folder / "state.json").write_text(json.dumps(state | {"cursor": 0}))
    run(desktop)
    last = now_put(user, call_key="pbx:3", expires_at=timezone.now() + timedelta(seconds=60))[0]
    wait_until(lambda: outcome(last) == "opened")
    assert len(desktop.pages) == 3


def test_what_expired_or_was_withdrawn_while_the_desk_was_away_is_never_opened(
    desktop: Desktop, user: User
) -> None:
    put(user, now=timezone.now() - timedelta(minutes=5))
    now_put(user, call_key="pbx:2")
    withdraw(user, call_key="pbx:2", now=timezone.now())
    withdraw(user, call_key="pbx:3", now=timezone.now())
    now_put(user, call_key="pbx:3")
    run(desktop)
    last = now_put(user, call_key="pbx:4")[0]
    wait_until(lambda: outcome(last) == "opened")
    assert len(desktop.pages) == 1


def test_a_push_process_that_was_killed_is_found_again_and_nothing_is_missed(
    house: House, desktop: Desktop, user: User
) -> None:
    run(desktop)
    house.push.kill()
    wait_until(lambda: "Trying again" in desktop.log)
    now_put(user)
    house.push.start()
    wait_until(lambda: len(desktop.pages) == 1)
    wait_until(lambda: "Connected again" in desktop.log)


def test_with_redis_killed_or_frozen_the_page_opens_within_seconds(
    house: House, desktop: Desktop, user: User
) -> None:
    run(desktop)
    os.kill(house.redis.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        now_put(user)
        wait_until(lambda: len(desktop.pages) == 1)
        assert time.monotonic() - began < 3.5
    finally:
        os.kill(house.redis.pid, signal.SIGCONT)
    house.redis.kill()
    try:
        began = time.monotonic()
        now_put(user, call_key="pbx:2")
        wait_until(lambda: len(desktop.pages) == 2)
        assert time.monotonic() - began < 3.5
    finally:
        house.redis.start()


def test_a_page_of_an_origin_that_nobody_confirmed_is_refused_until_somebody_does(
    desktop: Desktop, user: User
) -> None:
    run(desktop)
    page = wire.Page("https://other.example", "/x")
    (row,) = now_put(user, page=page)
    wait_until(lambda: outcome(row) == "refused_origin")
    assert "origins --add https://other.example" in desktop.log
    assert desktop.pages == []
    assert desktop.command("origins", "--add", "https://other.example").returncode == 0
    now_put(user, call_key="pbx:2", page=page)
    wait_until(lambda: desktop.pages == ["https://other.example/x"])


def test_a_revoked_desktop_stops_and_says_how_to_pair_it_again(desktop: Desktop, user: User) -> None:
    run(desktop)
    mailbox.revoke(device=Device.objects.get(), now=timezone.now())
    assert desktop.process is not None
    assert desktop.process.wait(5) == 4
    assert "Pair it again" in desktop.log


def test_status_and_unpair_speak_in_words(desktop: Desktop, user: User) -> None:
    said = desktop.command("status")
    assert said.returncode == 0, said.stderr
    assert "for Ann" in said.stdout and ORIGIN in said.stdout and "does not run" in said.stdout
    run(desktop)
    assert "The client runs." in desktop.command("status").stdout
    assert "runs already" in desktop.command("run").stderr
    desktop.kill()
    assert (desktop.folder / "token").stat().st_mode & 0o777 == 0o600
    assert desktop.command("unpair").returncode == 0
    assert Device.objects.get().revoked_at is not None
    assert not (desktop.folder / "token").exists()
    assert desktop.command("status").returncode == 4
    assert desktop.command("run").returncode == 4


def test_a_pairing_that_is_turned_down_ends_in_words(house: House, user: User, tmp_path: Path) -> None:
    desk = Desktop(tmp_path / "client")
    desk.start("pair", house.web.url)
    assert desk.process is not None
    try:
        wait_until(lambda: "Code: " in desk.log, within_s=20)
        shown = re.search(r"Code: (\S+)", desk.log)
        assert shown is not None
        pairing.deny(code=shown[1], user=user, now=timezone.now())
        assert desk.process.wait(20) == 1
        assert "turned down" in desk.log
        assert not (desk.folder / "token").exists()
    finally:
        end(desk.process)
