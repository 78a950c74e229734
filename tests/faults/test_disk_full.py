"""The disk full to its last byte in mid-traffic: nothing is acknowledged that is not stored, and all goes on
by itself once there is space again.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from tests.faults import traffic
from tests.faults.box import Remembered
from tests.faults.hostile import Hostile
from tests.faults.verdict import judge

RECOVERED_S = 60.0


def test_full_disk_loses_nothing_acknowledged_and_all_goes_on_once_there_is_space(
    hostile: Hostile, is_long: bool, seed: int, dice: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hostile.disk is None:
        pytest.skip(hostile.no_disk)
    remembered = Remembered()
    monkeypatch.setattr(traffic, "PhoneSystem", remembered.phone_system)
    started = time.monotonic()
    stop = threading.Event()
    driver = hostile.box.traffic(dice=dice)
    telling = threading.Thread(target=driver.tell, kwargs={"per_second": 6.0, "stop": stop})
    telling.start()
    full_s, filled = (30.0 if is_long else 8.0), 0
    try:
        time.sleep(1.0)
        remembered.statuses.clear()
        until = time.monotonic() + full_s
        while time.monotonic() < until:
            filled += hostile.disk.fill()  # again and again: what somebody gives back is taken at once
            time.sleep(0.05)
        if is_long:
            os.kill(hostile.box.office.process_id("worker-slow"), signal.SIGKILL)
            time.sleep(5.0)
        refused = remembered.statuses[500] + remembered.statuses[503]
    finally:
        hostile.disk.free()
        freed_at = time.monotonic()
        time.sleep(1.0)
        stop.set()
        telling.join()
    recovered_s = time.monotonic() - freed_at + hostile.box.seconds_until_note(timeout_s=RECOVERED_S + 30)
    forgotten = remembered.forgotten_by(hostile.box)
    result = judge(
        hostile.box,
        "disk full to the last byte",
        seed,
        started,
        driver,
        refused=refused,
        recovered_s=round(recovered_s, 1),
    )
    assert forgotten == []
    assert filled > 0
    assert refused > 0, "the disk was not full: nothing was ever refused"
    assert driver.untold == []
    assert recovered_s <= RECOVERED_S
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), result["unwritten"]
