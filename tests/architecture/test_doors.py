"""One door to each dependency; pure files are pure; vendors stay in their folders."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.house import ROOT, find_sources, find_texts, read_registry
from tests.architecture.rules import (
    PURE,
    demand_none,
    find_impurities,
    find_side_doors,
    find_swallowed,
    find_vendor_questions,
    find_vendor_questions_of_pages,
)

KINDS = sorted(
    read_registry(ROOT, "nutshellpbx/pbx/connector.py", "CONNECTORS").keys()
    | read_registry(ROOT, "nutshellpbx/crm/adapter.py", "ADAPTERS").keys()
)


def run_python(code: str) -> str:
    """What a fresh Python without our settings prints for this code; fails with its last words."""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


def test_every_dependency_has_one_door() -> None:
    demand_none(find_side_doors(find_sources(ROOT, "nutshellpbx")))


def test_pure_files_are_pure() -> None:
    demand_none(find_impurities(find_sources(ROOT, "nutshellpbx"), sys.stdlib_module_names))


def test_pure_files_pull_no_django_in_behind_them() -> None:
    paths = [path.relative_to(ROOT) for pattern in PURE for path in ROOT.glob(pattern)]
    assert len(paths) >= 5
    names = [".".join(path.with_suffix("").parts) for path in paths]
    heavy = "{'django', 'requests', 'redis', 'celery', 'cryptography'}"
    code = f"import sys\nimport {', '.join(names)}\nprint(*sorted({heavy} & sys.modules.keys()))"
    assert run_python(code).strip() == ""


def test_client_leaves_django_out() -> None:
    code = (
        "import importlib, pkgutil, sys\nimport nutshellpbx.client as client\n"
        "for found in pkgutil.walk_packages(client.__path__, 'nutshellpbx.client.'):\n"
        "    if not found.name.endswith('.__main__'):\n        importlib.import_module(found.name)\n"
        "print(*sorted({'django', 'celery', 'redis', 'cryptography', 'phonenumbers'} & sys.modules.keys()))"
    )
    # The system's key store may bring cryptography along; that is its own affair.
    assert set(run_python(code).split()) <= {"cryptography"}


def test_no_question_for_a_vendor_outside_its_folder() -> None:
    demand_none(find_vendor_questions(find_sources(ROOT, "nutshellpbx"), KINDS))
    demand_none(find_vendor_questions_of_pages(find_texts(ROOT), KINDS))


def test_no_exception_is_swallowed() -> None:
    demand_none(find_swallowed(find_sources(ROOT, "nutshellpbx")))
