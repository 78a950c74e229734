"""CI's share of the hostile surroundings: some of the attacks by seed; all of them in the long run.

Whoever asks for one of the files alone gets all of its tests.
"""

from __future__ import annotations

import random

import pytest

#: Of the power cuts: the whole box takes a minute and more for three of them.
TOO_LONG = "whole_box"
ON_THE_HOSTILE_BOX = (
    "test_network",
    "test_disk_full",
    "test_locked_database",
    "test_clock_jumps",
    "test_events_in_disorder",
)
ON_THE_SPARE_BOX = ("test_restore", "test_two_boxes")
#: Each with an office and parts of its own, which takes its time to start: the long run's alone.
ON_THEIR_OWN = ("test_network_asterisk", "test_network_postgres")
ALL = ("test_power_cuts", *ON_THE_HOSTILE_BOX, *ON_THE_SPARE_BOX, *ON_THEIR_OWN)
AT_A_TIME = 2
#: Which attacks are CI's share; each has a seed of its own for what happens in it. Others: --fault-seed.
SHARE = 8


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has no turn in this run."""
    ours = [item for item in items if item.path.stem in ALL]
    if config.getoption("--fault-long") or len({item.path.stem for item in ours}) < len(ALL):
        return
    wanted = config.getoption("--fault-seed")
    seed = SHARE if wanted is None else int(wanted)
    chosen = choose(ours, random.Random(f"turns {seed}"))
    left_out = [item for item in ours if item not in chosen]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def choose(ours: list[pytest.Item], dice: random.Random) -> list[pytest.Item]:
    """The power cuts under the writers, the proof of the disk itself, a few attacks on one of the boxes."""
    ours = sorted(ours, key=lambda item: item.nodeid)
    power = [item for item in ours if item.path.stem == "test_power_cuts"]
    chosen = [item for item in power if TOO_LONG not in item.name]
    # Each attack has the same chance, whichever box it is on.
    attacks = [item for item in ours if item not in power and item.path.stem not in ON_THEIR_OWN]
    first = dice.choice(attacks)
    box = ON_THE_HOSTILE_BOX if first.path.stem in ON_THE_HOSTILE_BOX else ON_THE_SPARE_BOX
    others = [item for item in attacks if item.path.stem in box and item is not first]
    return [*chosen, first, *dice.sample(others, AT_A_TIME - 1)]
