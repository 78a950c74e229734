"""The end of an attack on a box: wait for its notes, let the checker count, keep the line."""

from __future__ import annotations

import time
from typing import Any

from tests.faults import results
from tests.faults.box import Box
from tests.faults.traffic import Traffic


def judge(
    box: Box,
    attack: str,
    seed: int,
    started: float,
    driver: Traffic,
    *,
    timeout_s: float = 150.0,
    **more: Any,
) -> dict[str, Any]:
    """What the checker says once all is written (or the time is up), with `unwritten` for a failure's words.

    `entries` of the kept line are this driver's calls; the checker counts all that the box was ever told.
    """
    result = box.check_when_written(timeout_s=timeout_s)
    results.record(
        attack=attack,
        seed=seed,
        duration_s=time.monotonic() - started,
        entries=driver.done,
        missing=len(result["missing"]),
        double=len(result["double"]),
        foreign=len(result["foreign"]),
        **more,
    )
    clean = not (result["missing"] or result["double"] or result["foreign"])
    return result | {"unwritten": [] if clean else box.unwritten()}
