"""Each rule on a made-up line that breaks it, and on a neighbour that does not: no rule that cannot fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture import rules
from tests.architecture.house import Source, find_texts, read_registry

Rule = Callable[[list[Source]], Iterator[str]]


def find_impurities(sources: list[Source]) -> Iterator[str]:
    return rules.find_impurities(sources, sys.stdlib_module_names)


def find_vendor_questions(sources: list[Source]) -> Iterator[str]:
    return rules.find_vendor_questions(sources, ["asterisk", "nutshell"])


BREACHES: list[tuple[Rule, str, str]] = [
    (rules.find_upward_imports, "nutshellpbx/pbx/models.py", "from nutshellpbx.calls import flow"),
    (
        rules.find_upward_imports,
        "nutshellpbx/pbx/models.py",
        "def f():\n    import nutshellpbx.people.models",
    ),
    (rules.find_upward_imports, "nutshellpbx/pbx/models.py", "import_module('nutshellpbx.calls.flow')"),
    (rules.find_upward_imports, "nutshellpbx/pbx/models.py", "from ..calls import flow"),
    (rules.find_upward_imports, "nutshellpbx/phone.py", "from . import doorbell"),
    (rules.find_upward_imports, "nutshellpbx/journal/outbox.py", "from nutshellpbx.desktop import mailbox"),
    (rules.find_upward_imports, "nutshellpbx/calls/flow.py", "from nutshellpbx import settings"),
    (rules.find_upward_imports, "nutshellpbx/client/main.py", "from nutshellpbx import faults"),
    (rules.find_upward_imports, "nutshellpbx/lab/demo.py", "from nutshellpbx.calls import models"),
    (rules.find_upward_imports, "nutshellpbx/attic.py", "from nutshellpbx import wire"),
    (rules.find_upward_imports, "nutshellpbx/ops/health.py", "from nutshellpbx import attic"),
    (rules.find_side_doors, "nutshellpbx/calls/flow.py", "import requests"),
    (rules.find_side_doors, "nutshellpbx/calls/flow.py", "from redis.asyncio import Redis"),
    (rules.find_side_doors, "nutshellpbx/outbound/connections.py", "import redis"),
    (rules.find_side_doors, "nutshellpbx/calls/flow.py", "from celery import shared_task"),
    (rules.find_side_doors, "nutshellpbx/people/links.py", "from cryptography.fernet import Fernet"),
    (rules.find_side_doors, "nutshellpbx/calls/apps.py", "from django.dispatch import receiver"),
    (rules.find_side_doors, "nutshellpbx/calls/flow.py", "import os\nos.environ['X']"),
    (rules.find_side_doors, "nutshellpbx/calls/flow.py", "from os import getenv"),
    (rules.find_side_doors, "nutshellpbx/asgi.py", "import os\nos.environ['X']"),
    (find_impurities, "nutshellpbx/calls/states.py", "from django.utils import timezone"),
    (find_impurities, "nutshellpbx/pbx/asterisk/protocol.py", "import socket"),
    (find_impurities, "nutshellpbx/wire.py", "import phonenumbers"),
    (find_impurities, "nutshellpbx/phone.py", "from datetime import datetime\ndatetime.now()"),
    (find_impurities, "nutshellpbx/crm/match.py", "open('x')"),
    (find_vendor_questions, "nutshellpbx/calls/flow.py", "if kind == 'asterisk': pass"),
    (find_vendor_questions, "nutshellpbx/crm/lookup.py", "if crm.kind in ('nutshell', 'x'): pass"),
    (find_vendor_questions, "nutshellpbx/crm/lookup.py", "match kind:\n    case 'nutshell': pass"),
    (rules.find_swallowed, "nutshellpbx/calls/flow.py", "try: f()\nexcept Exception: pass"),
    (rules.find_swallowed, "nutshellpbx/calls/flow.py", "try: f()\nexcept: log.info('x')"),
    (rules.find_swallowed, "nutshellpbx/calls/flow.py", "with suppress(Exception): f()"),
]
FINE: list[tuple[Rule, str, str]] = [
    (rules.find_upward_imports, "nutshellpbx/calls/flow.py", "from nutshellpbx.pbx import events"),
    (rules.find_upward_imports, "nutshellpbx/calls/flow.py", "from nutshellpbx import __version__"),
    (
        rules.find_upward_imports,
        "nutshellpbx/calls/flow.py",
        "from .models import Call\nfrom . import states",
    ),
    (rules.find_upward_imports, "nutshellpbx/asgi.py", "from nutshellpbx.vault import keys"),
    (rules.find_upward_imports, "nutshellpbx/client/main.py", "from nutshellpbx import wire, redact"),
    (rules.find_upward_imports, "nutshellpbx/lab/demo.py", "from nutshellpbx.phone import parse"),
    (rules.find_side_doors, "nutshellpbx/outbound/connections.py", "import requests"),
    (rules.find_side_doors, "nutshellpbx/journal/tasks.py", "from celery import shared_task"),
    (rules.find_side_doors, "nutshellpbx/asgi.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'x')"),
    (rules.find_side_doors, "nutshellpbx/settings.py", "import os\nos.environ.get('X')"),
    (find_impurities, "nutshellpbx/phone.py", "import phonenumbers, re"),
    (find_impurities, "nutshellpbx/calls/flow.py", "from django.utils import timezone\ntimezone.now()"),
    (find_vendor_questions, "nutshellpbx/crm/nutshell/api.py", "if kind == 'nutshell': pass"),
    (find_vendor_questions, "nutshellpbx/calls/flow.py", "kinds = {'nutshell': 1}"),
    (rules.find_swallowed, "nutshellpbx/calls/tasks.py", "try: f()\nexcept Exception: logger.exception('x')"),
    (rules.find_swallowed, "nutshellpbx/calls/flow.py", "try: f()\nexcept KeyError: pass"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_breach_is_found(rule: Rule, path: str, text: str) -> None:
    found = list(rule([Source(path, text)]))
    assert len(found) == 1 and found[0].startswith(f"{path}:")


@pytest.mark.parametrize(("rule", "path", "text"), FINE)
def test_neighbour_passes(rule: Rule, path: str, text: str) -> None:
    assert not list(rule([Source(path, text)]))


def test_long_file_is_found_and_a_long_migration_is_not() -> None:
    long = "\n" * 401
    texts = [("nutshellpbx/a.py", long), ("nutshellpbx/x/migrations/0001.py", long), ("nutshellpbx/b.py", "")]
    assert [line.split()[0] for line in rules.find_long_files(texts)] == ["nutshellpbx/a.py"]


def test_vague_names_are_found() -> None:
    paths = ["nutshellpbx/calls/utils.py", "nutshellpbx/common/__init__.py", "nutshellpbx/calls/flow.py"]
    classes = "class CallManager: pass\nclass UserManager(models.Manager): pass\nclass Call: pass"
    found = list(rules.find_vague_names(paths, [Source("nutshellpbx/calls/models.py", classes)]))
    assert len(found) == 3 and "CallManager" in found[-1]


def test_marks_of_unfinished_work_are_found() -> None:
    texts = [("a.md", "TO" + "DO later"), ("b.py", "# FIX" + "ME"), ("c.md", "methodology, todo list")]
    assert [line.split(":")[0] for line in rules.find_left_overs(texts)] == ["a.md", "b.py"]


@pytest.mark.parametrize(
    "text",
    [
        "see /wor" + "k/shared/DESIGN.md",
        "cd /roo" + "t/x",
        "https://pyp" + "i.org/simple",
        "http://deb.debia" + "n.org/debian",
        "https://files.pythonhoste" + "d.org/x",
    ],
)
def test_places_of_one_machine_are_found(text: str) -> None:
    assert len(list(rules.find_other_places([("README.md", text)]))) >= 1
    assert not list(
        rules.find_other_places([("README.md", "from PyPI; on Debian; the root folder; homework/main")])
    )


def test_vendor_questions_of_pages_are_found() -> None:
    asks = ("nutshellpbx/dashboard/templates/x.html", 'a\n{% if pbx.kind == "asterisk" %}')
    fine = ("nutshellpbx/dashboard/templates/y.html", '<i class="asterisk">{% if user %}')
    found = list(rules.find_vendor_questions_of_pages([asks, fine], ["asterisk"]))
    assert found == ["nutshellpbx/dashboard/templates/x.html:2 asks whether it is asterisk"]


def test_what_tools_made_is_not_read(tmp_path: Path) -> None:
    for name in (
        "nutshellpbx/a.py",
        ".venv/lib/b.py",
        "build/c.py",
        "nutshellpbx/__pycache__/d.py",
        ".ci/run",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [path for path, _ in find_texts(tmp_path)] == [".ci/run", "nutshellpbx/a.py"]


def test_registry_that_is_no_literal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("KINDS: dict = {'x': 'a.b.C'}\nMADE = dict(x=1)\n")
    assert read_registry(tmp_path, "a.py", "KINDS") == {"x": "a.b.C"}
    with pytest.raises((ValueError, AssertionError)):
        read_registry(tmp_path, "a.py", "MADE")
    with pytest.raises(AssertionError):
        read_registry(tmp_path, "a.py", "NOT_THERE")
