"""An office whose CRM is the double, worked on by a process that may open keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from nutshellpbx.crm.adapter import ADAPTERS
from tests.journal import double
from tests.journal.office import Office, make_office


@pytest.fixture
def mood(monkeypatch: pytest.MonkeyPatch) -> double.Mood:
    mood = double.Mood()
    monkeypatch.setattr(double, "MOOD", mood)
    return mood


@pytest.fixture
def as_worker(settings, tmp_path: Path) -> None:
    settings.NUTSHELLPBX_ROLE = "worker"
    settings.NUTSHELLPBX_KEYS_DIR = tmp_path / "keys"
    settings.NUTSHELLPBX_CREDENTIALS_DIR = ""
    settings.NUTSHELLPBX_MARKER_KEY = tmp_path / "marker.key"


@pytest.fixture
def office(db, as_worker, mood: double.Mood, tmp_path: Path) -> Office:
    return make_office(tmp_path)


@pytest.fixture(autouse=True)
def double_is_known_here_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double is a kind of CRM for these tests alone."""
    monkeypatch.setitem(ADAPTERS, double.KIND, double.WHERE)
