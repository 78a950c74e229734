"""kill -9 of real workers that write over real HTTP, at every point of the writer and at random moments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx.journal import points
from tests.faults import misdeeds, results

AT_RANDOM = "writers killed at random, the CRM misbehaves"
EVERY_POINT = "writers killed at every point, however a write ends"
#: CI's share and the full counts.
ENTRIES, ENTRIES_LONG = 900, 12_500
KILLS, KILLS_LONG = 100, 2_500
TIMEOUT_S, TIMEOUT_LONG_S = 600, 7_200


def attack(folder: Path, *, attacks: Sequence[dict[str, Any]], contacts: int, timeout_s: float) -> Any:
    """What came of these attacks, one after the other on one box (tests/faults/attack.py)."""
    order = {"folder": str(folder), "contacts": contacts, "attacks": attacks}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.attack", json.dumps(order)],
        cwd=results.ROOT,
        env={**os.environ, "PYTHONPATH": str(results.ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{attacks}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def keep(result: dict[str, Any], *, name: str, note: str) -> dict[str, int]:
    """Record an attack's result; what was missing, double and foreign."""
    counts = {word: len(result[word]) for word in ("missing", "double", "foreign")}
    results.record(
        attack=name,
        seed=result["seed"],
        duration_s=result["duration_s"],
        kills=result["kills"],
        entries=result["entries"],
        note=note,
        **counts,
    )
    return counts


def seeds_of(wanted: int | None, *, is_long: bool) -> list[int]:
    """The seeds of this run: the one to replay, else a kept one whose turn it is and a fresh one."""
    if wanted is not None:
        return [wanted]
    kept = None if is_long else results.kept_seed(AT_RANDOM)
    return [*([] if kept is None else [kept]), results.fresh_seed()]


@pytest.mark.timeout(TIMEOUT_LONG_S)
def test_no_note_is_lost_or_doubled_when_writers_are_killed_at_every_point_and_at_random(
    tmp_path: Path, is_long: bool, request: pytest.FixtureRequest
) -> None:
    seeds = seeds_of(request.config.getoption("--fault-seed"), is_long=is_long)
    print(*(f"--fault-seed {seed}" for seed in seeds))
    entries = ENTRIES_LONG if is_long else ENTRIES
    ways = list(misdeeds.WAYS if is_long else misdeeds.FEW_WAYS)
    shares = [{"attack": "at_random", "entries": entries // len(seeds), "seed": seed} for seed in seeds]
    by_point, *by_dice = attack(
        tmp_path,
        attacks=[{"attack": "every_point", "ways": ways, "is_short": not is_long, "seed": seeds[0]}, *shares],
        contacts=3 * entries + 6_000,
        timeout_s=TIMEOUT_LONG_S if is_long else TIMEOUT_S,
    )
    found = [keep(by_point, name=EVERY_POINT, note=f"{len(by_point['points'])} points, {len(ways)} ways")]
    for one in by_dice:
        misbehaved = sum(one["misdeeds"].values())
        note = f"{misbehaved} misdeeds of the CRM, {one['freezes']} processes frozen for a moment"
        found.append(keep(one, name=AT_RANDOM, note=note))
    nothing = {"missing": 0, "double": 0, "foreign": 0}
    assert found == [nothing] * len(found), (seeds, by_point, by_dice)
    assert {state.split()[0] for state in by_dice[-1]["states"]} == {"verified"}
    assert [point for point in points.POINTS if not by_point["points"].get(point)] == []
    assert sum(one["kills"] for one in (by_point, *by_dice)) >= (KILLS_LONG if is_long else KILLS)
    assert sum(one["entries"] for one in (by_point, *by_dice)) >= entries
