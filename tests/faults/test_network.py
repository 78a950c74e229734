"""Every way between two parts goes through a proxy (nutshellpbx/lab/proxy.py) that treats it badly.

The ways: phone system to web; web, workers and push to Redis; workers to the CRM; desk to push. CI takes some
of the combinations by seed, the long run all.
"""

from __future__ import annotations

import itertools
import random
import threading
import time

from nutshellpbx.lab.proxy import FAULTS, Proxy
from tests.faults.hostile import Hostile
from tests.faults.verdict import judge

RECOVERED_S = 60.0


def test_no_way_that_is_treated_badly_loses_or_doubles_a_note(
    hostile: Hostile, is_long: bool, seed: int, dice: random.Random
) -> None:
    started = time.monotonic()
    episodes = list(itertools.product(hostile.ways, FAULTS))
    if not is_long:
        # each way once, each fault at most once
        faults = dice.sample(list(FAULTS), len(hostile.ways))
        episodes = list(zip(hostile.ways, faults, strict=True))
    dice.shuffle(episodes)
    driver = hostile.box.traffic(dice=dice, timeout_s=2.0)
    slowest, struck = ("", 0.0), 0
    for way, fault in episodes:
        proxy = hostile.ways[way]
        before = proxy.count.struck
        stop = threading.Event()
        telling = threading.Thread(target=driver.tell, kwargs={"per_second": 4.0, "stop": stop})
        telling.start()
        try:
            time.sleep(0.5)
            suffer(proxy, fault, seconds=4.0 if is_long else 2.0)
        finally:
            proxy.heal()
            stop.set()
            telling.join()
        struck += proxy.count.struck - before
        recovered_s = max(
            hostile.box.seconds_until_note(timeout_s=RECOVERED_S + 30),
            seconds_until_page(hostile, timeout_s=RECOVERED_S + 30) if way == "desk" else 0.0,
        )
        print(f"{way}: {fault}: {recovered_s:.1f} s until a note stands")
        slowest = max(slowest, (f"{way} {fault}", recovered_s), key=lambda one: one[1])
    result = judge(
        hostile.box,
        "each way through a bad proxy",
        seed,
        started,
        driver,
        episodes=len(episodes),
        struck=struck,
        recovered_s=round(slowest[1], 1),
    )
    assert driver.untold == []
    assert slowest[1] <= RECOVERED_S, slowest
    assert (result["missing"], result["double"], result["foreign"]) == ([], [], []), result["unwritten"]


def suffer(proxy: Proxy, fault: str, *, seconds: float) -> None:
    """Treat a way badly for so long; resets and cuts strike open connections again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        proxy.suffer(fault)
        time.sleep(0.5)


def seconds_until_page(hostile: Hostile, *, timeout_s: float) -> float:
    """How long it takes until a fresh call's page opens at the desk, in seconds; or endless."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        probe = hostile.box.traffic(lines=1, ring_s=3.0)
        probe.tell(calls=1)
        number = probe.told[0]["id"].split("-")[0]
        if any(number in address for address in hostile.opened()):
            return time.monotonic() - began
    return float("inf")
