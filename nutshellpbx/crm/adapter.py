"""The port to a CRM, and the list of the kinds that we know.

Everything here speaks in cards, drafts and refs; the vendor's words stay in the vendor's folder. Every method
may raise a Fault and nothing else. Adding a CRM is one folder, one line in ADAPTERS, one folder of recordings
and one line in the README.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from typing import Any, Protocol

from nutshellpbx.faults import Denied, TryLater
from nutshellpbx.fields import Field, Probe
from nutshellpbx.phone import PhoneNumber
from nutshellpbx.redact import Secret

#: kind -> where its adapter class lives. Literal on purpose: the whole list can be read here.
ADAPTERS: Mapping[str, str] = {
    "nutshell": "nutshellpbx.crm.nutshell.adapter.NutshellAdapter",
}


class SignInRefused(Denied):
    """The CRM does not take this e-mail and key: this sign-in is used no more until it is entered again."""


class SlowDown(TryLater):
    """The CRM asks for fewer requests (429): this one was not carried out, and nothing is wrong with it."""


class Table(StrEnum):
    """The tables that Contact Lookup may search, by their familiar names."""

    CONTACTS = "contacts"  # people
    ACCOUNTS = "accounts"  # companies


@dataclass(frozen=True, slots=True)
class CrmConfig:
    """What an adapter needs to know of its CRM."""

    id: str
    name: str
    kind: str
    settings: Mapping[str, str]  # by field name; `address` is the CRM's base address
    country: str = "US"


@dataclass(frozen=True, slots=True)
class SignIn:
    """An opened sign-in; exists only inside a worker's call and is never stored, logged or passed on."""

    email: str
    key: Secret


@dataclass(frozen=True, slots=True)
class CardNumber:
    """A number as the CRM holds it: the text as written, the CRM's own E.164 form if any, its label."""

    raw: str
    e164: str = ""
    label: str = ""
    extension: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """An address to open, in parts; the desktop client encodes and joins them, never a ready string."""

    origin: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    fragment: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What a CRM knows of a caller: a person (CONTACTS) or a company (ACCOUNTS)."""

    table: Table
    id: str  # the CRM's own id, e.g. "23-contacts"
    name: str
    company: str = ""
    job_title: str = ""
    numbers: tuple[CardNumber, ...] = ()
    page: Page | None = None
    owner: str = ""  # the CRM's id of the record's owner
    last_contacted_at: datetime | None = None
    links: tuple[str, ...] = ()  # ids of companies of a person, of people of a company


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """Which user the CRM takes a sign-in for; `user_id` is empty when it names none."""

    user_id: str
    name: str
    email: str
    instance_id: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What shall be written: a note's text (the marker is added by the adapter) bound to a record."""

    card_id: str
    table: Table
    text: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Ref:
    """Where something stands in the CRM."""

    id: str
    page: Page | None = None


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """A note as read back from the CRM."""

    ref: Ref
    text: str
    parent_id: str
    deleted: bool = False


class WayOutcome(StrEnum):
    """What one way of searching says: absent only when it saw everything that could be there."""

    FOUND = "found"
    ABSENT = "absent"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class WayAnswer:
    """The answer of one way of searching for a note; `reason` says why it is unanswered."""

    way: str
    outcome: WayOutcome
    refs: tuple[Ref, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NewContact:
    """A person to be created: name and number (E.164 where it could be read)."""

    name: str
    number: str
    email: str = ""
    description: str = ""
    company_id: str = ""


@dataclass(frozen=True, slots=True)
class CannotAmend:
    """The CRM does not let a written note be changed; `reason` says so for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class ContactPage:
    """One page of a listing for the index; `cursor` resumes after it, `total` is the CRM's own count."""

    cards: tuple[Card, ...]
    cursor: str
    total: int | None = None


class Adapter(Protocol):
    """What every CRM's adapter offers."""

    kind: str
    label: str
    fields: Sequence[Field]
    tables: Sequence[Table]
    #: Called before each request that this adapter sends, for who keeps a budget of them; else None.
    before_request: Callable[[], None] | None

    def __init__(self, config: CrmConfig) -> None: ...

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins (scheme://host[:port]) that a sign-in may be sent to and pages may be opened on."""
        ...

    def probe(self, as_: SignIn | None) -> Probe:
        """Try to reach the CRM, check by check; never raises for one that is away or refuses."""
        ...

    def who_am_i(self, as_: SignIn) -> WhoAmI:
        """Whom the CRM takes this sign-in for; `SignInRefused` when it does not take it."""
        ...

    def find(
        self, number: PhoneNumber, tables: Sequence[Table], as_: SignIn, deadline_s: float
    ) -> list[Card]:
        """The records with this number by the CRM's own live search, compared again here, in table order.

        An empty list means that all of them were searched; `TryLater` that they were not.
        """
        ...

    def contacts(self, table: Table, cursor: str, as_: SignIn) -> Iterator[ContactPage]:
        """All records of a table page by page, from a cursor on ("" = the beginning)."""
        ...

    def create_contact(self, contact: NewContact, as_: SignIn) -> Card: ...

    def write(self, draft: Draft, marker: str, as_: SignIn) -> Ref:
        """Write a note, the marker its last line, once; TryLater.may_have_happened tells an unclear end."""
        ...

    def find_written(
        self,
        marker: str,
        card_id: str,
        since: datetime,
        as_: SignIn,
        heard: Callable[[WayAnswer], None] | None = None,
    ) -> list[Ref]:
        """Every note that carries the marker; raises TryLater when no way of searching answered.

        `since` is by our clock, well before the note can have been written. `heard` is told the answer of
        each way that was asked, whatever comes of it.
        """
        ...

    def find_many(
        self,
        markers: Collection[str],
        since: datetime,
        as_: SignIn,
        heard: Callable[[WayAnswer], None] | None = None,
    ) -> dict[str, list[Ref]]:
        """The notes of many markers in as few requests as possible; raises TryLater when nothing answered.

        A marker whose list is empty is not to be found; one that is not in the answer was not told of.
        """
        ...

    def notes_since(self, since: datetime, as_: SignIn) -> Iterator[Sequence[WrittenNote]]:
        """Everybody's notes since then as they stand now, page by page, deleted ones perhaps among them.

        Ends when all were given; raises TryLater when some could not be, for the proof then asks one by one.
        """
        ...

    def read(self, ref: Ref, as_: SignIn) -> WrittenNote | None:
        """The note as it stands there now; None when the CRM says that it is not there."""
        ...

    def amend(self, ref: Ref, draft: Draft, marker: str, as_: SignIn) -> Ref | CannotAmend: ...

    def remove(self, ref: Ref, as_: SignIn) -> None: ...

    def page_of(self, card: Card) -> Page:
        """The record's own page."""
        ...

    def new_contact_page(self, number: str, name: str) -> Page | None:
        """The CRM's own form for a new contact, where the admin entered an address that works; else None."""
        ...


def get_adapter_class(kind: str) -> type[Any]:
    """The adapter class of a kind; raises KeyError for a kind that is not in ADAPTERS."""
    module_name, _, class_name = ADAPTERS[kind].rpartition(".")
    found: type[Any] = getattr(import_module(module_name), class_name)
    return found
