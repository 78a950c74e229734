"""The README's table of what was done to the server: python -m tools.faulttable [--keep]

It is made from tests/faults/RESULTS.jsonl, the kept results of the last run at full length, and stands
between two comment lines. `--keep` first takes the results of the run that has just ended, in
build/faults/results.jsonl, in place of the kept ones. A test fails when the README says anything else.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
KEPT = ROOT / "tests/faults/RESULTS.jsonl"
WRITTEN = ROOT / "build/faults/results.jsonl"
BEGIN = "<!-- made by tools/faulttable.py from tests/faults/RESULTS.jsonl: begin -->"
END = "<!-- made by tools/faulttable.py: end -->"
#: What a run at full length has to come to before it is kept.
OWED = {"kills": 3_000, "cuts": 100, "entries": 20_000}
NEVER = ("missing", "double", "foreign")
FIGURES = ("kills", "cuts", "entries", "missing", "double", "foreign")
HEAD = "| Attack | Seed | Took | Kills | Power cuts | Calls | Missing | Double | Foreign |"


def read_results(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results; none where there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.strip()]


def table_of(results: Iterable[Mapping[str, Any]]) -> str:
    """The table in Markdown, one row for each result in the order of the file, and their sum."""
    rows = [HEAD, "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    total = dict.fromkeys(FIGURES, 0)
    seconds = 0.0
    commits: dict[str, None] = {}
    days: dict[str, None] = {}
    for result in results:
        for name in FIGURES:
            total[name] += result[name]
        seconds += result["duration_s"]
        commits[result["commit"]] = days[str(result["ended_at"])[:10]] = None
        attack = result["attack"] + (f" ({result['note']})" if result["note"] else "")
        seed = "" if result["seed"] is None else str(result["seed"])
        figures = (_figure(result[name]) for name in FIGURES)
        rows.append(_row(attack.replace("|", "/"), seed, _time(result["duration_s"]), *figures))
    if len(rows) == 2:
        return "No run at full length has been kept yet: `make faults LONG=1`."
    sums = (f"**{_figure(total[name])}**" for name in FIGURES)
    rows.append(_row("**all**", "", f"**{_time(seconds)}**", *sums))
    at = ", ".join(f"`{commit}`" if commit else "no commit" for commit in commits)
    return "\n".join([*rows, "", f"Run on {', '.join(days)} at {at}."])


def find_shortfall(results: Iterable[Mapping[str, Any]]) -> str:
    """What these results lack, or have and must not, to be kept as a run at full length; else empty."""
    total = dict.fromkeys(FIGURES, 0)
    for result in results:
        for name in FIGURES:
            total[name] += result[name]
    faults = [f"{total[name]} of {owed} {name}" for name, owed in OWED.items() if total[name] < owed]
    faults += [f"{total[name]} {name}" for name in NEVER if total[name]]
    return ", ".join(faults)


def with_table(readme: str, table: str) -> str:
    """The README with this table between its two comment lines; raises ValueError when they are not there."""
    before, begin, rest = readme.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the README lacks one of these lines:\n{BEGIN}\n{END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(number: int) -> str:
    return f"{number:,}"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


def main() -> None:
    """Write the table into the README."""
    if sys.argv[1:] == ["--keep"]:
        if not WRITTEN.exists():
            sys.exit(f"faulttable: no attack has written a result to {WRITTEN.relative_to(ROOT)}")
        if short := find_shortfall(read_results(WRITTEN)):
            sys.exit(f"faulttable: this run is not kept: {short}")
        shutil.copyfile(WRITTEN, KEPT)
    elif sys.argv[1:]:
        sys.exit(__doc__)
    readme = README.read_text(encoding="utf-8")
    changed = with_table(readme, table_of(read_results(KEPT)))
    if changed != readme:
        README.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main()
