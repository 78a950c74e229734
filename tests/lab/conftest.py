"""One practice Nutshell for all tests of a module, put back to its first state for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nutshellpbx.lab.nutshell.running import RunningNutshell, running_nutshell


@pytest.fixture(scope="module")
def lasting_nutshell() -> Iterator[RunningNutshell]:
    with running_nutshell(contacts=300, seed=7) as nutshell:
        yield nutshell


@pytest.fixture
def nutshell(lasting_nutshell: RunningNutshell) -> RunningNutshell:
    lasting_nutshell.ask("POST", "/reset")
    return lasting_nutshell
