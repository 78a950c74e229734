"""What opens pages on this machine: its browser, headless where there is no screen, or a recorder."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

#: Browsers that can open a page without a screen, by their usual names.
HEADLESS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "chrome",
)
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """An opener: its name for people, and NUTSHELLPBX_CLIENT_OPENER for the client."""

    name: str
    setting: str
    is_browser: bool


def choose_opener(folder: Path, *, has_screen: bool) -> Chosen:
    """The opener to use here; the recorder (a file) when there is no browser at all."""
    if has_screen or sys.platform in {"darwin", "win32"}:
        return Chosen("this machine's browser", "browser", True)
    for name in HEADLESS:
        if path := shutil.which(name):
            argv = [
                path,
                *FLAGS,
                *_as_root(),
                "--user-data-dir={profile}",
                "--dump-dom",
                "{address}",
            ]
            return Chosen(f"{name}, headless", json.dumps(argv), True)
    return recorder(folder / "opened.txt")


def recorder(file: Path) -> Chosen:
    """No browser: the addresses are written into a file."""
    return Chosen("recorder", f"recorder:{file}", False)


def _as_root() -> tuple[str, ...]:
    """Chromium's sandbox cannot run as root; a demo as root opens pages of this machine alone."""
    return ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
