"""What all tests share: a data folder of their own, marks by folder, and skips that say why."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django
import pytest
from hypothesis import settings as hypothesis_settings

from tools.needs import find_reason

HERE = Path(__file__).resolve().parent
# The folder of a test is its mark; what the folder's tests cannot do without (a name of tools/needs.py).
MARKS = {"browser": "chromium", "faults": "redis", "flow": "redis", "nginx": "nginx", "pbx": "asterisk"}


def settle_environment() -> None:
    """Point the settings at a new folder, and forget a real server's; DATABASE_URL stays."""
    for name in [name for name in os.environ if name.startswith("NUTSHELLPBX_") and "ASTERISK" not in name]:
        del os.environ[name]
    folder = tempfile.mkdtemp(prefix="nutshellpbx-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUTSHELLPBX_DIR"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "nutshellpbx.settings"


# Here and not in a hook: the conftests below this one import models as soon as they are read.
settle_environment()
django.setup()
# pytest --hypothesis-profile=nightly: any sequence of events, some 200,000 of them and more.
hypothesis_settings.register_profile("nightly", max_examples=6000, deadline=None)


def let_tests_empty_the_audit_book() -> None:
    """Tests that commit empty the database behind them; the book's triggers would refuse: lift them."""
    from django.db import connection
    from django.test import TransactionTestCase

    from nutshellpbx.audit import triggers

    empty_all = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def tear_down(self: TransactionTestCase) -> None:
        with triggers.lifted(connection):
            empty_all(self)

    TransactionTestCase._fixture_teardown = tear_down  # type: ignore[attr-defined]


let_tests_empty_the_audit_book()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder; skip, with the reason, what this machine cannot run."""
    reasons = {mark: find_reason(need) for mark, need in MARKS.items()}
    on_postgres = os.environ.get("DATABASE_URL", "").startswith("postgres")
    for item in items:
        inside = item.path.is_relative_to(HERE)
        mark = item.path.relative_to(HERE).parts[0] if inside else ""
        if mark in MARKS:
            item.add_marker(mark)
            if reason := reasons[mark]:
                item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("postgres") and not on_postgres:
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL: run by `make test`, suite postgres"))
