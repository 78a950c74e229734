"""What each attack came to: one line of JSON, for the table in the README and for seeds to be tried again."""

from __future__ import annotations

import json
import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
#: Of this run of the tests.
WRITTEN = ROOT / "build/faults/results.jsonl"
#: Of the last run in full length (`make faults LONG=1`).
KEPT = ROOT / "tests/faults/RESULTS.jsonl"


def record(
    *,
    attack: str,
    seed: int | None,
    duration_s: float,
    kills: int = 0,
    cuts: int = 0,
    entries: int = 0,
    missing: int = 0,
    double: int = 0,
    foreign: int = 0,
    note: str = "",
    **more: Any,
) -> dict[str, Any]:
    """Append an attack's result to the file of this run, before anything is asserted of it; the line.

    `attack` is a short sentence's worth of words, the same in each run; `cuts` are power cuts, `entries` the
    calls that had to leave a note. `note` is for what the figures do not say.
    """
    line = {
        "attack": attack,
        "seed": seed,
        "duration_s": round(duration_s, 1),
        "commit": commit(),
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "kills": kills,
        "cuts": cuts,
        "entries": entries,
        "missing": missing,
        "double": double,
        "foreign": foreign,
        "note": note,
        **{name: None if value == float("inf") else value for name, value in more.items()},
    }
    WRITTEN.parent.mkdir(parents=True, exist_ok=True)
    with WRITTEN.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(json.dumps(line, ensure_ascii=False))
    return line


def commit() -> str:
    """The commit that was attacked, with a plus sign where files differ from it; empty without git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + (
            "+" if _git("status", "--porcelain", "--untracked-files=no", "--", "nutshellpbx") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return ""


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results; none where there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line]


def kept_seed(attack: str, *, day: int | None = None) -> int | None:
    """The seed of an attack's kept results whose turn it is today (they take turns by day); None for none."""
    seeds = [line["seed"] for line in read(KEPT) if line["attack"] == attack and line["seed"] is not None]
    day = datetime.now(UTC).timetuple().tm_yday if day is None else day
    return int(seeds[day % len(seeds)]) if seeds else None


def fresh_seed() -> int:
    """A seed that nobody has tried."""
    return random.SystemRandom().randrange(2**32)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
