"""Acts in the book, and a hand that may forge them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from nutshellpbx.audit import book, triggers

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Person:
    """Whoever acts: the book wants an id and an e-mail address, no more."""

    pk = "7d3f0d5e-0f5c-4f43-8d3e-3c6b1b8a0a11"
    email = "ada@example.com"


@pytest.fixture
def write_acts(db: None) -> Callable[..., None]:
    def write(count: int, *, by: Any = Person, start: int = 0) -> None:
        for index in range(start, start + count):
            book.record(
                act="entry.sent_again",
                by=by,
                what=f"entry:{index}",
                detail={"index": index, "why": "“ü\n"},
                now=START + timedelta(seconds=index),
            )

    return write


@pytest.fixture
def forge(db: None) -> Callable[..., None]:
    """Run SQL with the triggers away, as somebody with the whole machine could."""

    def run(*statements: str) -> None:
        with triggers.lifted(connection), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return run
