"""The box's wall clock jumps in mid-traffic, forth and back, while many outcomes in the CRM are unclear.

Its counters (monotonic, boot time) stay right, as on a real machine, and so does the CRM's clock. The phone
system signs by the moved clock, or the box would not listen to it, and dates its events by the right one.
"""

from __future__ import annotations

import random
import threading
import time
from functools import partial

import pytest

from nutshellpbx.lab.phone_system import PhoneSystem
from tests.faults import traffic
from tests.faults.hostile import Hostile
from tests.faults.verdict import judge

HOUR, YEAR = 3600, 365 * 24 * 3600
JUMPS = {"an hour back": -HOUR, "an hour on": HOUR, "a year on": YEAR, "ten years back": -10 * YEAR}
#: Unclear in the cruellest way: written, but the answer is lost, and the lists do not show it for a while.
UNCLEAR = (
    {"kind": "reset_after", "method": "POST", "path": "/rest/notes", "rate": 0.4},
    {"kind": "lag", "seconds": [0.0, 4.0], "tables": ["notes"]},
)


def test_clock_that_jumps_makes_no_note_double_and_none_missing(
    hostile: Hostile, is_long: bool, seed: int, dice: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hostile.clock is None:
        pytest.skip(hostile.no_clock)
    monkeypatch.setattr(traffic, "PhoneSystem", partial(PhoneSystem, clock=hostile.clock.now))
    started = time.monotonic()
    names = list(JUMPS) if is_long else [dice.choice(list(JUMPS))]
    driver = hostile.box.traffic(dice=dice, retry_for_s=240.0)
    stop = threading.Event()
    telling = threading.Thread(target=driver.tell, kwargs={"per_second": 3.0, "stop": stop})
    hostile.box.nutshell.misbehave(*UNCLEAR, seed=seed)
    telling.start()
    try:
        for name in names:
            print(name)
            time.sleep(dice.uniform(1.0, 3.0))
            hostile.clock.move(JUMPS[name])
            time.sleep(dice.uniform(3.0, 25.0 if is_long else 6.0))
            hostile.clock.move(0)
    finally:
        hostile.clock.move(0)
        time.sleep(1.0)
        stop.set()
        telling.join()
        hostile.box.nutshell.behave()
    result = judge(
        hostile.box, "clock jumps while outcomes are unclear", seed, started, driver, jumps=2 * len(names)
    )
    assert driver.untold == []
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), result["unwritten"]
