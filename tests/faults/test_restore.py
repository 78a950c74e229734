"""An old copy of the database is put back in mid-traffic; the phone system tells the calls of the lost time
again, as one with a list of its calls does: nothing it still tells is missing, and no note is written twice.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from tests.faults import traffic
from tests.faults.box import Box, Remembered
from tests.faults.verdict import judge


def copy_database(source: Path, target: Path) -> None:
    """A copy as a backup takes it, while others write."""
    with (
        contextlib.closing(sqlite3.connect(source)) as live,
        contextlib.closing(sqlite3.connect(target)) as to,
    ):
        live.backup(to)


def put_back(copy: Path, data: Path) -> None:
    """The old database in place of the new one; nothing may be running."""
    for leftover in data.glob("main.sqlite3-*"):
        leftover.unlink()
    shutil.copyfile(copy, data / "main.sqlite3")


def test_old_database_that_is_put_back_doubles_nothing_and_loses_nothing_that_is_told_again(
    spare: Box,
    is_long: bool,
    seed: int,
    dice: random.Random,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remembered = Remembered()
    monkeypatch.setattr(traffic, "PhoneSystem", remembered.phone_system)
    started = time.monotonic()
    driver = spare.traffic(dice=dice)
    again = 0
    for time_back in range(3 if is_long else 1):
        copy = tmp_path / f"{time_back}.sqlite3"
        stop = threading.Event()
        telling = threading.Thread(target=driver.tell, kwargs={"per_second": 1.5, "stop": stop})
        spare.nutshell.misbehave(
            {"kind": "reset_after", "method": "POST", "path": "/rest/notes", "rate": 0.2}, seed=seed
        )
        telling.start()
        try:
            time.sleep(dice.uniform(1.0, 3.0))
            told_before = len(remembered.acknowledged)
            copy_database(spare.office.data / "main.sqlite3", copy)
            time.sleep(dice.uniform(4.0, 8.0))
            if dice.random() < 0.5:
                spare.kill()
            else:
                assert spare.office.server is not None
                spare.office.server.stop()
            put_back(copy, spare.office.data)
            spare.start_again()
        finally:
            stop.set()
            telling.join()
            spare.nutshell.behave()
        # What was acknowledged while the copy was taken may be in it or not: it is told again as well.
        lost = remembered.acknowledged[max(0, told_before - 20) :]
        with remembered.phone_system(url=driver.hook, secret=driver.secret, retry_for_s=60.0) as system:
            for event in lost:
                system.tell(event)
        again += len(lost)
    result = judge(
        spare,
        "old database put back in mid-traffic",
        seed,
        started,
        driver,
        told_again=again,
        timeout_s=240.0,
    )
    assert driver.untold == []
    assert again > 10
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), result["unwritten"]
