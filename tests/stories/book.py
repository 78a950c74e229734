"""A CRM that is a little book of names: it answers at once, counts how often it was asked, and can be made to
wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nutshellpbx.crm.adapter import Card, CardNumber, CrmConfig, Page, Table
from nutshellpbx.faults import TryLater

KIND = "book"
WHERE = "tests.stories.book.BookAdapter"
ORIGIN = "https://book.example"


@dataclass
class Book:
    """Numbers and names; `while_asked` is called in the middle of each search."""

    names: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    is_away: bool = False
    while_asked: Callable[[], None] | None = None


BOOK = Book()


class BookAdapter:
    """The adapter to the book; it writes nothing."""

    kind = KIND
    label = "Book"
    fields: Sequence[Any] = ()
    tables = (Table.CONTACTS, Table.ACCOUNTS)
    origins = (ORIGIN,)

    def __init__(self, config: CrmConfig) -> None:
        self.config = config

    def find(self, number: Any, tables: Any, as_: Any, deadline_s: float) -> list[Card]:
        BOOK.asked.append(number.e164)
        if BOOK.while_asked is not None:
            BOOK.while_asked()
        if BOOK.is_away:
            raise TryLater("The book is closed", "It opens again by itself.")
        return [
            Card(Table.CONTACTS, f"{place}-{name}", name, numbers=(CardNumber(number.e164, number.e164),))
            for place, name in enumerate(BOOK.names.get(number.e164, []))
        ]

    def page_of(self, card: Card) -> Page:
        return Page(ORIGIN, f"/person/{card.id}")

    def new_contact_page(self, number: str, name: str) -> Page | None:
        return None
