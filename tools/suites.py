"""Run the suites of tests in turn: python -m tools.suites [SUITE ...]

Each suite is a pytest run of its own, with its time printed; a suite that fails does not keep the next from
running. At the end: each suite's figures, why tests were skipped, what failed, and one line that sums up in
pytest's own form. Exits 1 if a test failed, a suite crashed or ran out of its time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tools.needs import ROOT, find_reason

REPORTS = ROOT / "build/reports"
APART = ("flow", "pbx", "nginx", "browser", "faults", "bench")
ON_POSTGRES = ("audit", "people", "pbx_port", "crm", "journal", "calls", "desktop", "vault")


@dataclass(frozen=True)
class Suite:
    """A part of the tests: its folders under tests/, its need, and when it is taken for stuck.

    `budget` is how many minutes it should take on two cores: printed beside its time, never a verdict.
    """

    name: str
    folders: tuple[str, ...]
    minutes: float
    options: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    need: str = ""
    budget: float = 0.0


SUITES = (
    Suite("unit", ("",), 30, (*(f"--ignore=tests/{name}" for name in APART), "-m", "not postgres"), budget=3),
    Suite("postgres", ON_POSTGRES, 30, around=(sys.executable, "-m", "tools.postgres"), need="postgresql"),
    Suite("flow", ("flow",), 20, budget=5),
    Suite("pbx", ("pbx",), 25, budget=5),
    Suite("nginx", ("nginx",), 10),
    Suite("browser", ("browser",), 15, ("--timeout=120",), budget=6),
    Suite("faults", ("faults",), 20, budget=4),
)


@dataclass
class Outcome:
    """What a suite came to: `counts` by pytest's words, `faults` one line each, `skips` by reason."""

    suite: Suite
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    skips: Counter[str] = field(default_factory=Counter)
    left_out: str = ""


def run_suite(suite: Suite) -> Outcome:
    """Run one suite and read its report; a suite whose need is not there is left out with the reason."""
    outcome = Outcome(suite)
    folders = [folder for name in suite.folders if (folder := ROOT / "tests" / name).is_dir()]
    print(f"\n=== {suite.name}: {' '.join(str(folder.relative_to(ROOT)) for folder in folders)}", flush=True)
    reason = find_reason(suite.need) if suite.need else None
    if reason or not folders:
        outcome.left_out = reason or f"there is no tests/{suite.folders[0]}"
        print(f"=== {suite.name}: left out: {outcome.left_out}", flush=True)
        return outcome
    report = REPORTS / f"{suite.name}.xml"
    command = [
        *suite.around,
        sys.executable,
        "-m",
        "pytest",
        "--continue-on-collection-errors",
        "--durations=5",
    ]
    command += [f"--junitxml={report}", *suite.options, *map(str, folders)]
    started = time.monotonic()
    code = run_in_time(command, suite.minutes)
    outcome.seconds = time.monotonic() - started
    read_report(report, outcome)
    if code is None:
        outcome.faults.append(f"ERROR {suite.name} took longer than {suite.minutes} minutes and was stopped")
    elif code and not outcome.faults:
        outcome.faults.append(f"ERROR {suite.name} ended with code {code}, see above")
    if outcome.faults and not outcome.counts["failed"]:
        outcome.counts["errors"] = max(outcome.counts["errors"], 1)
    print(f"=== {suite.name}: {summary(outcome.counts)} in {time_of(outcome)}", flush=True)
    return outcome


def run_in_time(command: list[str], minutes: float) -> int | None:
    """The command's exit code; None when it ran out of its time and was interrupted, or at last killed."""
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True) as running:
        try:
            return running.wait(minutes * 60)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stopped:
            # pytest answers an interrupt with its report; what does not answer is killed with all it started.
            os.killpg(running.pid, signal.SIGINT)
            try:
                running.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
            if isinstance(stopped, KeyboardInterrupt):
                raise
            return None


def read_report(report: Path, outcome: Outcome) -> None:
    """Fill in counts, faults and reasons from pytest's JUnit file, which a crash leaves out."""
    if not report.is_file():
        return
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        kinds = {child.tag: child.get("message") or "" for child in case}
        failed = [kind for kind in ("failure", "error") if kind in kinds]
        for kind in failed:
            word = "FAILED" if kind == "failure" else "ERROR"
            outcome.counts["failed" if kind == "failure" else "errors"] += 1
            outcome.faults.append(f"{word} {name} - {kinds[kind].partition(chr(10))[0][:200]}")
        if "skipped" in kinds:
            outcome.counts["skipped"] += 1
            outcome.skips[kinds["skipped"]] += 1
        elif not failed:
            outcome.counts["passed"] += 1


def summary(counts: Counter[str]) -> str:
    """The counts in pytest's words and order: `2 failed, 40 passed, 1 skipped, 1 error`."""
    told = [f"{counts[word]} {word}" for word in ("failed", "passed", "skipped", "errors") if counts[word]]
    if counts["errors"] == 1:
        told[-1] = "1 error"
    return ", ".join(told) or "no tests ran"


def time_of(outcome: Outcome) -> str:
    """The time that a suite took, and its budget in brackets: `61.2 s (of 3 min)`."""
    budget = outcome.suite.budget
    return f"{outcome.seconds:.1f} s" + (f" (of {budget:g} min)" if budget else "")


def close(outcomes: list[Outcome], seconds: float) -> bool:
    """Print the end of the run; whether all is well."""
    total: Counter[str] = Counter()
    print("\n=== suites")
    for outcome in outcomes:
        total.update(outcome.counts)
        what = f"left out: {outcome.left_out}" if outcome.left_out else summary(outcome.counts)
        print(f"{outcome.suite.name:10} {time_of(outcome):>24}  {what}")
    skips = sum((outcome.skips for outcome in outcomes), Counter[str]())
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    if skips or faults:
        print("=== short test summary info")
    for reason, count in skips.most_common():
        print(f"SKIPPED [{count}] {reason}")
    for fault in faults:
        print(fault)
    line = f" {summary(total)} in {seconds:.2f}s ({int(seconds) // 60} min {int(seconds) % 60} s) "
    print(line.center(min(shutil.get_terminal_size().columns, 110), "="), flush=True)
    return not faults and total["passed"] > 0


def main() -> None:
    """Run the suites named in the arguments, all without any."""
    known = {suite.name: suite for suite in SUITES}
    unknown = set(sys.argv[1:]) - known.keys()
    if unknown:
        sys.exit(f"no such suite: {' '.join(sorted(unknown))}; there are {' '.join(known)}")
    chosen = [known[name] for name in known if name in sys.argv[1:] or not sys.argv[1:]]
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    started = time.monotonic()
    outcomes = [run_suite(suite) for suite in chosen]
    sys.exit(not close(outcomes, time.monotonic() - started))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
