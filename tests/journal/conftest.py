"""An office whose CRM is the double, worked on by a process that may open keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from nutshellpbx.crm.adapter import ADAPTERS
from nutshellpbx.journal import clock, writers
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
    settings.NUTSHELLPBX_HIGH_WATER = tmp_path / "journal.high"
    clock.forget()


@pytest.fixture
def office(db, as_worker, mood: double.Mood, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """What waits for the request budget lets the office's own clock go on, and nobody's else."""
    office = make_office(tmp_path)
    monkeypatch.setattr(writers, "nap", lambda seconds: office.clock.advance(seconds=seconds))
    return office


@pytest.fixture(autouse=True)
def double_is_known_here_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double is a kind of CRM for these tests alone."""
    monkeypatch.setitem(ADAPTERS, double.KIND, double.WHERE)
