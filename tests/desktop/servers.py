"""Real processes for the desktop's tests: Redis, push, web and client, each ended by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

from tools.needs import find_redis

ROOT = Path(__file__).resolve().parents[2]


def wait_until(is_so: Callable[[], object], *, within_s: float = 10) -> None:
    """Return as soon as something is so; fails after `within_s`."""
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """End one process, by force if it must be."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


@dataclass
class Server:
    """A Redis server on a unix socket."""

    socket: Path
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        program = find_redis()
        assert program is not None
        self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(program),
                    "--port",
                    "0",
                    "--unixsocket",
                    str(self.socket),
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ],
                stdout=log,
                stderr=log,
                cwd=self.socket.parent,
            )
        wait_until(self.socket.exists)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(5)


@contextmanager
def start_redis(folder: Path) -> Iterator[Server]:
    """A Redis server in a folder; its socket's path must stay short."""
    server = Server(socket=folder / "r.sock", log=folder / "redis.log")
    server.start()
    try:
        yield server
    finally:
        assert server.process is not None
        end(server.process)


def server_environment(folder: Path, redis_socket: Path, **changes: str) -> dict[str, str]:
    """The environment of a server's process on this test's own database, in a data folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUTSHELLPBX_")}
    named = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        link = folder / "main.sqlite3"
        if not link.exists():
            link.symlink_to(named)
    else:
        kept["DATABASE_URL"] = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{named}").geturl()
    return kept | {
        "NUTSHELLPBX_DIR": str(folder),
        "NUTSHELLPBX_REDIS_URL": f"unix://{redis_socket}",
        "DJANGO_SETTINGS_MODULE": "nutshellpbx.settings",
        **changes,
    }


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Uvicorn:
    """One of the server's processes."""

    application: str
    port: int
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        argv = [
            sys.executable,
            "-m",
            "uvicorn",
            self.application,
            "--port",
            str(self.port),
            "--no-access-log",
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, "--timeout-graceful-shutdown", "1"],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: is_listening(self.port) or self._has_ended(), within_s=30)
        assert not self._has_ended(), self.log.read_text()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(5)

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


@contextmanager
def start_push(folder: Path, redis_socket: Path) -> Iterator[Uvicorn]:
    """The push process on a port of its own."""
    environment = server_environment(folder, redis_socket, NUTSHELLPBX_ROLE="push")
    push = Uvicorn("nutshellpbx.asgi_push:application", free_port(), environment, folder / "push.log")
    try:
        push.start()
        yield push
    finally:
        if push.process is not None:
            end(push.process)


@contextmanager
def start_web(folder: Path, redis_socket: Path, *, push_url: str) -> Iterator[Uvicorn]:
    """The web process on a port of its own."""
    port = free_port()
    environment = server_environment(
        folder,
        redis_socket,
        NUTSHELLPBX_ROLE="web",
        NUTSHELLPBX_PUSH_URL=push_url,
        NUTSHELLPBX_PUBLIC_URL=f"http://127.0.0.1:{port}",
    )
    keys = [sys.executable, "manage.py", "vault_keys", "make"]
    subprocess.run(
        keys, env=environment | {"NUTSHELLPBX_ROLE": "manage"}, cwd=ROOT, check=True, capture_output=True
    )
    web = Uvicorn("nutshellpbx.asgi:application", port, environment, folder / "web.log")
    try:
        web.start()
        yield web
    finally:
        if web.process is not None:
            end(web.process)
