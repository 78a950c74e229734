"""The Debian tree in which the real Asterisk lives: made by tree.sh, swept of what killed runs left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

SCRIPT = Path(__file__).with_name("tree.sh")
CANNOT = 3


class CannotHaveAsterisk(Exception):
    """This machine cannot run a real Asterisk; the text says why, in one sentence."""


def get_tree(*, say: Callable[[str], None], directory: Path | None = None) -> Path:
    """Return the tree with Asterisk and sipp in it, made in about a minute when it is not there yet.

    `say` gets one line of progress at a time. Raises CannotHaveAsterisk.
    """
    command = ["sh", str(SCRIPT), *([str(directory)] if directory else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as making:
        assert making.stdout is not None and making.stderr is not None
        last = ""
        for line in making.stderr:
            last = line.strip().removeprefix("asterisk tree: ")
            say(last)
        path = making.stdout.read().strip().splitlines()
    if making.returncode == CANNOT:
        raise CannotHaveAsterisk(last)
    if making.returncode != 0 or not path:
        raise CannotHaveAsterisk(f"tree.sh ended with {making.returncode}: {last}")
    if os.geteuid() != 0:
        raise CannotHaveAsterisk("only root can run it (a tree of its own needs chroot).")
    return Path(path[-1])


def sweep_runs(tree: Path) -> None:
    """End the processes and remove the run directories of owners that are no longer there."""
    for run in sorted((tree / "runs").glob("*")):
        owner = run / "owner"
        if owner.exists() and _is_alive(owner.read_text()):
            continue
        end_processes(run, tree)
        shutil.rmtree(run, ignore_errors=True)


def end_processes(run: Path, tree: Path) -> None:
    """Kill what a run started, by the ids it wrote down, if they still live in this tree."""
    pids = run / "pids"
    for line in pids.read_text().split() if pids.exists() else ():
        pid = int(line)
        try:
            if Path(f"/proc/{pid}/root").readlink() == tree.resolve():
                os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def describe_owner() -> str:
    """This process, so that it can be told from a later one with the same id: "pid start-time"."""
    return f"{os.getpid()} {_started_at(os.getpid())}"


def _is_alive(owner: str) -> bool:
    pid, _, started_at = owner.strip().partition(" ")
    return pid.isdecimal() and bool(started_at) and _started_at(int(pid)) == started_at


def _started_at(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
