"""How each record looks in an answer of the older JSON-RPC interface: labels are keys, links are stubs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from nutshellpbx.lab.nutshell.records import Company, Labelled, Note, Person, Phone, User, number_of, type_of
from nutshellpbx.lab.nutshell.shapes import Shapes, page_path, phone_shape
from nutshellpbx.lab.nutshell.store import ACCOUNT_TYPES

PRIMARY = "--primary"
# What the REST side calls a value that nobody labelled; here it gets a number as its key.
_UNLABELLED = frozenset({"", "phone", "email", "url", "address"})
# Not in the captures of this interface, only in the newer REST description.
_REST_ONLY = "countryCodeAndNumber"


def time_text(at: int) -> str:
    """A moment as this interface writes it, ``2026-03-02T10:15:00+0000``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def rev_of(record: Any) -> str:
    """The opaque mark of a record's version: "0" until it is changed."""
    modified_at = getattr(record, "modified_at", 0) or record.created_at
    return str(max(0, modified_at - record.created_at))


class RpcShapes:
    """Writes records as JSON-RPC gives them, over the same store and address as the REST side."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._store = shapes.store

    def person(self, person: Person, *, notes: Iterable[Note]) -> dict[str, Any]:
        """A full contact with these notes."""
        companies = (self._store.companies[number] for number in person.company_ids)
        return {
            **self._head(person, "Contacts"),
            "name": {
                "givenName": person.given,
                "familyName": person.family,
                "salutation": "",
                "displayName": person.name,
            },
            "htmlUrl": self._shapes.address + page_path(person),
            "creator": self._user_stub(person.creator_id),
            "owner": self._user_stub(person.owner_id),
            "leads": [],
            "accounts": [
                self._stub(company, "Accounts") | {"regions": None, "relationship": person.title}
                for company in companies
            ],
            "notes": [self.note(note) for note in notes],
            "lastContactedDate": None if person.contacted_at is None else time_text(person.contacted_at),
            "contactedCount": 0 if person.contacted_at is None else 1,
            "tags": list(person.tags),
            "description": person.about,
            **_values(person),
        }

    def company(self, company: Company, *, notes: Iterable[Note]) -> dict[str, Any]:
        """A full account with these notes."""
        people = (self._store.people[number] for number in company.person_ids)
        return {
            **self._head(company, "Accounts"),
            "name": company.name,
            "htmlUrl": self._shapes.address + page_path(company),
            "accountType": {"id": company.type_id, "name": ACCOUNT_TYPES[company.type_id]},
            "industry": None,
            "creator": self._user_stub(company.creator_id),
            "owner": self._user_stub(company.owner_id),
            "tags": list(company.tags),
            "lastContactedDate": None if company.contacted_at is None else time_text(company.contacted_at),
            "contacts": [
                self._stub(person, "Contacts") | {"jobTitle": f"{person.title or ''}, {company.name}"}
                for person in people
            ],
            "description": company.about,
            "notes": [self.note(note) for note in notes],
            "leads": [],
            **_values(company),
        }

    def note(self, note: Note) -> dict[str, Any]:
        """A note with its record under the name of the record's kind."""
        table = type_of(note.parent_id)
        parent = self._store.find(table, note.parent_id)
        shape: dict[str, Any] = {
            "id": note.id,
            "rev": "0",
            "entityType": "Notes",
            "createdTime": time_text(note.created_at),
            "note": note.markup,
            "noteMarkup": note.markup,
            "noteHtml": self._shapes.note_html(note),
            "user": self._user_stub(note.author_id),
            "originId": number_of(note.author_id, "origins"),
            "date": time_text(note.created_at),
        }
        if isinstance(parent, Person):
            shape["contact"] = self._stub(parent, "Contacts") | {"jobTitle": parent.title or ""}
        elif isinstance(parent, Company):
            shape["account"] = self._stub(parent, "Accounts")
        return shape

    def user(self, user: User) -> dict[str, Any]:
        """A full user."""
        words = user.name.split()
        return {
            "id": user.id,
            "entityType": "Users",
            "rev": "0",
            "name": user.name,
            "firstName": words[0] if words else "",
            "lastName": words[-1] if words[1:] else "",
            "isEnabled": user.is_enabled,
            "isAdministrator": user.is_administrator,
            "emails": list(user.emails),
            "modifiedTime": time_text(user.modified_at),
            "createdTime": time_text(0),
        }

    def _head(self, record: Person | Company, kind: str) -> dict[str, Any]:
        return {
            "id": record.id,
            "entityType": kind,
            "rev": rev_of(record),
            "modifiedTime": time_text(record.modified_at),
            "createdTime": time_text(record.created_at),
        }

    def _stub(self, record: Person | Company, kind: str) -> dict[str, Any]:
        return {"stub": True, **self._head(record, kind), "name": record.name}

    def _user_stub(self, actor_id: str | None) -> dict[str, Any] | None:
        user = self._store.find_user(actor_id)
        if user is None:
            return None
        return {
            "stub": True,
            "id": user.id,
            "rev": "0",
            "entityType": "Users",
            "modifiedTime": time_text(user.modified_at),
            "createdTime": time_text(0),
            "name": user.name,
            "emails": list(user.emails),
            "isEnabled": user.is_enabled,
            "isAdministrator": user.is_administrator,
        }


def _values(record: Person | Company) -> dict[str, Any]:
    """Phones, e-mails, web and postal addresses; a kind without a value is absent."""
    kinds: dict[str, dict[str, Any]] = {
        "phone": _by_label(record.phones),
        "email": _by_label(record.emails),
        "url": _by_label(record.urls),
        "address": _by_label(record.addresses),
    }
    return {kind: values for kind, values in kinds.items() if values}


def _by_label(items: Iterable[Phone | Labelled]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for place, item in enumerate(items):
        label = str(place) if item.label in _UNLABELLED or item.label in values else item.label
        values[label] = _phone(item) if isinstance(item, Phone) else item.value
        if item.is_primary:
            values[PRIMARY] = values[label]
    return values


def _phone(phone: Phone) -> dict[str, Any]:
    value: dict[str, Any] = phone_shape(phone)["value"]
    return {name: part for name, part in value.items() if name != _REST_ONLY}
