"""What a vendor asks the admin for: declared once, so that the dashboard builds the form from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FieldKind(StrEnum):
    """How a field is entered and checked."""

    TEXT = "text"
    HOST = "host"
    PORT = "port"
    ADDRESS = "address"
    SECRET = "secret"
    CHOICE = "choice"
    FLAG = "flag"
    NETWORKS = "networks"
    PHONE_SYSTEM = "phone_system"  # the id of another phone system that is entered here


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a phone system's or CRM's configuration.

    `label` and `help` are untranslated messages (the dashboard translates them). A field of kind SECRET is
    sealed in the vault and never shown again.
    """

    name: str
    label: str
    kind: FieldKind = FieldKind.TEXT
    help: str = ""
    default: str = ""
    required: bool = True
    choices: tuple[tuple[str, str], ...] = ()
    max_length: int = 200

    @property
    def is_secret(self) -> bool:
        return self.kind is FieldKind.SECRET


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a probe: what was tried, whether it worked, how long it took, what to do if not."""

    name: str
    ok: bool
    text: str = ""
    next_step: str = ""
    took_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of asking a phone system or a CRM whether it can be reached and what it is."""

    checks: tuple[Check, ...]
    facts: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)
