"""Open an address that `address.build` made: by argv or the system's own call, never through a shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from gettext import gettext as _
from pathlib import Path

from nutshellpbx.client.browsers import find_installed
from nutshellpbx.client.config import Settings

#: A launcher that fails says so within this time; a browser goes on running.
FAILS_WITHIN_S = 0.25


class NotOpened(Exception):
    """No browser took the address; the text says why."""


@dataclass(frozen=True, slots=True)
class Started:
    """A browser that was started, with the folder that was made for it alone."""

    process: subprocess.Popen[bytes]
    profile: str


class Opener:
    """Opens pages the way this desktop wants it; keeps what it started until that ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: list[Started] = []

    def describe(self) -> str:
        """How pages are opened here, for a person."""
        if self._settings.recorder:
            return f"recorder ({self._settings.recorder})"
        if self._settings.opener:
            return f"{Path(self._settings.opener[0]).name} (settings)"
        return "browser"

    def open(self, address: str, browser: str) -> None:
        """Open an address in the browser of this id, else in the default one; raises NotOpened."""
        self.tidy()
        if self._settings.recorder:
            line = json.dumps({"address": address, "browser": browser, "at": time.time()})
            try:
                with Path(self._settings.recorder).open("a", encoding="utf-8") as file:
                    file.write(line + "\n")
            except OSError as error:
                raise NotOpened(_("The recorder's file can't be written: {why}").format(why=error)) from error
            return
        if self._settings.opener:
            profile = (
                tempfile.mkdtemp(prefix="nutshellpbx-")
                if "{profile}" in "".join(self._settings.opener)
                else ""
            )
            parts = (part.replace("{profile}", profile) for part in self._settings.opener)
            self._start([address if part == "{address}" else part for part in parts], profile)
            return
        chosen = next((one for one in find_installed() if browser and one.id == browser), None)
        if chosen:
            self._start([*chosen.argv, address])
        elif sys.platform == "win32":
            try:
                os.startfile(address)
            except OSError as error:
                raise NotOpened(_("Windows has no browser for it: {why}").format(why=error)) from error
        else:
            self._start(["/usr/bin/open" if sys.platform == "darwin" else "xdg-open", address])

    def tidy(self) -> int:
        """Forget browsers that ended, and their profiles; returns how many still run."""
        for started in [one for one in self._running if one.process.poll() is not None]:
            self._running.remove(started)
            if started.profile:
                shutil.rmtree(started.profile, ignore_errors=True)
        return len(self._running)

    def _start(self, argv: Sequence[str], profile: str = "") -> None:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise NotOpened(
                _("{program} can't be started: {why}").format(program=argv[0], why=error.strerror)
            ) from error
        self._running.append(Started(process, profile))
        with suppress(subprocess.TimeoutExpired):
            if process.wait(FAILS_WITHIN_S) != 0:
                raise NotOpened(
                    _("{program} says that it could not (code {code}).").format(
                        program=argv[0], code=process.returncode
                    )
                )
