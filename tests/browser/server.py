"""A running web process of its own on SQLite, with the office of tests/dashboard in it or with nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


@dataclass
class Site:
    """Where it stands, and what `seed` made there: links and ids by name."""

    url: str
    folder: Path
    env: dict[str, str]
    made: dict[str, str] = field(default_factory=dict)

    def manage(self, *words: str) -> str:
        """Run a management command against the same data; its output."""
        command = [sys.executable, "manage.py", *words]
        return _output(command, self.env)

    def ticket(self, purpose: str) -> str:
        """The address of a page that a desktop would be sent now."""
        token = _output([sys.executable, "-m", "tests.browser.seed", purpose], self.env)
        return f"{self.url}/pop/{token}"


@contextmanager
def running_site(folder: Path, *, with_office: bool) -> Iterator[Site]:
    """Start the web process, wait until it answers, end it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUTSHELLPBX_")}
    env = kept | {
        "DJANGO_SETTINGS_MODULE": "nutshellpbx.settings",
        "NUTSHELLPBX_DIR": str(folder),
        "NUTSHELLPBX_PUBLIC_URL": url,
        "PYTHONPATH": str(ROOT),
    }
    site = Site(url, folder, env)
    for words in (["vault_keys", "make"], ["migrate"], ["migrate", "--database=index"], ["createcachetable"]):
        site.manage(*words)
    if with_office:
        site.made = json.loads(_output([sys.executable, "-m", "tests.browser.seed"], env))
    with (folder / "web.log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "uvicorn",
                "nutshellpbx.asgi:application",
                "--port",
                str(port),
                "--no-access-log",
            ],
            cwd=ROOT,
            env=env | {"NUTSHELLPBX_ROLE": "web"},
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(f"{url}/healthz", server, folder / "web.log")
            yield site
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)  # the next look at the condition; START_S is its deadline
    raise RuntimeError(f"The web process did not start:\n{log.read_text()[-3000:]}")


def _output(command: list[str], env: dict[str, str]) -> str:
    """What a command says last; raises with what it complained about when it fails."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
