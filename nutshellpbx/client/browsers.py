"""Which browsers this desktop has, and how each is started with an address."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Installed:
    """A browser: its id and name for the server, and the argv that an address is added to."""

    id: str
    label: str
    argv: tuple[str, ...]


#: id, label, program names on Linux, application names on macOS, names in the registry of Windows.
KNOWN: tuple[tuple[str, str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    ("firefox", "Firefox", ("firefox", "firefox-esr"), "Firefox", ("Firefox",)),
    (
        "chrome",
        "Google Chrome",
        ("google-chrome-stable", "google-chrome"),
        "Google Chrome",
        ("Google Chrome",),
    ),
    ("chromium", "Chromium", ("chromium", "chromium-browser"), "Chromium", ("Chromium",)),
    (
        "edge",
        "Microsoft Edge",
        ("microsoft-edge-stable", "microsoft-edge"),
        "Microsoft Edge",
        ("Microsoft Edge",),
    ),
    ("brave", "Brave", ("brave-browser", "brave"), "Brave Browser", ("Brave",)),
    ("vivaldi", "Vivaldi", ("vivaldi-stable", "vivaldi"), "Vivaldi", ("Vivaldi",)),
    ("opera", "Opera", ("opera",), "Opera", ("Opera", "OperaStable")),
    ("safari", "Safari", (), "Safari", ()),
)


def find_installed() -> tuple[Installed, ...]:
    """The browsers of this desktop."""
    if sys.platform == "win32":
        return _on_windows()
    if sys.platform == "darwin":
        return _on_mac()
    return tuple(
        Installed(uid, label, (path,))
        for uid, label, programs, _application, _registered in KNOWN
        for path in [next(filter(None, map(shutil.which, programs)), None)]
        if path
    )


def _on_mac() -> tuple[Installed, ...]:
    folders = (Path("/Applications"), Path("/System/Applications"), Path.home() / "Applications")
    return tuple(
        Installed(uid, label, ("/usr/bin/open", "-a", str(app)))
        for uid, label, _programs, application, _registered in KNOWN
        for app in [
            next((f / f"{application}.app" for f in folders if (f / f"{application}.app").is_dir()), None)
        ]
        if app
    )


def _on_windows() -> tuple[Installed, ...]:
    if sys.platform != "win32":  # for the type checker: `winreg` exists there only
        return ()
    import winreg

    programs: dict[str, str] = {}
    for root in (winreg.HKEY_LOCAL_MACHINE, winreg.HKEY_CURRENT_USER):
        try:
            with winreg.OpenKey(root, r"Software\Clients\StartMenuInternet") as clients:
                for place in range(winreg.QueryInfoKey(clients)[0]):
                    name = winreg.EnumKey(clients, place)
                    with winreg.OpenKey(clients, rf"{name}\shell\open\command") as key:
                        command = str(winreg.QueryValue(key, "")).strip()
                    # `"C:\…\firefox.exe"`, at times with switches after it: the program alone counts.
                    program = command.split('"')[1] if command.startswith('"') else command
                    if Path(program).is_file():
                        programs[name] = program
        except OSError:
            continue
    return tuple(
        Installed(uid, label, (program,))
        for uid, label, _programs, _application, registered in KNOWN
        for program in [next((path for name, path in programs.items() if name.startswith(registered)), None)]
        if registered and program
    )
