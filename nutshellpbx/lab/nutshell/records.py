"""The things the practice Nutshell keeps: people, companies, notes, activities, users, keys and events.

Ids are plain integers here; ``23-contacts`` is made where an answer is written. Times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Instances number their records in steps of four (3, 7, 11, …); users and activity types count from 1.
FIRST_ID = 3
ID_STEP = 4

KEY_KINDS = ("impersonation", "api", "forms")


class Phone(NamedTuple):
    """One number of a person or company; an unreadable one has no country code and its text as number."""

    label: str
    country_code: str
    number: str
    extension: str | None
    is_primary: bool

    @property
    def digits(self) -> str:
        """Country code and number, or nothing when the number could not be read."""
        return self.country_code + self.number if self.country_code else ""


class Labelled(NamedTuple):
    """One e-mail address, web address or postal address under its label."""

    label: str
    value: Any
    is_primary: bool


@dataclass(slots=True)
class Person:
    """A contact."""

    id: int
    given: str
    family: str
    title: str | None = None
    about: str | None = None
    company_ids: tuple[int, ...] = ()
    phones: tuple[Phone, ...] = ()
    emails: tuple[Labelled, ...] = ()
    urls: tuple[Labelled, ...] = ()
    addresses: tuple[Labelled, ...] = ()
    tags: tuple[str, ...] = ()
    owner_id: str | None = None
    creator_id: str | None = None
    created_at: int = 0
    modified_at: int = 0
    contacted_at: int | None = None
    deleted_at: int | None = None

    @property
    def name(self) -> str:
        """The name as the CRM shows it."""
        return f"{self.given} {self.family}".strip()


@dataclass(slots=True)
class Company:
    """An account."""

    id: int
    name: str
    about: str | None = None
    person_ids: tuple[int, ...] = ()
    phones: tuple[Phone, ...] = ()
    emails: tuple[Labelled, ...] = ()
    urls: tuple[Labelled, ...] = ()
    addresses: tuple[Labelled, ...] = ()
    tags: tuple[str, ...] = ()
    type_id: int = 1
    industry_id: int | None = None
    owner_id: str | None = None
    creator_id: str | None = None
    created_at: int = 0
    modified_at: int = 0
    contacted_at: int | None = None
    deleted_at: int | None = None


@dataclass(slots=True)
class Note:
    """A note on a person, a company or an activity; ``markup`` may mention users as ``@[Users:1]``."""

    id: int
    parent_id: str
    markup: str
    author_id: str
    created_at: int
    deleted_at: int | None = None


@dataclass(slots=True)
class Activity:
    """A planned or logged activity; a logged call is one of type "Phone Call"."""

    id: int
    name: str
    type_id: int
    starts_at: int
    ends_at: int
    agenda: str = ""
    location: str = ""
    is_logged: bool = False
    is_flagged: bool = False
    is_all_day: bool = False
    is_cancelled: bool = False
    transcription: str | None = None
    user_ids: tuple[str, ...] = ()
    person_ids: tuple[str, ...] = ()
    company_ids: tuple[str, ...] = ()
    lead_ids: tuple[str, ...] = ()
    note_id: int | None = None
    creator_id: str = ""
    logger_id: str | None = None
    created_at: int = 0
    modified_at: int = 0
    logged_at: int | None = None
    deleted_at: int | None = None


@dataclass(slots=True)
class User:
    """Somebody who signs in to the CRM; a restricted one sees only what he owns."""

    id: int
    name: str
    emails: tuple[str, ...]
    is_enabled: bool = True
    is_administrator: bool = False
    is_restricted: bool = False
    may_delete: bool = True
    modified_at: int = 0


@dataclass(slots=True)
class ApiKey:
    """An API key of the instance; its kind says what it may do and under whose name."""

    id: int
    name: str
    secret: str
    kind: str = "impersonation"
    is_revoked: bool = False


@dataclass(slots=True)
class Event:
    """One line of the change feed."""

    id: int
    at: int
    actor_id: str
    payload_id: str
    action: str
    changes: list[dict[str, Any]] = field(default_factory=list)


def api_id(number: int, type_name: str) -> str:
    """Write an id the way the API does, ``23-contacts``."""
    return f"{number}-{type_name}"


def number_of(text: Any, type_name: str) -> int | None:
    """Read an API id of the named type; a bare integer counts too, anything else is None."""
    digits, dash, kind = str(text).strip().partition("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15 or (dash and kind != type_name):
        return None
    return int(digits)


def type_of(text: str) -> str:
    """The type named by an API id, or nothing."""
    return text.partition("-")[2]
