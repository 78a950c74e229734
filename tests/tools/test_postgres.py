"""The PostgreSQL that tests get is their own, and gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tools.needs import ROOT, find_reason

ASK = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as link:
    print(link.execute("show data_directory").fetchone()[0])
raise SystemExit(7)
"""


def test_command_gets_a_database_and_nothing_stays_behind() -> None:
    if reason := find_reason("postgresql"):
        pytest.skip(reason)
    command = [sys.executable, "-m", "tools.postgres", sys.executable, "-c", ASK]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 7, ran.stderr
    assert ran.stdout.strip().endswith("/data")
    assert not os.path.lexists(ran.stdout.strip())
