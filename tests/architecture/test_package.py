"""What `pip install nutshellpbx` gets: the client's few dependencies, and every file that pages need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.architecture.house import ROOT
from tests.architecture.rules import demand_none

PARTS = ("pyproject.toml", "README.md", "LICENSE", "nutshellpbx")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel of this source, built offline from a copy."""
    copy: Path = tmp_path_factory.mktemp("package")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(
                ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3")
            )
        else:
            shutil.copy(ROOT / part, copy)
    code = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(copy / "out")], cwd=copy, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ZipFile(next((copy / "out").glob("*.whl")))


def test_plain_install_is_the_client_alone(wheel: ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    needed = Parser().parsestr(wheel.read(name).decode()).get_all("Requires-Dist") or []
    plain = {re.split(r"[<>=~! \[;]", line)[0] for line in needed if "extra ==" not in line}
    assert plain == {"keyring", "platformdirs", "requests"}


def test_wheel_holds_every_file_of_the_package(wheel: ZipFile) -> None:
    inside = (path for path in (ROOT / "nutshellpbx").rglob("*") if path.is_file())
    wanted = {path.relative_to(ROOT).as_posix() for path in inside if "__pycache__" not in path.parts}
    demand_none(sorted(name for name in wanted - set(wheel.namelist()) if not name.endswith(".pyc")))
