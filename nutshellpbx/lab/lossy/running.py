"""A forgetful disk as a process, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from nutshellpbx.lab.lossy.kernel import mount, unmount


class LossyDisk:
    """A disk mounted at `place` that loses at each `cut` what was not synced."""

    def __init__(self, place: Path, *, model: str = "strict") -> None:
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nutshellpbx.lab.lossy", str(place), "--model", model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._line().strip() != "mounted":
            raise OSError(f"the disk could not be mounted at {place}")

    def cut(self, *, share: float = 0.0, seed: int = 0) -> dict[str, int]:
        """The power goes: how many unsynced pages and names were lost, and how many pages were lucky.

        Everything that used the disk must be dead by now.
        """
        return self._ask(f"cut {share} {seed}")

    def sync(self) -> None:
        """Let everything last."""
        self._ask("sync")

    def stop(self) -> None:
        """Unmount it; what it held is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        unmount(self.place)

    def __enter__(self) -> LossyDisk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ask(self, line: str) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        said: dict[str, Any] = json.loads(self._line())
        return said

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def find_hindrance(place: Path) -> str | None:
    """Why this machine has no such disk, in one sentence; None where it has."""
    place.mkdir(parents=True, exist_ok=True)
    try:
        device = mount(place)
    except OSError as error:
        return f"no file system of ours can be mounted here ({error.strerror}; it takes root and /dev/fuse)"
    unmount(place)
    os.close(device)
    return None
