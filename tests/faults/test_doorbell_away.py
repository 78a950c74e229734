"""Redis killed, frozen or flushed in mid-traffic: the database is the queue of record."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable

import pytest

from tests.faults.conftest import Scene

POP_S = 5.0
ANSWER_MS = 500.0


def kill(scene: Scene, stop: threading.Event) -> None:
    """Kill it again as soon as it is started again."""
    while not stop.wait(0.1):
        try:
            os.kill(scene.office.process_id("redis"), signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError, ValueError):
            continue


def freeze(scene: Scene, stop: threading.Event) -> None:
    """Stop it, so that it takes connections and never answers."""
    redis = scene.office.process_id("redis")
    os.kill(redis, signal.SIGSTOP)
    stop.wait()
    os.kill(redis, signal.SIGCONT)


def flush(scene: Scene, stop: threading.Event) -> None:
    """Forget everything in it, many times a second."""
    while not stop.wait(0.05):
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.connect(str(scene.office.data / "redis.sock"))
            connection.sendall(b"FLUSHALL\r\n")
            connection.recv(64)


@pytest.mark.parametrize("fault", [kill, freeze, flush])
def test_every_pop_comes_within_5_s_every_post_is_answered_within_half_a_second_and_nothing_is_lost(
    scene: Scene, fault_s: float, fault: Callable[[Scene, threading.Event], None]
) -> None:
    scene.wait_until_well()
    stop = threading.Event()
    attacker = threading.Thread(target=fault, args=(scene, stop))
    traffic = scene.traffic()
    attacker.start()
    try:
        traffic.tell(seconds=fault_s)
    finally:
        stop.set()
        attacker.join()
    delays = scene.pop_delays_s(traffic)
    counts = scene.wait_for_notes(traffic, timeout_s=60)
    assert max(delays) <= POP_S, f"{sum(d > POP_S for d in delays)} of {len(delays)} pops were late"
    assert max(traffic.answers_ms) <= ANSWER_MS
    assert set(counts.values()) == {1}
