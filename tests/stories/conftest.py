"""The practice office of the stories; what a passed test has shown goes into a list for the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nutshellpbx.crm import signin
from nutshellpbx.crm.adapter import ADAPTERS
from tests.stories import book, shown
from tests.stories.stage import Clock, Stage, build


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "story(number, stage): shows a story of the table at a stage")
    shown.begin()


def pytest_sessionfinish() -> None:
    shown.write()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", clock)
    return clock


@pytest.fixture
def make_stage(db: None, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stage]]:
    """Makes the office; the CRM is the book, whose sign-in needs no key."""
    monkeypatch.setitem(ADAPTERS, book.KIND, book.WHERE)
    monkeypatch.setattr(book, "BOOK", book.Book())
    monkeypatch.setattr(signin, "open_sign_in", lambda **_credential: object())
    yield lambda kind="asterisk", **more: build(kind=kind, clock=clock, **more)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call" and report.passed:
        for mark in item.iter_markers("story"):
            shown.note(story=mark.args[0], stage=mark.args[1], test=item.nodeid)
    return report
