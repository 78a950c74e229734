"""A practice Nutshell inside a test's own process: ``with running_nutshell(contacts=300) as nutshell: …``."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from nutshellpbx.lab.nutshell.instance import Instance
from nutshellpbx.lab.nutshell.server import SOMEBODY_ELSE, NutshellServer
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY

_START_S = 60.0
#: Where the control side of each address was found: a door that faults do not shut.
_controls: dict[str, str] = {}


class RunningNutshell:
    """A server on a thread of its own; everything is asked over HTTP, as a stranger would."""

    email = PRACTICE_EMAIL
    key = PRACTICE_KEY

    def __init__(self, *, instance: Instance, port: int = 0) -> None:
        self.instance = instance
        self._server = NutshellServer(instance=instance, port=port)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="practice-nutshell", daemon=True)

    def start(self) -> None:
        """Start listening; returns when the door is open, raises what kept it shut."""
        self._thread.start()
        self._ready.wait(_START_S)
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Close the door and end the thread."""
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(_START_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._server.start())
        except OSError as failure:
            self._failure = failure
            self._ready.set()
            self._loop.close()
            return
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    @property
    def url(self) -> str:
        """The address, ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def port(self) -> int:
        """The port."""
        return self._server.port

    def ask(self, method: str, path: str, content: Any = None, *, timeout_s: float = 70.0) -> Any:
        """Ask the control side (below ``/_practice``); the JSON answer, or None; raises ValueError."""
        return _ask(self.instance.control_address, self.url, method, path, content, timeout_s)

    def misbehave(self, *faults: dict[str, Any], seed: int | None = None) -> None:
        """Order faults."""
        self.ask("POST", "/faults", {"faults": list(faults), "seed": seed})

    def behave(self) -> None:
        """Take all faults back."""
        self.ask("DELETE", "/faults")

    def notes(self) -> list[dict[str, Any]]:
        """All notes, deleted ones too."""
        return list(self.ask("GET", "/notes")["notes"])

    def log(self, *, after: int = 0, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """The access log behind a number; waits for one more entry if asked to."""
        return list(self.ask("GET", f"/log?after={after}&wait={wait_s}")["entries"])


def ask_control(url: str, method: str, path: str, content: Any = None, *, timeout_s: float = 70.0) -> Any:
    """Ask the control side of any practice Nutshell on this machine; raises ValueError when it refuses.

    Once an address was asked, its control side is reached even while the address itself is shut by a fault.
    """
    if url in _controls:
        with contextlib.suppress(ConnectionRefusedError, _SomebodyElse):
            return _ask(_controls[url], url, method, path, content, timeout_s)
    # The first time, or another practice server stands at this address now.
    _controls[url] = str(_ask(url, url, "GET", "", None, timeout_s)["control"])
    return _ask(_controls[url], url, method, path, content, timeout_s)


class _SomebodyElse(Exception):
    """The control side that was asked belongs to another practice server; nothing was done."""


def _ask(control: str, url: str, method: str, path: str, content: Any, timeout_s: float) -> Any:
    """Ask the control side at ``control`` of the practice server that is meant by ``url``."""
    split = urlsplit(control)
    connection = http.client.HTTPConnection(split.hostname or "127.0.0.1", split.port, timeout=timeout_s)
    try:
        body = None if content is None else json.dumps(content)
        headers = {"Content-Type": "application/json", "Host": urlsplit(url).netloc}
        connection.request(method, f"/_practice{path}", body, headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status == SOMEBODY_ELSE:
        raise _SomebodyElse
    if answer.status >= 400:
        raise ValueError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
    return json.loads(text) if text else None


@contextmanager
def running_nutshell(*, port: int = 0, **settings: Any) -> Iterator[RunningNutshell]:
    """A practice Nutshell for the length of a block; the settings are those of ``Instance``."""
    nutshell = RunningNutshell(instance=Instance(**settings), port=port)
    nutshell.start()
    try:
        yield nutshell
    finally:
        nutshell.stop()
