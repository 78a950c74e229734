"""Two boxes by mistake: workers of another machine on the same database, and a box that was cloned."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nutshellpbx.lab.office import Office
from nutshellpbx.lab.phone_system import PhoneSystem
from nutshellpbx.lab.processes import Running, python
from tests.faults import traffic
from tests.faults.box import Box, Remembered
from tests.faults.test_restore import copy_database
from tests.faults.verdict import judge

OTHER = {"NUTSHELLPBX_BOX_ID": "the other box"}


@contextmanager
def other_workers(box: Box, folder: Path) -> Iterator[Running]:
    """Workers of the slow queue that say that they are on another machine, on this box's database."""
    argv = python("-m", "celery", "-A", "nutshellpbx.celery", "worker", "-Q", "slow", "-n", "other@%h")
    argv += ["-P", "threads", "-c", "4", "-l", "INFO"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    if shutil.which("unshare"):
        # a host name of their own: then nobody here can tell that one of them has died
        argv = ["unshare", "--uts", "sh", "-c", 'hostname other-box && exec "$@"', "sh", *argv]
    env = {**box.office.env, **OTHER, "NUTSHELLPBX_ROLE": "worker"}
    running = Running(argv, name="other-workers", folder=folder, env=env)
    try:
        running.wait_for(lambda line: "ready" in line, timeout_s=60)
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("on_purpose", [False, True], ids=["by mistake", "on purpose"])
def test_workers_of_two_boxes_on_one_database_double_nothing(
    spare: Box, is_long: bool, seed: int, dice: random.Random, tmp_path: Path, on_purpose: bool
) -> None:
    started = time.monotonic()
    driver = spare.traffic(dice=dice)
    if on_purpose:
        adopt(spare.office, OTHER, also=True)
    try:
        with other_workers(spare, tmp_path):
            spare.nutshell.misbehave(
                {"kind": "reset_after", "method": "POST", "path": "/rest/notes", "rate": 0.2},
                {"kind": "delay", "seconds": [0.0, 1.0], "path": "/rest/notes", "rate": 0.3},
                seed=seed,
            )
            driver.tell(calls=200 if is_long else 25, per_second=8.0)
            spare.nutshell.behave()
            result = judge(spare, "workers of two boxes on one database", seed, started, driver)
    finally:
        spare.nutshell.behave()
        if on_purpose:
            adopt(spare.office, {})
    assert driver.untold == []
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), result["unwritten"]


def test_cloned_box_writes_nothing_and_says_so(
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
    clone = Office(tmp_path, data=tmp_path / "clone", env=OTHER)
    clone_data(spare.office.data, clone.data)
    driver = spare.traffic(dice=dice)
    try:
        clone.start_server()
        clone.ids = spare.office.ids
        telling = threading.Thread(
            target=driver.tell, kwargs={"calls": 150 if is_long else 20, "per_second": 6.0}
        )
        telling.start()
        told = 0
        with PhoneSystem(url=clone.hook_url, secret=driver.secret, retry_for_s=30.0) as system:
            while telling.is_alive() or told < len(remembered.acknowledged):
                for event in remembered.acknowledged[told:]:
                    system.tell(event)
                    told += 1
                time.sleep(0.05)
        telling.join()
        result = judge(spare, "a cloned box beside the first", seed, started, driver)
        said = clone.manage("journal", "state")
        beside = Box(clone, spare.nutshell, iter(()), spare.calls)
        waiting = beside.states()
    finally:
        clone.stop()
    assert driver.untold == []
    assert said.startswith("held: This database comes from another machine.")
    assert sum(waiting.values()) - waiting["verified"] >= driver.done
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), result["unwritten"]


def clone_data(source: Path, target: Path) -> None:
    """A copy of everything that a box keeps, as a cloned machine has it."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)
        elif path.suffix == ".sqlite3":
            copy_database(path, place)
        elif path.is_file() and "-" not in path.suffix and path.parent.name not in ("run", "log"):
            shutil.copy2(path, place)


def adopt(office: Office, env: dict[str, str], *, also: bool = False) -> None:
    """An admin's word on this box (or with its `env` on the other one) that it may write."""
    before = dict(office.env)
    office.env |= env
    try:
        office.manage("journal", "adopt-box", *(["--also"] if also else []))
    finally:
        office.env = before
