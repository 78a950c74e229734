"""Makes and changes people and companies from what a client wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nutshellpbx.lab.nutshell.errors import Invalid
from nutshellpbx.lab.nutshell.json_patch import Step
from nutshellpbx.lab.nutshell.records import Company, Person
from nutshellpbx.lab.nutshell.store import Store
from nutshellpbx.lab.nutshell.typed_fields import (
    read_labelled,
    read_links,
    read_owner,
    read_phones,
    read_text,
    read_type,
    split_name,
)


def new_person(store: Store, draft: dict[str, Any], *, actor_id: str) -> Person:
    """Create a person; raises Invalid when neither name, number nor e-mail address is given."""
    links = _links_of(draft)
    given, family = split_name(draft.get("name"))
    person = Person(
        id=store.next_id("contacts"),
        given=given or read_text(draft.get("firstName"), field="firstName"),
        family=family or read_text(draft.get("lastName"), field="lastName"),
        title=draft.get("jobTitle") or None,
        company_ids=read_links(links.get("accounts"), table="accounts", store=store),
        owner_id=read_owner(links["owner"], store=store) if "owner" in links else _own(actor_id),
        tags=tuple(map(str, links.get("tags") or ())),
        **_shared(store, draft, actor_id=actor_id),
    )
    if not (person.name or person.phones or person.emails):
        raise Invalid("A contact needs at least one of name, phone, email, address or url.")
    _join(store, person.company_ids, person.id, came=True)
    store.add(table="contacts", record=person, actor_id=actor_id)
    return person


def new_company(store: Store, draft: dict[str, Any], *, actor_id: str) -> Company:
    """Create a company; raises Invalid when it has neither name, number nor address of any kind."""
    links = _links_of(draft)
    company = Company(
        id=store.next_id("accounts"),
        name=read_text(draft.get("name"), field="name").strip(),
        person_ids=read_links(links.get("contacts"), table="contacts", store=store),
        owner_id=read_owner(links["owner"], store=store) if "owner" in links else _own(actor_id),
        type_id=read_type(links["accountType"]) if links.get("accountType") else 1,
        tags=tuple(map(str, links.get("tags") or ())),
        **_shared(store, draft, actor_id=actor_id),
    )
    if not (company.name or company.phones or company.emails or company.urls or company.addresses):
        raise Invalid("An account needs at least one of name, phone, email, address or url.")
    store.add(table="accounts", record=company, actor_id=actor_id)
    for number in company.person_ids:
        _change_companies(store, store.people[number], lambda ids: (*ids, company.id))
    return company


def _links_of(draft: dict[str, Any]) -> dict[str, Any]:
    links = draft.get("links")
    return links if isinstance(links, dict) else {}


def _shared(store: Store, draft: dict[str, Any], *, actor_id: str) -> dict[str, Any]:
    now = store.now()
    return {
        "about": draft.get("description") or None,
        "phones": read_phones(draft.get("phones")),
        "emails": read_labelled(draft.get("emails"), default="email", field="emails"),
        "urls": read_labelled(draft.get("urls"), default="url", field="urls"),
        "addresses": read_labelled(draft.get("addresses"), default="address", field="addresses"),
        "creator_id": actor_id,
        "created_at": now,
        "modified_at": now,
    }


def _own(actor_id: str) -> str | None:
    return actor_id if actor_id.endswith("-users") else None


# A field of the API: the attribute of the record, and how its new value is read.
_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "phones": ("phones", read_phones),
    "emails": ("emails", lambda value: read_labelled(value, default="email", field="emails")),
    "urls": ("urls", lambda value: read_labelled(value, default="url", field="urls")),
    "addresses": ("addresses", lambda value: read_labelled(value, default="address", field="addresses")),
    "description": ("about", lambda value: read_text(value, field="description") or None),
}
_PERSON_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = _READERS | {
    "firstName": ("given", lambda value: read_text(value, field="firstName")),
    "lastName": ("family", lambda value: read_text(value, field="lastName")),
    "jobTitle": ("title", lambda value: read_text(value, field="jobTitle") or None),
}
_COMPANY_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = _READERS | {
    "name": ("name", lambda value: read_text(value, field="name"))
}


def apply_steps(store: Store, record: Person | Company, steps: list[Step], *, actor_id: str) -> None:
    """Carry out a patch, all of it or nothing; raises Invalid."""
    table = "contacts" if isinstance(record, Person) else "accounts"
    store.touch(table=table, record=record)
    before = {name: getattr(record, name) for name in type(record).__slots__}
    try:
        for step in steps:
            (_apply_link if step.is_link else _apply_field)(store, record, step)
    except Invalid:
        for name, value in before.items():
            setattr(record, name, value)
        raise
    if isinstance(record, Person):
        lost = set(before["company_ids"]) - set(record.company_ids)
        _join(store, tuple(lost), record.id, came=False)
        _join(store, record.company_ids, record.id, came=True)
    changes = [{"attribute": step.field, "oldValue": None, "newValue": None} for step in steps]
    store.changed(table=table, record=record, actor_id=actor_id, changes=changes)


def _apply_field(store: Store, record: Person | Company, step: Step) -> None:
    if step.field == "name" and isinstance(record, Person) and not step.item and step.op != "remove":
        record.given, record.family = split_name(step.value)
        return
    readers = _PERSON_READERS if isinstance(record, Person) else _COMPANY_READERS
    if step.field not in readers:
        raise Invalid("Invalid patch path", detail=f"Unknown field: {step.field}")
    attribute, read = readers[step.field]
    if step.item == "-" and step.op == "add" and step.field in ("phones", "emails", "urls", "addresses"):
        kept = getattr(record, attribute)
        added = read([step.value])
        setattr(
            record,
            attribute,
            (*kept, *(item._replace(is_primary=False) for item in added)) if kept else added,
        )
    elif step.item:
        raise Invalid("Invalid patch path", detail=f"Cannot {step.op} a part of {step.field}")
    else:
        setattr(record, attribute, read(None if step.op == "remove" else step.value))


def _apply_link(store: Store, record: Person | Company, step: Step) -> None:
    if step.field == "owner" and not (step.op == "add" and step.item):
        record.owner_id = None if step.op == "remove" else read_owner(step.value, store=store)
    elif step.field == "accounts" and isinstance(record, Person):
        if step.op == "replace":
            record.company_ids = read_links(step.value, table="accounts", store=store)
        elif step.op == "add" and step.item == "-":
            added = read_links(step.value, table="accounts", store=store)
            record.company_ids = tuple(dict.fromkeys(record.company_ids + added))
        elif step.op == "remove" and step.item:
            gone = read_links(step.item, table="accounts", store=store)
            record.company_ids = tuple(number for number in record.company_ids if number not in gone)
        else:
            raise Invalid("Invalid patch path", detail="Cannot add accounts without /-")
    elif step.field == "accountType" and isinstance(record, Company) and step.op != "remove":
        record.type_id = read_type(step.value)
    elif step.field == "tags" and step.op == "add" and step.item == "-":
        record.tags = (*record.tags, str(step.value))
    elif step.field == "tags" and step.op == "remove" and step.item:
        record.tags = tuple(tag for tag in record.tags if tag != step.item)
    else:
        raise Invalid("Invalid patch path", detail=f"Cannot {step.op} links/{step.field}")


def _join(store: Store, company_ids: tuple[int, ...], person_id: int, *, came: bool) -> None:
    """Keep the companies' lists of people in step with the people's lists of companies."""
    for number in company_ids:
        company = store.companies[number]
        others = tuple(known for known in company.person_ids if known != person_id)
        store.touch(table="accounts", record=company)
        company.person_ids = (*others, person_id) if came else others


def _change_companies(
    store: Store, person: Person, change: Callable[[tuple[int, ...]], tuple[int, ...]]
) -> None:
    store.touch(table="contacts", record=person)
    person.company_ids = change(person.company_ids)
