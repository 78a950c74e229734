"""What the benches share: shares of measured values, and what the machine is and had to do meanwhile."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 of measured values, in their unit; empty without a value."""
    ordered = sorted(values)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
        for name, share in SHARES.items()
        if ordered
    }


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_spreads(figures: Mapping[str, Mapping[str, float]], *, unit: str = "ms") -> None:
    """One line for each measured thing."""
    for name, values in figures.items():
        cuts = ", ".join(f"{share} {value:,.1f} {unit}" for share, value in values.items())
        say(f"{name}: {cuts or 'nothing measured'}")


def machine() -> str:
    """The machine in a few words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def load() -> float:
    """How many processes wanted to run in the last minute, ours and others."""
    return round(os.getloadavg()[0], 2)


def around(before: float, after: float) -> dict[str, Any]:
    """The machine and its load around a measurement, for the record."""
    return {"machine": machine(), "load_before": before, "load_after": after}


def measure_and_say(
    parser: argparse.ArgumentParser,
    measure: Callable[[Path, argparse.Namespace], dict[str, Any]],
    outcome: Callable[[Mapping[str, Any]], str],
) -> None:
    """Measure as the arguments say, in a folder of its own; print spreads, outcome, machine and command.

    With `--json FILE` all figures are kept there.
    """
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nutshellpbx-bench-") as folder:
        figures = measure(Path(folder), arguments)
    say_spreads(figures["ms"])
    say(
        f"{outcome(figures)}; {figures['machine']}, "
        f"load {figures['load_before']} before, {figures['load_after']} after; {figures['command']}"
    )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
