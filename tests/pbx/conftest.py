"""A real Asterisk for the session, with sipp as its phones; for the connector and for the whole stack."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.tree import CannotHaveAsterisk, get_tree


@pytest.fixture(scope="session")
def real_asterisk() -> Iterator[RealAsterisk]:
    """Extensions 101 to 106, a trunk, groups, queues, a menu, voicemail."""
    try:
        tree = get_tree(say=lambda line: print(line, file=sys.stderr))
        running = RealAsterisk(tree)
        running.__enter__()
    except CannotHaveAsterisk as reason:
        pytest.skip(f"no real Asterisk on this machine: {reason}")
    yield running
    running.__exit__(None, None, None)
