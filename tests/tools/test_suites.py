"""`make test` runs on when a suite fails, ends with 1 then, and sums up in pytest's form."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from tools import suites
from tools.suites import Outcome, Suite

MIXED = """
import pytest
def test_good(): pass
def test_bad(): assert 1 == 2, "one is not two"
def test_skipped(): pytest.skip("no such machine")
@pytest.fixture
def broken(): raise RuntimeError("fixture fell")
def test_error(broken): pass
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up checkout with tests of its own; the suites of this one are told to look there."""
    for name, text in {
        "mixed": MIXED,
        "good": "def test_good(): pass",
        "crash": "import os\ndef test_it(): os._exit(9)",
        "stuck": "import threading\ndef test_it(): threading.Event().wait()",
    }.items():
        (tmp_path / "tests" / name).mkdir(parents=True)
        (tmp_path / "tests" / name / "test_it.py").write_text(text)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = -p no:randomly -p no:django -p no:schemathesis\n"
    )
    monkeypatch.setattr(suites, "ROOT", tmp_path)
    monkeypatch.setattr(suites, "REPORTS", tmp_path / "reports")
    return tmp_path


def run(name: str, minutes: float = 1, need: str = "") -> Outcome:
    return suites.run_suite(Suite(name, (name,), minutes, need=need))


def test_every_result_is_counted_and_every_fault_named(root: Path) -> None:
    outcome = run("mixed")
    assert outcome.counts == {"passed": 1, "failed": 1, "errors": 1, "skipped": 1}
    assert [line.split(" - ")[0].split("::")[-1] for line in outcome.faults] == ["test_bad", "test_error"]
    assert sum(outcome.skips.values()) == 1 and "no such machine" in next(iter(outcome.skips))


def test_crash_is_an_error(root: Path) -> None:
    outcome = run("crash")
    assert outcome.counts["errors"] == 1 and "code 9" in outcome.faults[0]


def test_stuck_suite_is_stopped(root: Path) -> None:
    outcome = run("stuck", minutes=0.05)
    assert "was stopped" in outcome.faults[0]


def test_missing_folder_and_missing_need_are_left_out_with_the_reason(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("nowhere").left_out == "there is no tests/nowhere"
    monkeypatch.setattr(suites, "find_reason", lambda name: f"{name} is not on this machine")
    assert run("good", need="nginx").left_out == "nginx is not on this machine"


def test_end_of_the_run_sums_up_and_fails_when_anything_failed(capsys: pytest.CaptureFixture[str]) -> None:
    good = Outcome(
        Suite("good", ("good",), 1), counts=Counter(passed=3, skipped=1), skips=Counter({"why": 1})
    )
    bad = Outcome(Suite("bad", ("bad",), 1), counts=Counter(failed=1), faults=["FAILED x::y - z"])
    assert suites.close([good], 2.0)
    assert not suites.close([good, bad], 62.5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].strip("= ") == "1 failed, 3 passed, 1 skipped in 62.50s (1 min 2 s)"
    assert "FAILED x::y - z" in lines and "SKIPPED [1] why" in lines


def test_budget_stands_beside_the_time_and_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    slow = Outcome(Suite("slow", ("slow",), 9, budget=3), seconds=200.0, counts=Counter(passed=1))
    assert suites.close([slow], 200.0)
    assert "200.0 s (of 3 min)" in capsys.readouterr().out


def test_unit_leaves_out_what_has_a_suite_of_its_own() -> None:
    unit = next(suite for suite in suites.SUITES if suite.name == "unit")
    for name in ("flow", "pbx", "nginx", "browser", "faults", "bench"):
        assert f"--ignore=tests/{name}" in unit.options


def test_run_without_any_test_is_no_success() -> None:
    assert not suites.close([Outcome(Suite("none", ("none",), 1), left_out="there is no tests/none")], 0.1)


def test_every_folder_of_tests_belongs_to_a_suite() -> None:
    apart = {
        folder
        for suite in suites.SUITES
        if suite.name not in {"unit", "postgres"}
        for folder in suite.folders
    }
    assert apart | {"bench"} == set(suites.APART)
    assert sys.executable in suites.SUITES[1].around
