"""Records the stories anew: python -m nutshellpbx.lab.asterisk.record DIRECTORY [STORY …]

One file per story, the raw bytes that a manager connection heard. All numbers are made up (555-01xx).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.stories import STORIES, play
from nutshellpbx.lab.asterisk.tree import CannotHaveAsterisk, get_tree

#: One story is kept with everything that Asterisk says, the flood of variables included.
UNFILTERED = "inbound_answered"


def record(directory: Path, names: list[str]) -> int:
    """Record stories into a directory; returns the exit code (3: this machine cannot)."""
    try:
        tree = get_tree(say=_say)
        directory.mkdir(parents=True, exist_ok=True)
        with RealAsterisk(tree) as pbx:
            for name in names or STORIES:
                began = time.monotonic()
                (directory / f"{name}.ami").write_bytes(play(name, pbx))
                if name == UNFILTERED:
                    (directory / f"{name}_unfiltered.ami").write_bytes(play(name, pbx, quiet=False))
                _say(f"{name}: {time.monotonic() - began:.1f} s")
    except CannotHaveAsterisk as reason:
        _say(str(reason))
        return 3
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(record(Path(sys.argv[1]), sys.argv[2:]))
