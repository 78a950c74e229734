"""The doorbell against a real Redis: there, killed, frozen, and back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import transaction

from nutshellpbx import doorbell
from tests.desktop.servers import Server, start_redis, wait_until

#: What the caller may pay, whatever state Redis is in; and what no call takes, however busy the machine is.
CALL_S, NEVER_S = 0.005, 0.25


@pytest.fixture
def server(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with start_redis(tmp_path) as started:
        settings.NUTSHELLPBX_REDIS_URL = f"unix://{started.socket}"
        settings.CELERY_BROKER_URL = f"redis+socket://{started.socket}"
        monkeypatch.setattr(doorbell, "PAUSE_S", 0.1)
        doorbell.reset()
        yield started


def listen(server: Server) -> redis.client.PubSub:
    subscription = redis.Redis(unix_socket_path=str(server.socket)).pubsub()
    subscription.subscribe(doorbell.WAKE_CHANNEL)
    assert subscription.get_message(timeout=2)["type"] == "subscribe"
    return subscription


def rings_cost_nothing(times: int = 100) -> bool:
    took = []
    for _time in range(times):
        began = time.perf_counter()
        doorbell.wake(device_ids=["00000000-0000-0000-0000-000000000001"])
        doorbell.ring(task="calls.present", ids=["7"], queue="pop")
        took.append(time.perf_counter() - began)
    return sorted(took)[times * 95 // 100] < CALL_S and max(took) < NEVER_S


def test_woken_devices_are_named_to_the_push_process(server: Server) -> None:
    subscription = listen(server)
    doorbell.wake(device_ids=["a", "b"])
    assert subscription.get_message(ignore_subscribe_messages=True, timeout=2)["data"] == b"a b"
    subscription.close()


def test_a_rung_task_waits_in_its_queue_with_the_row_id_alone(server: Server) -> None:
    doorbell.ring(task="calls.present", ids=["7", "8"], queue="pop")
    client = redis.Redis(unix_socket_path=str(server.socket))
    wait_until(lambda: client.llen("pop") == 2)
    assert "calls.present" in str(client.lindex("pop", 0))
    client.close()


@pytest.mark.django_db(transaction=True)
def test_nothing_rings_before_the_transaction_is_committed(server: Server) -> None:
    with transaction.atomic():
        doorbell.ring_on_commit(task="calls.present", ids=["7"], queue="pop")
        doorbell.wake_on_commit(device_ids=["a"])
        assert doorbell.flush(timeout_s=1)
        assert doorbell.count().rung == 0
    wait_until(lambda: doorbell.count().rung == 2)


def test_a_killed_redis_costs_the_caller_nothing_and_the_bell_comes_back_by_itself(server: Server) -> None:
    subscription = listen(server)
    doorbell.wake(device_ids=["before"])
    assert subscription.get_message(ignore_subscribe_messages=True, timeout=2)
    subscription.close()
    server.kill()
    assert rings_cost_nothing()
    wait_until(lambda: doorbell.count().failed > 0)
    server.start()
    subscription = listen(server)
    wait_until(lambda: is_heard(subscription))
    subscription.close()


def test_a_frozen_redis_costs_the_caller_nothing_and_the_bell_comes_back_by_itself(server: Server) -> None:
    subscription = listen(server)
    doorbell.wake(device_ids=["before"])
    assert subscription.get_message(ignore_subscribe_messages=True, timeout=2)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert rings_cost_nothing()
        wait_until(lambda: doorbell.count().failed > 0)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    wait_until(lambda: is_heard(subscription))
    subscription.close()


def test_a_full_queue_drops_and_counts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.kill()
    monkeypatch.setattr(doorbell, "QUEUE_SIZE", 10)
    doorbell.reset()
    assert rings_cost_nothing()
    assert doorbell.count().dropped >= 80


def test_a_forked_child_rings_on_its_own(server: Server) -> None:
    subscription = listen(server)
    doorbell.wake(device_ids=["parent"])
    assert subscription.get_message(ignore_subscribe_messages=True, timeout=2)["data"] == b"parent"
    child = os.fork()
    if child == 0:
        doorbell.wake(device_ids=["child"])
        os._exit(0 if doorbell.flush(timeout_s=3) and doorbell.count().rung == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert subscription.get_message(ignore_subscribe_messages=True, timeout=2)["data"] == b"child"
    subscription.close()


def is_heard(subscription: redis.client.PubSub) -> bool:
    doorbell.wake(device_ids=["again"])
    message = subscription.get_message(ignore_subscribe_messages=True, timeout=0.1)
    return message is not None and message["data"] == b"again"
