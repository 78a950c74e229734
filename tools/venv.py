"""Fill a virtual environment with locked packages: python3 tools/venv.py ENVIRONMENT LOCK [STAMP]

Needs nothing but Python's standard library. Uses `uv` where it is installed, else pip. Every package is
checked against its hash in the lock. Exits 1 with one sentence on what is missing and what to type.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

LEAST = (3, 11)


def fill(venv: Path, lock: Path) -> None:
    """Make the environment if it is not there or broken, then install exactly what the lock names."""
    if not is_whole(venv):
        make(venv)
    packages = len(re.findall(r"^[A-Za-z0-9][^\s]*==", lock.read_text(), re.MULTILINE))
    print(f"{venv}: {packages} packages of {lock}", flush=True)
    started = time.monotonic()
    uv = shutil.which("uv")
    if not (uv and fill_with_uv(uv, venv, lock)):
        fill_with_pip(venv, lock, packages)
    print(f"{venv}: ready after {time.monotonic() - started:.0f} s", flush=True)


def python_of(venv: Path) -> Path:
    """The environment's interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_whole(venv: Path) -> bool:
    """Whether the environment has a new enough Python that runs and has pip."""
    probe = f"import sys, pip; sys.exit(sys.version_info < {LEAST})"
    try:
        return subprocess.run([python_of(venv), "-c", probe], capture_output=True).returncode == 0
    except OSError:
        return False


def make(venv: Path) -> None:
    """Make the environment anew; exits with a next step where Python was installed without its venv part."""
    print(f"{venv}: making it with Python {sys.version.split()[0]}", flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", venv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if made.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(
            f"{made.stdout.strip()}\n\nThis Python cannot make a virtual environment. On Debian and Ubuntu "
            f"that is a package of its own: apt-get install python3-venv (or python{version}-venv)."
        )


def fill_with_uv(uv: str, venv: Path, lock: Path) -> bool:
    """Install the lock with uv; False where it cannot (its own index settings, say), then pip tries."""
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--python",
        python_of(venv),
        "--require-hashes",
        "-r",
        lock,
    ]
    if subprocess.run(command).returncode == 0:
        return True
    print("uv could not; trying with pip", flush=True)
    return False


def fill_with_pip(venv: Path, lock: Path, packages: int) -> None:
    """Install the lock with pip and show how far it is; exits with pip's last words if it fails."""
    command: list[str | Path] = [
        python_of(venv),
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--disable-pip-version-check",
    ]
    command += ["--no-input", "--progress-bar", "off", "-r", lock]
    said: list[str] = []
    seen = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            said.append(line)
            name = re.match(
                r"(?:Collecting|Requirement already satisfied:) ([^\s\[=]+)(?:\[[^\]]*\])?==([^\s]+)", line
            )
            if name:
                seen += 1
                show(f"  [{seen:3}/{packages}] {name[1]} {name[2]}", often=seen % 10 == 0)
            elif line.startswith("Installing collected packages"):
                show(f"  installing {seen} packages", often=True)
    if sys.stdout.isatty():
        print()
    if pip.returncode:
        sys.exit("".join(said[-30:]) + f"\npip could not install {lock}. Is this machine online?")


def show(line: str, *, often: bool) -> None:
    """One line that is written over on a terminal; in a log every tenth one, or when `often` says so."""
    if sys.stdout.isatty():
        print(f"\r{line:<78}", end="", flush=True)
    elif often:
        print(line, flush=True)


def main() -> None:
    """Fill the environment named first with the lock named second; touch the stamp named third."""
    if sys.version_info < LEAST:
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    fill(Path(sys.argv[1]), Path(sys.argv[2]))
    if len(sys.argv) == 4:
        Path(sys.argv[3]).touch()


if __name__ == "__main__":
    main()
