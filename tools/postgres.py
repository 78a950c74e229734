"""Run a command against a PostgreSQL of its own: python -m tools.postgres COMMAND [ARGUMENT ...]

Makes a cluster in a temporary folder, listens on a free port of 127.0.0.1 with a password made up for this
run, sets DATABASE_URL for the command, and takes everything away afterwards. PostgreSQL does not run as root,
so root hands it to the user `postgres`. Exits with the command's own code, or 1 with a reason.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tools.needs import find_postgres, find_reason

USER = "nutshellpbx"
# A cluster of some minutes: nothing in it must outlive a power cut.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}


@contextmanager
def cluster() -> Iterator[str]:
    """A running PostgreSQL of its own; yields its DATABASE_URL. Raises OSError where it cannot be had."""
    programs = find_postgres()
    if programs is None:
        raise FileNotFoundError(find_reason("postgresql"))
    password = secrets.token_urlsafe(16)
    folder = Path(tempfile.mkdtemp(prefix="nutshellpbx-postgres-"))
    try:
        as_owner = find_owner_prefix(folder)
        (folder / "password").write_text(password)
        hand_over(folder, folder / "password")
        create: list[str | Path] = [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            USER,
            "-A",
            "scram-sha-256",
        ]
        create += ["--pwfile", folder / "password", "-E", "UTF8", "--no-locale", "--no-sync"]
        run([*as_owner, *create], folder)
        port = start([*as_owner, programs / "pg_ctl"], folder)
        try:
            yield f"postgres://{USER}:{password}@127.0.0.1:{port}/postgres"
        finally:
            run(
                [*as_owner, programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop"],
                folder,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_owner_prefix(folder: Path) -> list[str]:
    """What to put before PostgreSQL's programs: nothing, or for root the change to the user `postgres`."""
    if os.geteuid() != 0:
        return []
    hand_over(folder)
    return ["runuser", "-u", "postgres", "--"]


def hand_over(*paths: Path) -> None:
    """Give the paths to the user `postgres` where we are root; FileNotFoundError without such a user."""
    if os.geteuid() != 0:
        return
    try:
        owner = pwd.getpwnam("postgres")
    except KeyError:
        raise FileNotFoundError("PostgreSQL does not run as root, and there is no user postgres") from None
    for path in paths:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def start(pg_ctl: list[str | Path], folder: Path) -> int:
    """Start the cluster and wait until it answers; returns its port, another one if that was taken."""
    tries_left = 3
    while True:
        tries_left -= 1
        with socket.socket() as asked:
            asked.bind(("127.0.0.1", 0))
            port = int(asked.getsockname()[1])
        settings = SETTINGS | {"port": str(port)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        begin = [*pg_ctl, "-D", folder / "data", "-l", folder / "log", "-o", options]
        begin += ["-w", "-t", "60", "start"]
        try:
            run(begin, folder)
        except OSError:
            if not tries_left:
                raise
        else:
            return port


def run(command: list[str | Path], folder: Path) -> None:
    """Run one of PostgreSQL's programs in the cluster's folder; raises OSError with its last words."""
    # Not a pipe: the server that pg_ctl leaves behind would hold it open.
    with tempfile.TemporaryFile("w+") as words:
        ran = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT
        )
        words.seek(0)
        if ran.returncode:
            log = folder / "log"
            said = words.read() + (log.read_text(errors="replace") if log.is_file() else "")
            raise OSError("PostgreSQL: " + " | ".join(said.splitlines()[-6:]))


def leave_it_to_the_command(_number: int, _frame: FrameType | None) -> None:
    """An interrupt reaches the command too; it answers, and this waits for it."""


def stop_on_terminate(number: int, _frame: FrameType | None) -> None:
    """Leave through the `finally`s, so that no cluster stays behind."""
    sys.exit(128 + number)


def main() -> None:
    """Run the command that stands in the arguments, with DATABASE_URL set."""
    if not sys.argv[1:]:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, stop_on_terminate)
    signal.signal(signal.SIGINT, leave_it_to_the_command)
    try:
        with cluster() as url:
            code = subprocess.run(sys.argv[1:], env=os.environ | {"DATABASE_URL": url}).returncode
    except OSError as fault:
        sys.exit(str(fault))
    sys.exit(code)


if __name__ == "__main__":
    main()
