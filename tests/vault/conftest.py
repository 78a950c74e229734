"""Keys in a folder of the test's own, and real processes that use them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx.vault import pairs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def keys_dir(settings: Any, tmp_path: Path) -> Path:
    """A fresh set of key pairs; this process plays the worker."""
    settings.NUTSHELLPBX_KEYS_DIR = tmp_path / "keys"
    settings.NUTSHELLPBX_CREDENTIALS_DIR = ""
    settings.NUTSHELLPBX_ROLE = "worker"
    pairs.make_missing()
    return tmp_path / "keys"


class Home:
    """A data folder with a database and keys of its own, for processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"

    def environment(self, role: str = "manage", **more: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("NUTSHELLPBX_") and name not in ("DATABASE_URL", "CREDENTIALS_DIRECTORY")
        }
        return kept | {
            "NUTSHELLPBX_DIR": str(self.folder),
            "NUTSHELLPBX_ROLE": role,
            "DJANGO_SETTINGS_MODULE": "nutshellpbx.settings",
            "PYTHONPATH": str(ROOT),
            **more,
        }

    def start(self, *arguments: str, role: str = "manage", **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(role, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, role: str = "manage", **more: str) -> tuple[int, str, str]:
        """Run a process to its end: its exit code, what it wrote, what it complained about."""
        with self.start(*arguments, role=role, **more) as process:
            out, complaint = process.communicate(timeout=120)
            return process.returncode, out, complaint

    def manage(self, *arguments: str, **more: str) -> str:
        code, out, complaint = self.run("manage.py", *arguments, **more)
        assert code == 0, complaint
        return out

    def script(self, text: str, role: str = "manage", **more: str) -> tuple[int, str, str]:
        """Run lines of Python in a process of a role, with Django set up."""
        return self.run("-c", f"import django\ndjango.setup()\n{text}", role=role, **more)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def seal_many() -> Callable[..., str]:
    """A script that seals rows for the CRM, each with a secret that tells its number."""

    def script(count: int) -> str:
        return (
            "from django.db import transaction\n"
            "from nutshellpbx.vault import safe\n"
            "with transaction.atomic():\n"
            f"    for number in range({count}):\n"
            "        safe.seal(purpose='crm', secret=f'key-{number:06d}', bound_to=f'owner-{number}',"
            " origins=['https://crm.test'])\n"
        )

    return script
