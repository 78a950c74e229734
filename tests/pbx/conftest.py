"""Real Asterisks for the session, with sipp as their phones, and one office that hears all of them.

The stories are played once each, several at a time, every one on an Asterisk of its own pool; the tests of
the connector and those of what people see look at the same runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.tree import CannotHaveAsterisk, get_tree
from tests.pbx.office import PbxOffice
from tests.pbx.runs import Runs

#: As many Asterisks play stories at once: most of a story is waiting.
PLAYERS = 3


@pytest.fixture(scope="session")
def make_asterisk() -> Iterator[Callable[[], RealAsterisk]]:
    """Start another real Asterisk: extensions 101 to 106, a trunk, groups, queues, a menu, voicemail."""
    running: list[RealAsterisk] = []
    try:
        tree = get_tree(say=lambda line: print(line, file=sys.stderr))
    except CannotHaveAsterisk as reason:
        pytest.skip(f"no real Asterisk on this machine: {reason}")

    def make() -> RealAsterisk:
        asterisk = RealAsterisk(tree)
        asterisk.__enter__()
        running.append(asterisk)
        return asterisk

    yield make
    for asterisk in running:
        asterisk.__exit__(None, None, None)


@pytest.fixture(scope="session")
def real_asterisk(make_asterisk: Callable[[], RealAsterisk]) -> RealAsterisk:
    """An Asterisk for the tests that do with it what they like."""
    return make_asterisk()


@pytest.fixture(scope="session")
def real_database(django_db_blocker: Any) -> Iterator[None]:
    """These tests look into the office's own database, which is that of this process's settings."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory, real_database: None) -> Iterator[PbxOffice]:
    """The whole server as processes, six people at their desks, and no phone system yet."""
    folder: Path = tmp_path_factory.mktemp("office")
    with PbxOffice(folder, data=settings.NUTSHELLPBX_DIR) as office:
        yield office


@pytest.fixture(scope="session")
def runs(
    request: pytest.FixtureRequest, office: PbxOffice, make_asterisk: Callable[[], RealAsterisk]
) -> Iterator[Runs]:
    """The stories that this session's tests ask for, played from now on."""
    wanted = {
        item.callspec.params["story"]
        for item in request.session.items
        if hasattr(item, "callspec") and "runs" in getattr(item, "fixturenames", ())
    }
    with Runs(office, [make_asterisk() for _ in range(PLAYERS)], sorted(wanted)) as runs:
        yield runs
