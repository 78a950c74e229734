"""Where the client keeps what: a settings file for the person, files of its own for pairing and state."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import asdict, dataclass
from gettext import gettext as _
from pathlib import Path
from typing import Any

import platformdirs

APP = "nutshellpbx"
OPENER_DEFAULT = "browser"


class Unusable(Exception):
    """A file or setting of the client can't be used; the text says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person may set in settings.toml (or, for machines, in the environment).

    `opener` is an argv with "{address}" as one of its parts, for a machine without a screen ("{profile}" in
    it becomes a new folder for each page: two browsers without a screen can't share one); empty means the
    desktop's browsers. `recorder` is a file that gets the addresses instead of a browser (tests).
    `ca_bundle` is a file of certificates to trust instead of the system's. `notify` shows desktop
    notifications.
    """

    opener: tuple[str, ...] = ()
    recorder: str = ""
    ca_bundle: str = ""
    notify: bool = True


@dataclass(frozen=True, slots=True)
class Pairing:
    """With which server this desktop is paired; written by `pair`, `origins` and `unpair`."""

    server: str
    push_url: str
    device: str
    user: str
    name: str
    token_kept_in: str
    ca_bundle: str = ""
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What `run` remembers from one start to the next."""

    device: str = ""
    cursor: int = 0
    seen: tuple[str, ...] = ()
    heard_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Places:
    """The client's files."""

    folder: Path
    settings_file: Path

    @property
    def pairing(self) -> Path:
        return self.folder / "pairing.json"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def token(self) -> Path:
        return self.folder / "token"

    @property
    def lock(self) -> Path:
        return self.folder / "run.lock"


def find_places() -> Places:
    """The client's folder, made with mode 0700: NUTSHELLPBX_CLIENT_DIR, or this system's own place."""
    if chosen := os.environ.get("NUTSHELLPBX_CLIENT_DIR"):
        folder = Path(chosen).resolve()
        settings_file = folder / "settings.toml"
    else:
        folder = platformdirs.user_data_path(APP, appauthor=False)
        settings_file = platformdirs.user_config_path(APP, appauthor=False) / "settings.toml"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        folder.chmod(0o700)
    return Places(folder, settings_file)


def read_settings(places: Places) -> Settings:
    """The settings file, with the environment over it; raises Unusable for what can't be understood.

    NUTSHELLPBX_CLIENT_OPENER is `browser`, `recorder:FILE`, or an argv as JSON; NUTSHELLPBX_CLIENT_CA a file.
    """
    known: dict[str, Any] = {}
    if places.settings_file.exists():
        try:
            known = tomllib.loads(places.settings_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Unusable(
                _("{file} can't be read: {why}").format(file=places.settings_file, why=error)
            ) from error
    opener = known.get("opener", [])
    recorder = known.get("recorder", "")
    if word := os.environ.get("NUTSHELLPBX_CLIENT_OPENER"):
        opener, recorder = [], ""
        if word.startswith("recorder:"):
            recorder = word.removeprefix("recorder:")
        elif word != OPENER_DEFAULT:
            try:
                opener = json.loads(word)
            except ValueError as error:
                raise Unusable(
                    _("NUTSHELLPBX_CLIENT_OPENER is browser, recorder:FILE or a JSON list")
                ) from error
    if not isinstance(opener, list) or not all(isinstance(part, str) and part for part in opener):
        raise Unusable(_("`opener` must be a list of texts"))
    if opener and "{address}" not in opener[1:]:
        raise Unusable(_('`opener` must name a program first, and hold "{address}" as a part of its own'))
    ca_bundle = os.environ.get("NUTSHELLPBX_CLIENT_CA") or known.get("ca_bundle", "")
    notify = known.get("notify", True)
    if not isinstance(ca_bundle, str) or not isinstance(recorder, str) or not isinstance(notify, bool):
        raise Unusable(_("`ca_bundle` and `recorder` are texts, `notify` is true or false"))
    return Settings(opener=tuple(opener), recorder=recorder, ca_bundle=ca_bundle, notify=notify)


def find_pairing(places: Places) -> Pairing | None:
    """The pairing; None when this desktop is not paired; raises Unusable for a broken file."""
    parts = _read(places.pairing)
    if parts is None:
        return None
    try:
        parts["origins"] = tuple(parts.get("origins", ()))
        return Pairing(**parts)
    except TypeError as error:
        raise Unusable(_("{file} is broken. Pair this desktop again.").format(file=places.pairing)) from error


def find_state(places: Places) -> State:
    """What the last run remembered; nothing when there is none, or it can't be read (then it starts anew)."""
    try:
        parts = _read(places.state) or {}
        return State(
            device=str(parts.get("device", "")),
            cursor=int(parts.get("cursor", 0)),
            seen=tuple(str(uid) for uid in parts.get("seen", ())),
            heard_at=float(parts.get("heard_at", 0)),
        )
    except (Unusable, TypeError, ValueError):
        return State()


def keep(path: Path, parts: Pairing | State) -> None:
    """Write a file of the client in one step, readable by its owner alone."""
    write_private(path, json.dumps(asdict(parts), indent=1).encode())


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step; mode 0600 from its first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _read(path: Path) -> dict[str, Any] | None:
    try:
        parts = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Unusable(_("{file} can't be read: {why}").format(file=path, why=error)) from error
    if not isinstance(parts, dict):
        raise Unusable(_("{file} is broken.").format(file=path))
    return parts
