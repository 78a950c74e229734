"""The way between every process and PostgreSQL goes through a proxy that treats it badly."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nutshellpbx.lab.office import Office
from nutshellpbx.lab.proxy import FAULTS, Proxy
from tests.faults import results
from tests.faults.box import Box, open_box
from tests.faults.test_network import RECOVERED_S, suffer
from tools.needs import find_reason
from tools.postgres import cluster


@pytest.fixture
def way() -> Iterator[tuple[Proxy, str]]:
    """A proxy with a PostgreSQL of its own behind it, and the address that leads through it."""
    if reason := find_reason("postgresql"):
        pytest.skip(reason)
    with ExitStack() as stack:
        url = stack.enter_context(cluster())
        behind = urlsplit(url).port
        assert behind is not None
        proxy = stack.enter_context(Proxy(("127.0.0.1", behind)))
        yield proxy, url.replace(f":{behind}/", f":{urlsplit(proxy.url).port}/")


@pytest.fixture
def box(way: tuple[Proxy, str], tmp_path: Path) -> Iterator[Box]:
    """A box whose database is at the other end of that way."""

    def prepare(office: Office) -> None:
        office.env["DATABASE_URL"] = way[1]

    box = open_box(tmp_path, contacts=1500, prepare=prepare)
    yield box
    box.office.stop()


def test_a_bad_way_to_postgresql_loses_and_doubles_nothing(
    box: Box, way: tuple[Proxy, str], is_long: bool, seed: int, dice: random.Random
) -> None:
    proxy = way[0]
    started = time.monotonic()
    faults = list(FAULTS) if is_long else dice.sample(list(FAULTS), 2)
    driver = box.traffic(dice=dice, timeout_s=30.0)
    slowest = ("", 0.0)
    for fault in faults:
        stop = threading.Event()
        telling = threading.Thread(target=driver.tell, kwargs={"per_second": 2.0, "stop": stop})
        telling.start()
        try:
            time.sleep(1.0)
            suffer(proxy, fault, seconds=4.0)
        finally:
            proxy.heal()
            stop.set()
            telling.join()
        recovered_s = box.seconds_until_note(timeout_s=RECOVERED_S + 30)
        print(f"{fault}: {recovered_s:.1f} s until a note stands")
        slowest = max(slowest, (fault, recovered_s), key=lambda one: one[1])
    found = box.check()
    until = time.monotonic() + 120.0
    while found["missing"] and time.monotonic() < until:
        time.sleep(0.5)
        found = box.check()
    counts = {name: len(found[name]) for name in ("missing", "double", "foreign")}
    results.record(
        attack="the way to PostgreSQL through a bad proxy",
        seed=seed,
        duration_s=time.monotonic() - started,
        entries=driver.done,
        note="",
        struck=proxy.count.struck,
        recovered_s=round(slowest[1], 1),
        **counts,
    )
    assert driver.untold == []
    assert counts == {"missing": 0, "double": 0, "foreign": 0}, found
    assert slowest[1] <= RECOVERED_S, slowest
    assert proxy.count.struck > 0 or not is_long
