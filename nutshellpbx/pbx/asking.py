"""What a phone system may ask us about its callers, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nutshellpbx.pbx.connector import HookRequest


@dataclass(frozen=True, slots=True)
class Question:
    """`what` is "lookup" (number), "email", "search" (text) or "create" (name, number, email, company)."""

    what: str
    number: str = ""
    email: str = ""
    text: str = ""
    name: str = ""
    company: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """A record as a phone system is told of it; `url` is an address of ours that stays the same."""

    id: str
    type: str
    name: str
    url: str
    phone: str = ""
    company: str = ""
    title: str = ""
    email: str = ""
    is_company: bool = False


class Asking(Protocol):
    """The part of a connector whose phone system asks who somebody is."""

    def read_question(self, what: str, request: HookRequest) -> Question:
        """The question of a verified request; raises `Rejected` whose detail names the bad field."""
        ...

    def answer(self, what: str, state: str, contacts: Sequence[Contact]) -> Mapping[str, Any]:
        """The body of the answer; `state` is found, not_found, not_asked, never or asked."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a phone system that we have a template for."""

    name: str
    label: str
    file_name: str


class Templated(Protocol):
    """The part of a connector whose phone system loads a template that we write."""

    versions: Sequence[Version]

    def template(self, *, version: str, address: str, key: str) -> bytes:
        """The template of a version with this box's address and the phone system's key; KeyError for an
        unknown version.
        """
        ...
