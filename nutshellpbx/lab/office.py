"""A whole practice office of processes: the server, a practice Nutshell, a paired desktop, and who calls it.

The demo, the flow tests and the benchmark use it. It imports nothing of the server: it starts it, and talks
to it as an admin's keyboard, a phone system and a desktop would.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from nutshellpbx.lab.nutshell.running import ask_control
from nutshellpbx.lab.openers import Chosen
from nutshellpbx.lab.phone_system import PhoneSystem
from nutshellpbx.lab.processes import Running, free_port, python

READY_S = 90.0
EMAIL = "ada@harbortools.example"
SECRET = "whsec_cHJhY3RpY2UtcHJhY3RpY2UtcHJhY3RpY2UtMDAwMDE="


class Nutshell:
    """The practice Nutshell as a process, with its own account of what happened to it."""

    def __init__(
        self, *, folder: Path, contacts: int = 2000, seed: int = 7, port: int = 0, users: str = ""
    ) -> None:
        argv = python("-m", "nutshellpbx.lab", "nutshell", "--port", str(port))
        argv += ["--contacts", str(contacts), "--seed", str(seed), "--users", users]
        self.running = Running(argv, name="nutshell", folder=folder, env={})
        line = self.running.wait_for(lambda text: "ready on http" in text, timeout_s=READY_S)
        self.address = line.split("ready on ", 1)[1].split()[0].rstrip("/")

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """Ask its control side."""
        return ask_control(self.address, method, path, content)

    def misbehave(self, *faults: dict[str, Any], seed: int | None = None) -> None:
        """Order faults of it (see lab/nutshell/misbehaviour.py)."""
        self.ask("POST", "/faults", {"faults": list(faults), "seed": seed})

    def behave(self) -> None:
        """Take all faults back."""
        self.ask("DELETE", "/faults")

    def requests(self, *, after: int = 0, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """Its access log behind entry `after`; waits for one more entry if asked to."""
        return list(self.ask("GET", f"/log?after={after}&wait={wait_s}")["entries"])

    def opened_pages(self, *, after: int = 0) -> list[dict[str, Any]]:
        """The record pages that a browser fetched."""
        return [entry for entry in self.requests(after=after) if is_record_page(entry)]

    def notes(self) -> list[dict[str, Any]]:
        """All notes that stand there now."""
        return [note for note in self.ask("GET", "/notes")["notes"] if note["deleted_at"] is None]

    def sample(self, *, count: int, seed: int = 1, kind: str = "own") -> list[dict[str, Any]]:
        """Some people with a well-formed number of their own ("shared": of several)."""
        return list(self.ask("GET", f"/sample?count={count}&seed={seed}&kind={kind}")["contacts"])


def is_record_page(entry: dict[str, Any]) -> bool:
    """Whether an entry of the access log is a person's or company's page that was fetched."""
    return (
        entry["method"] == "GET"
        and entry["path"].startswith(("/person/", "/company/"))
        and entry["status"] == 200
    )


class Desk:
    """A paired desktop client as a process."""

    def __init__(self, office: Office, *, name: str, email: str, opener: Chosen) -> None:
        self.name = name
        self.folder = office.folder / "desks" / name
        self.folder.mkdir(mode=0o700, parents=True)
        self.opener = opener
        self._office = office
        self._env = {
            "NUTSHELLPBX_CLIENT_DIR": str(self.folder),
            "NUTSHELLPBX_CLIENT_OPENER": opener.setting,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            **({"NUTSHELLPBX_CLIENT_CA": str(office.authority)} if office.authority else {}),
        }
        pairing = Running(
            self._argv("pair", office.public_url, "--name", name, "--yes-origins"),
            name=f"pair-{name}",
            folder=office.logs,
            env=self._env,
        )
        code = pairing.wait_for(lambda line: line.startswith("Code:"), timeout_s=30).split(":", 1)[1].strip()
        office.manage("practice", "approve", "--code", code, "--email", email)
        pairing.wait(timeout_s=30)
        pairing.stop()
        self.running = self.start()

    def start(self) -> Running:
        """Start the client (again)."""
        self.running = Running(
            self._argv("run"), name=f"desk-{self.name}", folder=self._office.logs, env=self._env
        )
        return self.running

    def ring(self, *, number: str, name: str = "") -> int:
        """Ring as this desk's own telephone program would, by the client's command; its exit code."""
        argv = self._argv("ring", "--number", number, "--name", *name.split())
        program = Running(argv, name=f"ring-{self.name}", folder=self._office.logs, env=self._env)
        code = program.wait(timeout_s=60)
        program.stop()
        return code

    def opened(self) -> list[str]:
        """The addresses that a recorder wrote down, in order."""
        return [line["address"] for line in self._recorded()]

    def opened_within(self, seconds: float) -> int:
        """How many pages a recorder wrote down in the last so many seconds."""
        since = time.time() - seconds
        return sum(line["at"] > since for line in self._recorded())

    def _recorded(self) -> list[dict[str, Any]]:
        file = Path(self.opener.setting.removeprefix("recorder:"))
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def _argv(self, *arguments: str) -> list[str]:
        return python("-m", "nutshellpbx.client.main", *arguments)


class Office:
    """The server with its practice Nutshell; people and phone system are entered by `enter`."""

    def __init__(
        self,
        folder: Path,
        *,
        contacts: int = 2000,
        seed: int = 7,
        users: str = "",
        data: Path | None = None,
        env: Mapping[str, str] | None = None,
        public_url: str = "",
        authority: Path | None = None,
    ) -> None:
        """`public_url` is the address of a proxy in front of web and push, `authority` the CA file of its
        clients.
        """
        self.folder = folder
        self.data = data or folder / "data"
        self.logs = folder / "logs"
        for place in (self.data, self.logs):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.web_port, self.push_port = free_port(), free_port()
        self.public_url = public_url or f"http://127.0.0.1:{self.web_port}"
        self.authority = authority
        self.env = {
            "DJANGO_SETTINGS_MODULE": "nutshellpbx.settings",
            "NUTSHELLPBX_DIR": str(self.data),
            "NUTSHELLPBX_WEB_PORT": str(self.web_port),
            "NUTSHELLPBX_PUSH_PORT": str(self.push_port),
            "NUTSHELLPBX_PUBLIC_URL": self.public_url,
            "NUTSHELLPBX_PUSH_URL": public_url or f"http://127.0.0.1:{self.push_port}",
            "NUTSHELLPBX_PRACTICE": "1",
            "NUTSHELLPBX_PRIVATE_CRM_OK": "1",
            **(env or {}),
        }
        self._contacts, self._seed, self._users = contacts, seed, users
        self.desks: list[Desk] = []
        self.nutshell: Nutshell | None = None
        self.server: Running | None = None
        self.ids: dict[str, Any] = {}

    def __enter__(self) -> Office:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the practice Nutshell and the server, and wait until both answer."""
        self.nutshell = Nutshell(
            folder=self.logs, contacts=self._contacts, seed=self._seed, users=self._users
        )
        self.start_server()

    def start_server(self) -> None:
        """Start the server alone (again)."""
        self.server = Running(python("manage.py", "run"), name="server", folder=self.logs, env=self.env)
        self.server.wait_for(lambda line: line.startswith("ready:"), timeout_s=READY_S)

    def stop(self) -> None:
        """End everything that was started."""
        for desk in self.desks:
            desk.running.stop()
        for running in (self.server, self.nutshell and self.nutshell.running):
            if running:
                running.stop()

    def enter(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Enter an office (see ops/practice.py for its form); the ids of what was made."""
        self.ids = json.loads(self.manage("practice", "office", text=json.dumps(spec)))
        return self.ids

    def wait_until_ready(
        self, *, timeout_s: float = READY_S, connected: bool = False, say: Any = None
    ) -> None:
        """Wait until every key was checked and the first sync is complete; `say` gets the progress.

        `connected`: also until the phone system's listener hears it.
        """
        until = time.monotonic() + timeout_s
        while True:
            state = json.loads(self.manage("practice", "ready", "--crm", self.ids["crm"]))
            if say:
                say(state)
            hears = state["connected"] or not connected
            if state["keys_ok"] and not state["keys_waiting"] and state["synced"] and hears:
                return
            if time.monotonic() > until:
                raise TimeoutError(f"The office did not get ready: {state}")
            time.sleep(0.2)

    def add_desk(self, *, email: str, opener: Chosen, name: str = "Front desk") -> Desk:
        """Pair a desktop for this person and let it wait for calls."""
        desk = Desk(self, name=name, email=email, opener=opener)
        self.desks.append(desk)
        return desk

    def phone_system(self, *, speed: float = 1.0, retry_for_s: float = 0.0) -> PhoneSystem:
        """The practice phone system that posts to this office's webhook."""
        return PhoneSystem(
            url=self.hook_url,
            secret=SECRET,
            speed=speed,
            retry_for_s=retry_for_s,
            ca_file=str(self.authority) if self.authority else None,
        )

    @property
    def hook_url(self) -> str:
        return f"{self.public_url}/hooks/{self.ids['pbx']}/events"

    def manage(self, *arguments: str, text: str = "") -> str:
        """Run a management command as the server's owner; its output."""
        done = subprocess.run(
            python("manage.py", *arguments),
            env={**os.environ, **self.env},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments[:2])} failed: {done.stderr[-2000:]}")
        return done.stdout

    def process_id(self, name: str) -> int:
        """The id of one of the server's processes, by its name in ops/supervise.py."""
        return int((self.data / "run" / f"{name}.pid").read_text(encoding="ascii"))

    def forget(self) -> None:
        """Delete the office's files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def webhook_office(
    *, nutshell: str, people: Sequence[Mapping[str, Any]], country: str = "US"
) -> dict[str, Any]:
    """The spec of an office whose phone system posts to the webhook."""
    return {
        "company": {"name": "Harbor Tools", "country": country},
        "pbx": {
            "kind": "webhook",
            "name": "Practice phone system",
            "settings": {"auth": "signed"},
            "secrets": {"secret": SECRET},
        },
        "crm": {"kind": "nutshell", "name": "Nutshell", "address": nutshell},
        "people": list(people),
    }


def asterisk_office(
    *, nutshell: str, people: Sequence[Mapping[str, Any]], port: int, username: str, secret: str
) -> dict[str, Any]:
    """The spec of an office whose phone system is a real Asterisk on this machine."""
    return {
        **webhook_office(nutshell=nutshell, people=people),
        "pbx": {
            "kind": "asterisk",
            "name": "Asterisk",
            "settings": {"host": "127.0.0.1", "port": str(port), "username": username},
            "secrets": {"secret": secret},
        },
    }
