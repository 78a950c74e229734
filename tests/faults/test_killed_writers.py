"""kill -9 of real workers, at every point of the writer and at random: one note each, none lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections

from nutshellpbx.journal import points
from tests.journal import double
from tests.journal.office import Office, make_office

pytestmark = pytest.mark.django_db(databases=["default", "index"], transaction=True)
ROOT = Path(__file__).resolve().parent.parent.parent
ENTRIES = 24


@pytest.fixture
def writers(db, settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    """An office whose CRM is the journal's double, worked on by processes that may open keys."""
    monkeypatch.setattr(double, "MOOD", double.Mood())
    settings.NUTSHELLPBX_ROLE = "worker"
    settings.NUTSHELLPBX_KEYS_DIR = tmp_path / "keys"
    settings.NUTSHELLPBX_CREDENTIALS_DIR = ""
    settings.NUTSHELLPBX_MARKER_KEY = tmp_path / "marker.key"
    return make_office(tmp_path)


def attack(office: Office, **order: Any) -> dict[str, Any]:
    """What came of an attack by tests/faults/attack.py on this office."""
    environment = {
        "NUTSHELLPBX_DIR": str(office.folder),
        "NUTSHELLPBX_KEYS_DIR": str(django_settings.NUTSHELLPBX_KEYS_DIR),
        "NUTSHELLPBX_MARKER_KEY": str(django_settings.NUTSHELLPBX_MARKER_KEY),
        "NUTSHELLPBX_ROLE": "worker",
        "NUTSHELLPBX_PRACTICE": "1",
        "NUTSHELLPBX_LOG_LEVEL": "ERROR",
    }
    order |= {
        "crm": str(office.crm.pk),
        "folder": str(office.folder),
        "environment": environment,
        "databases": {alias: connections[alias].settings_dict["NAME"] for alias in ("default", "index")},
    }
    path = office.folder / "order.json"
    path.write_text(json.dumps(order, default=str), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "tests/faults/attack.py", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_worker_killed_at_every_point_leaves_one_note(writers: Office) -> None:
    found = ["before_settle", "before_search", "after_search", "after_search_settle"]
    absent = [
        *found,
        *(f"{point}:2" for point in found[1:]),
        "before_intent:2",
        "inside_intent:2",
        "after_intent:2",
    ]
    plan = {"": [], "reset_after": found, "reset_before": absent}
    result = attack(writers, attack="every_point", plan=plan)
    assert result["bad"] == []
    assert result["kills"] > 2 * len(points.POINTS)


@pytest.mark.parametrize("seed", [7])
def test_workers_killed_at_random_lose_and_double_nothing(writers: Office, seed: int) -> None:
    result = attack(writers, attack="at_random", entries=ENTRIES, rate=0.1, seed=seed)
    assert result["states"] == {"verified": ENTRIES}
    assert (result["missing"], result["double"], result["foreign"]) == (0, 0, 0)
    assert result["kills"] >= 3
