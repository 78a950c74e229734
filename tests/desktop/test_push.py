"""A real push process with a real Redis, and desktops that wait there."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from nutshellpbx import doorbell, wire
from nutshellpbx.desktop import mailbox
from nutshellpbx.desktop.models import Device, Instruction
from nutshellpbx.people.models import User
from tests.desktop.people import make_device, make_user, put, withdraw
from tests.desktop.servers import Server, Uvicorn, start_push, start_redis, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def push(
    redis_server: Server,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: Any,
) -> Iterator[Uvicorn]:
    with (
        django_db_blocker.unblock(),
        start_push(tmp_path_factory.mktemp("push"), redis_server.socket) as process,
    ):
        yield process


@pytest.fixture(autouse=True)
def bell(redis_server: Server, settings: Any) -> None:
    settings.NUTSHELLPBX_REDIS_URL = f"unix://{redis_server.socket}"
    doorbell.reset()


@pytest.fixture(autouse=True)
def hears(push: Uvicorn) -> None:
    """Each test begins with a push process that hears Redis."""
    wait_until(lambda: health(push)["redis"])


@pytest.fixture
def desk() -> tuple[User, Device, str]:
    user = make_user()
    return user, *make_device(user)


def health(push: Uvicorn) -> Any:
    return requests.get(f"{push.url}/push/healthz", timeout=5).json()


def ask(push: Uvicorn, token: str, *, after: int = 0, wait: int = 25, **headers: str) -> requests.Response:
    return requests.get(
        f"{push.url}/push/instructions",
        params={"after": after, "wait": wait},
        headers={"Authorization": f"Bearer {token}", **headers},
        timeout=40,
    )


def wait_there(
    push: Uvicorn, token: str, *, after: int = 0, beside: int = 0
) -> Future[tuple[requests.Response, float]]:
    """A poll that waits by the time this returns, beside so many others; the answer comes with its moment."""
    wait_until(lambda: health(push)["polls"] == beside)
    pool = ThreadPoolExecutor(1)
    future = pool.submit(lambda: (ask(push, token, after=after), time.monotonic()))
    pool.shutdown(wait=False)
    wait_until(lambda: health(push)["polls"] == beside + 1)
    # The poll's first look is over once the desk counts as seen.
    wait_until(lambda: Device.objects.exclude(last_seen_at=None).exists())
    return future


def verbs(answer: requests.Response) -> list[str]:
    batch = wire.read_batch(answer.content)
    return [one.verb for one in batch.instructions if isinstance(one, wire.Instruction)]


def now_put(user: User, **changes: Any) -> list[Instruction]:
    return put(user, **{"now": timezone.now(), **changes})


def test_a_waiting_desk_is_told_within_a_blink(push: Uvicorn, desk: tuple[User, Device, str]) -> None:
    user, device, token = desk
    waiting = wait_there(push, token)
    began = time.monotonic()
    (row,) = now_put(user)
    answer, came_at = waiting.result(10)
    assert verbs(answer) == ["open"]
    assert wire.read_batch(answer.content).cursor == row.cursor
    assert came_at - began < 1.0
    device.refresh_from_db()
    assert device.last_seen_at is not None


def test_a_lost_wake_up_costs_two_seconds_at_most(
    push: Uvicorn, desk: tuple[User, Device, str], settings: Any
) -> None:
    user, _device, token = desk
    settings.NUTSHELLPBX_REDIS_URL = "unix:///nowhere/r.sock"
    waiting = wait_there(push, token)
    began = time.monotonic()
    now_put(user)
    answer, came_at = waiting.result(10)
    assert verbs(answer) == ["open"]
    assert came_at - began < 3.5


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_without_redis_the_database_is_looked_into(
    push: Uvicorn, redis_server: Server, desk: tuple[User, Device, str], fault: str
) -> None:
    user, device, token = desk
    waiting = wait_there(push, token)
    if fault == "killed":
        redis_server.kill()
    else:
        os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        now_put(user)
        answer, came_at = waiting.result(10)
        assert verbs(answer) == ["open"]
        assert came_at - began < 3.5
        wait_until(lambda: not health(push)["redis"])
        waiting = wait_there(push, token, after=1)
        began = time.monotonic()
        mailbox.revoke(device=device, now=timezone.now())
        answer, came_at = waiting.result(10)
        assert answer.status_code == 401
        assert came_at - began < 3.5
    finally:
        if fault == "killed":
            redis_server.start()
        else:
            os.kill(redis_server.pid, signal.SIGCONT)
    wait_until(lambda: health(push)["redis"])


def test_revoking_a_desk_ends_its_waiting_poll_at_once(push: Uvicorn, desk: tuple[User, Device, str]) -> None:
    _user, device, token = desk
    waiting = wait_there(push, token)
    began = time.monotonic()
    mailbox.revoke(device=device, now=timezone.now())
    answer, came_at = waiting.result(10)
    assert answer.status_code == 401
    assert answer.json()["next_step"] and answer.headers["WWW-Authenticate"] == "Bearer"
    assert came_at - began < 1.0
    assert ask(push, token, wait=0).status_code == 401


def test_a_user_who_may_no_longer_sign_in_ends_the_polls_of_the_desks(
    push: Uvicorn, desk: tuple[User, Device, str]
) -> None:
    user, _device, token = desk
    waiting = wait_there(push, token)
    user.is_active = False
    user.save()
    mailbox.look_again(user_id=user.pk)
    assert waiting.result(10)[0].status_code == 401


def test_what_expired_or_was_withdrawn_is_not_given(push: Uvicorn, desk: tuple[User, Device, str]) -> None:
    user, _device, token = desk
    long_ago = timezone.now() - timedelta(minutes=2)
    put(user, now=long_ago)
    now_put(user, call_key="pbx:2")
    withdraw(user, call_key="pbx:2")
    withdraw(user, call_key="pbx:3")
    now_put(user, call_key="pbx:3")
    batch = wire.read_batch(ask(push, token, wait=0).content)
    assert batch.instructions == () and batch.heartbeat
    assert batch.cursor == 2


def test_a_withdrawal_reaches_the_desk_that_was_given_the_page(
    push: Uvicorn, desk: tuple[User, Device, str]
) -> None:
    user, _device, token = desk
    now_put(user)
    assert verbs(ask(push, token)) == ["open"]
    waiting = wait_there(push, token, after=1)
    withdraw(user, now=timezone.now())
    assert verbs(waiting.result(10)[0]) == ["withdraw"]


def test_a_cursor_of_another_time_gets_what_is_alive_and_the_right_cursor(
    push: Uvicorn, desk: tuple[User, Device, str]
) -> None:
    user, _device, token = desk
    now_put(user)
    answer = ask(push, token, after=10_000)
    assert verbs(answer) == ["open"]
    assert wire.read_batch(answer.content).cursor == 1


def test_an_empty_wait_is_a_heartbeat_with_the_servers_clock(
    push: Uvicorn, desk: tuple[User, Device, str]
) -> None:
    batch = wire.read_batch(ask(push, desk[2], wait=1).content)
    assert batch.heartbeat
    assert abs((batch.now - timezone.now()).total_seconds()) < 5


def test_a_fifth_poll_of_a_desk_ends_its_oldest(push: Uvicorn, desk: tuple[User, Device, str]) -> None:
    user, _device, token = desk
    first, *others = [wait_there(push, token, beside=number) for number in range(4)]
    with ThreadPoolExecutor(1) as pool:
        fifth = pool.submit(ask, push, token)
        assert wire.read_batch(first.result(5)[0].content).heartbeat
        now_put(user)
        assert [verbs(poll.result(5)[0]) for poll in others] == [["open"]] * 3
        assert verbs(fifth.result(5)) == ["open"]


def test_a_client_that_leaves_is_forgotten(push: Uvicorn, desk: tuple[User, Device, str]) -> None:
    before = health(push)["polls"]
    with pytest.raises(requests.ReadTimeout):
        requests.get(
            f"{push.url}/push/instructions", headers={"Authorization": f"Bearer {desk[2]}"}, timeout=0.5
        )
    wait_until(lambda: health(push)["polls"] == before)


def test_the_same_comes_as_server_sent_events_until_the_desk_is_revoked(
    push: Uvicorn, desk: tuple[User, Device, str]
) -> None:
    user, device, token = desk
    events: list[tuple[str, str]] = []
    ended = threading.Event()

    def read() -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        with requests.get(
            f"{push.url}/push/instructions", headers=headers, stream=True, timeout=30
        ) as answer:
            for line in answer.iter_lines(decode_unicode=True):
                name, _colon, value = line.partition(": ")
                if name:
                    events.append((name, value))
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    wait_until(lambda: len(events) >= 2)
    now_put(user)
    wait_until(lambda: ("id", "1") in events)
    assert json.loads(events[-1][1])["instructions"][0]["verb"] == "open"
    mailbox.revoke(device=device, now=timezone.now())
    assert ended.wait(5)
    assert ("event", "refused") in events


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/push/instructions?after=x", 400),
        ("/push/instructions?after=-1", 400),
        ("/push/instructions?after=9999999999999999999", 400),
        ("/push/instructions?wait=56", 400),
        ("/push/instructions?idle=1e3", 400),
        ("/push/instructions?" + "&".join("abcdefghijklmnopqrst"), 400),
        ("/push/instructions?after=" + "1" * 300, 414),
        ("/push/elsewhere", 404),
        ("/", 404),
    ],
)
def test_odd_questions_are_refused_in_words(
    push: Uvicorn, desk: tuple[User, Device, str], path: str, status: int
) -> None:
    answer = requests.get(push.url + path, headers={"Authorization": f"Bearer {desk[2]}"}, timeout=5)
    assert answer.status_code == status
    assert answer.json()["title"]


def test_other_methods_long_headers_and_strangers_are_refused(push: Uvicorn) -> None:
    address = f"{push.url}/push/instructions"
    assert requests.post(address, timeout=5).status_code == 405
    assert requests.get(address, headers={"X-Long": "x" * 9000}, timeout=5).status_code == 431
    for header in ("", "Bearer ", "Bearer npbxd_" + "0" * 72, "Basic YTpi"):
        assert requests.get(address, headers={"Authorization": header}, timeout=5).status_code == 401


def test_no_answer_is_kept_on_its_way(push: Uvicorn) -> None:
    answer = ask(push, make_device(make_user())[1], wait=0)
    assert answer.headers["Cache-Control"] == "no-store"
