"""Programs that the practice office starts: found ready by a line they print, ended with everything they
started.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STOP_S = 12.0


class NotReady(Exception):
    """A program ended, or did not say in time what it was waited for; the text holds its last words."""


class Running:
    """A started program whose lines are kept, and written to a file beside the others."""

    def __init__(
        self, argv: Sequence[str], *, name: str, folder: Path, env: Mapping[str, str], text: str = ""
    ) -> None:
        self.name = name
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._log = (folder / f"{name}.log").open("a", encoding="utf-8")
        self.process = subprocess.Popen(
            argv,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.PIPE if text else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        if text and self.process.stdin is not None:
            self.process.stdin.write(text)
            self.process.stdin.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, wanted: Callable[[str], bool], *, timeout_s: float, after: int = 0) -> str:
        """The first line (from number `after` on) that is wanted; raises NotReady."""
        until = time.monotonic() + timeout_s
        place = after
        with self._news:
            while True:
                while place < len(self.lines):
                    if wanted(self.lines[place]):
                        return self.lines[place]
                    place += 1
                left = until - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    last = "\n".join(self.lines[-15:])
                    raise NotReady(f"{self.name} did not get ready ({self.process.poll()}):\n{last}")
                self._news.wait(min(left, 0.2))

    def wait(self, *, timeout_s: float) -> int:
        """Its exit code, once it has ended and all it said is kept."""
        code = self.process.wait(timeout=timeout_s)
        self._reader.join(timeout=5)
        return code

    def stop(self) -> None:
        """End it politely, then for certain, with all that it started."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                self._signal_group(signal.SIGKILL)
                self.process.wait()
        self._signal_group(signal.SIGKILL)
        self._reader.join(timeout=5)
        self._log.close()

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def _read(self) -> None:
        if self.process.stdout is None:
            return
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                if not self._log.closed:
                    self._log.write(line)
                    self._log.flush()
                self._news.notify_all()
        self.process.stdout.close()
        with self._news:
            self._news.notify_all()


def python(*arguments: str) -> list[str]:
    """The argv of a Python program of this environment."""
    return [sys.executable, *arguments]


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
