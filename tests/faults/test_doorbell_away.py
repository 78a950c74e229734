"""Redis killed, frozen or flushed in mid-traffic: the database is the queue of record."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults import results
from tests.faults.conftest import Scene

POP_S = 5.0
#: Far above what an answer takes on a busy machine, far below what waiting for Redis would.
ANSWER_MS = 2_000.0

Fault = Callable[[Scene, threading.Event], int]


def kill(scene: Scene, stop: threading.Event) -> int:
    """Kill it again as soon as it is started again; how often."""
    kills = 0
    killed = 0
    while not stop.wait(0.1):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
            process_id = scene.office.process_id("redis")
            if process_id != killed:
                os.kill(process_id, signal.SIGKILL)
                killed, kills = process_id, kills + 1
    return kills


def freeze(scene: Scene, stop: threading.Event) -> int:
    """Stop it, so that it takes connections and never answers."""
    redis = scene.office.process_id("redis")
    os.kill(redis, signal.SIGSTOP)
    stop.wait()
    os.kill(redis, signal.SIGCONT)
    return 0


def flush(scene: Scene, stop: threading.Event) -> int:
    """Forget everything in it, many times a second."""
    while not stop.wait(0.05):
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.connect(str(scene.office.data / "redis.sock"))
            connection.sendall(b"FLUSHALL\r\n")
            connection.recv(64)
    return 0


@pytest.mark.parametrize(
    ("fault", "attack"),
    [(kill, "Redis killed"), (freeze, "Redis frozen"), (flush, "Redis flushed 20 times a second")],
    ids=["kill", "freeze", "flush"],
)
def test_every_pop_comes_within_5_s_no_post_waits_for_redis_and_nothing_is_lost(
    scene: Scene, fault_s: float, seed: int, fault: Fault, attack: str
) -> None:
    scene.wait_until_well()
    stop = threading.Event()
    kills: list[int] = []
    attacker = threading.Thread(target=lambda: kills.append(fault(scene, stop)))
    traffic = scene.traffic(dice=random.Random(seed))
    started = time.monotonic()
    attacker.start()
    try:
        traffic.tell(seconds=fault_s)
    finally:
        stop.set()
        attacker.join()
    delays = scene.pop_delays_s(traffic)
    found = scene.check_when_written(timeout_s=60)
    counts = {name: len(found[name]) for name in ("missing", "double", "foreign")}
    p95_ms = statistics.quantiles(traffic.answers_ms, n=20)[-1]
    results.record(
        attack=attack,
        seed=seed,
        duration_s=time.monotonic() - started,
        kills=sum(kills),
        entries=traffic.done,
        note=f"slowest pop {max(delays):.1f} s, acknowledgements p95 {p95_ms:.0f} ms",
        **counts,
    )
    assert traffic.untold == []
    assert counts == {"missing": 0, "double": 0, "foreign": 0}, (seed, found, scene.unwritten())
    assert max(delays) <= POP_S, f"{sum(d > POP_S for d in delays)} of {len(delays)} pops were late"
    assert max(traffic.answers_ms) <= ANSWER_MS
