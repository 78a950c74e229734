"""A practice 3CX for each test, and a listener that is in a hurry."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from nutshellpbx.lab.threecx.server import ThreeCx
from nutshellpbx.pbx.threecx import doubts, listening, reconcile, records


@pytest.fixture
def pbx() -> Iterator[ThreeCx]:
    with ThreeCx() as practice:
        yield practice


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts, "SETTLE_S", 0.2)
    monkeypatch.setattr(listening, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(listening, "ORDERS_EVERY_S", 0.02)
    monkeypatch.setattr(listening, "RECORDS_EVERY_S", 0.02)
    monkeypatch.setattr(listening, "WAIT_S", 0.02)
    monkeypatch.setattr(reconcile, "LOG_EVERY_S", 0.1)
    monkeypatch.setattr(reconcile, "AFTER_A_BREAK_S", 0.0)
    monkeypatch.setattr(records, "RIPE_AFTER", timedelta(seconds=0.3))
    # an earlier listener, a minute ago, is in no database here
    monkeypatch.setattr(reconcile, "heard_until", lambda _pbx, now: now - timedelta(minutes=1))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that nobody has signed but itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    paths = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-days",
        "2",
    ]
    subprocess.run(
        [*command, "-out", str(paths[0]), "-keyout", str(paths[1])], check=True, capture_output=True
    )
    return paths
