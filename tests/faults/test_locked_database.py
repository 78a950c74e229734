"""Another process holds SQLite's write lock, again and again, for up to longer than anybody waits."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from tests.faults import traffic
from tests.faults.box import Remembered
from tests.faults.hostile import Hostile
from tests.faults.verdict import judge

LONGEST_S = 40.0
PROCESSES = ("web", "push", "worker-pop", "worker-slow", "listen", "redis")


def hold(path: Path, seconds: float) -> None:
    """Be the one writer for so long."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")


def test_locked_database_costs_time_and_nothing_else(
    hostile: Hostile, is_long: bool, seed: int, dice: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = Remembered()
    monkeypatch.setattr(traffic, "PhoneSystem", remembered.phone_system)
    started = time.monotonic()
    lived = {name: hostile.box.office.process_id(name) for name in PROCESSES}
    stop = threading.Event()
    driver = hostile.box.traffic(dice=dice, timeout_s=30.0, retry_for_s=180.0)
    telling = threading.Thread(target=driver.tell, kwargs={"per_second": 1.5, "stop": stop})
    telling.start()
    longest = LONGEST_S if is_long else 22.5  # longer than the 20 s for which a connection waits
    holds = [1.0, longest, *(dice.uniform(1.0, LONGEST_S) for _more in range(2 if is_long else 0))]
    try:
        for seconds in holds:
            time.sleep(1.0)
            hold(hostile.box.office.data / "main.sqlite3", seconds)
    finally:
        stop.set()
        telling.join()
    result = judge(
        hostile.box, "database locked for 1 to 40 s", seed, started, driver, held_s=round(sum(holds), 1)
    )
    assert driver.untold == []
    assert set(remembered.statuses) <= {202, 503}, remembered.statuses
    assert {name: hostile.box.office.process_id(name) for name in PROCESSES} == lived
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), result["unwritten"]
