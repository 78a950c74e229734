"""Power cuts in mid-traffic, on a disk of our own that forgets what nobody synced (nutshellpbx/lab/lossy, in
the way of LazyFS): what was acknowledged is there afterwards, no note is missing and none is double.

The disk's stricter model is used, in which names last only when their folder was synced, and in the long run
also that of ext4. Unsynced pages vanish, or some of them survive, by the dice.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx.journal import boxsecret
from nutshellpbx.lab.lossy.disk import MODELS
from nutshellpbx.lab.lossy.running import LossyDisk, find_hindrance
from nutshellpbx.settings import secret_from_file
from tests.faults import results, traffic
from tests.faults.box import Remembered, open_box

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def disk_can_be_mounted(tmp_path: Path) -> None:
    if hindrance := find_hindrance(tmp_path / "probe"):
        pytest.skip(hindrance)


def test_disk_loses_what_a_database_without_sync_has_committed(tmp_path: Path) -> None:
    kept = {}
    for synchronous in ("FULL", "OFF"):
        with LossyDisk(tmp_path / synchronous) as disk:
            path = disk.place / "main.sqlite3"
            database = sqlite3.connect(path, isolation_level=None)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(f"PRAGMA synchronous={synchronous}")
            database.execute("CREATE TABLE t (n)")
            disk.sync()
            for number in range(50):
                database.execute("INSERT INTO t VALUES (?)", [number])
            disk.cut()
            again = sqlite3.connect(path)
            kept[synchronous] = again.execute("SELECT count(*) FROM t").fetchone()[0]
            again.close()
    assert kept == {"FULL": 50, "OFF": 0}


@pytest.mark.parametrize("model", MODELS)
def test_keys_that_were_handed_out_before_a_cut_are_there_after_it(tmp_path: Path, model: str) -> None:
    with LossyDisk(tmp_path / "disk", model=model) as disk:
        secret_from_file(disk.place / "secret.key")
        made = boxsecret._secret_in(disk.place / "marker.key")
        disk.cut()
        assert (disk.place / "marker.key").read_bytes() == made
        again = disk.place / "secret.key"
        assert not again.exists() or len(again.read_text(encoding="utf-8")) > 40


def test_writers_lose_and_double_nothing_when_the_power_goes(
    tmp_path: Path, is_long: bool, seed: int
) -> None:
    models = ("strict", "ordered") if is_long else ("strict",)
    for model in models:
        cuts = 60 if is_long else 12
        order = {
            "folder": str(tmp_path / model),
            "seed": seed,
            "cuts": cuts,
            "entries": 1200 if is_long else 150,
            "contacts": 4000 if is_long else 1000,
            "model": model,
        }
        (tmp_path / model).mkdir()
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.cutting", json.dumps(order)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=1_800,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        result = json.loads(done.stdout.splitlines()[-1])
        note_result(f"power cuts under the writers ({model} disk)", seed, started, result)
        assert result["forgotten"] == []
        assert result["cuts"] >= cuts
        assert result["cuts_that_bit"] >= cuts / 2
        assert (result["missing"], result["double"], result["foreign"]) == ([], [], [])


def test_whole_box_keeps_what_it_acknowledged_when_the_power_goes(
    tmp_path: Path, is_long: bool, seed: int, dice: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = Remembered()
    monkeypatch.setattr(traffic, "PhoneSystem", remembered.phone_system)
    started = time.monotonic()
    cuts, lost_pages, forgotten = 0, 0, 0
    with LossyDisk(tmp_path / "disk", model="strict") as disk:
        box = open_box(tmp_path, data=disk.place / "data", contacts=4000 if is_long else 1000)
        try:
            disk.sync()
            stop = threading.Event()
            driver = box.traffic(dice=dice, retry_for_s=180.0)
            telling = threading.Thread(target=driver.tell, kwargs={"per_second": 2.0, "stop": stop})
            telling.start()
            try:
                while cuts < (20 if is_long else 3):
                    time.sleep(dice.uniform(0.5, 4.0))
                    box.kill()
                    lost = disk.cut(share=dice.choice((0.0, 0.5)), seed=dice.getrandbits(32))
                    cuts += 1
                    lost_pages += lost["pages"]
                    box.start_again()
                    forgotten += len(remembered.forgotten_by(box))
            finally:
                stop.set()
                telling.join()
            result = box.check_when_written(timeout_s=120)
            unwritten = box.unwritten()
        finally:
            box.office.stop()
    result |= {"cuts": cuts, "lost_pages": lost_pages, "acknowledged": len(remembered.acknowledged)}
    note_result("power cuts under the whole box", seed, started, result)
    assert driver.untold == []
    assert forgotten == 0
    assert lost_pages > 0
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), unwritten


def note_result(attack: str, seed: int, started: float, result: dict[str, Any]) -> None:
    """One line for the table, from what the attack and the checker said."""
    more = {name: result[name] for name in ("lost_pages", "cuts_that_bit", "acknowledged") if name in result}
    results.record(
        attack=attack,
        seed=seed,
        duration_s=time.monotonic() - started,
        kills=result.get("kills", 0),
        cuts=result["cuts"],
        entries=result["calls"],
        missing=len(result["missing"]),
        double=len(result["double"]),
        foreign=len(result["foreign"]),
        **more,
    )
