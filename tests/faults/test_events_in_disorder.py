"""Events that come more than once, in any order, and late: one note for each call."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.hostile import Hostile
from tests.faults.verdict import judge


@pytest.mark.parametrize("how", ["doubled", "shuffled", "late"])
def test_each_call_leaves_one_note_however_its_events_come(
    hostile: Hostile, is_long: bool, seed: int, dice: random.Random, how: str
) -> None:
    calls = 300 if is_long else 25
    late_s = (30.0 if is_long else 6.0) if how == "late" else 0.0
    started = time.monotonic()
    driver = hostile.box.traffic(dice=dice, copies=5, shuffled=how != "doubled", late_s=late_s, repeated=0.2)
    driver.tell(calls=calls, per_second=12.0)
    assert driver.untold == []
    result = judge(hostile.box, f"events {how}, each told 1 to 5 times", seed, started, driver)
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), result["unwritten"]
