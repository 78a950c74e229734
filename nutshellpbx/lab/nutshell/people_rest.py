"""``/rest/contacts`` and ``/rest/accounts``: read, list, create, patch, delete and bring back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nutshellpbx.lab.nutshell.errors import Invalid, NotFound, patch_type_required
from nutshellpbx.lab.nutshell.exchange import Answer, Request, json_answer, to_json
from nutshellpbx.lab.nutshell.fields import catalogue
from nutshellpbx.lab.nutshell.json_patch import is_patch, read_patch
from nutshellpbx.lab.nutshell.lists import Listing
from nutshellpbx.lab.nutshell.people_edit import apply_steps, new_company, new_person
from nutshellpbx.lab.nutshell.records import Company, Person, api_id
from nutshellpbx.lab.nutshell.shapes import formatted_count, instance_meta
from nutshellpbx.lab.nutshell.sign_in import Actor
from nutshellpbx.lab.nutshell.store import ACCOUNT_TYPES

if TYPE_CHECKING:
    from nutshellpbx.lab.nutshell.instance import Instance


def list_records(instance: Instance, request: Request, actor: Actor, table: str) -> Answer:
    """One page of people or companies."""
    listing = instance.lists.page(request, table=table, actor=actor)
    return Answer(parts=_write_page(instance, listing, table))


def _write_page(instance: Instance, listing: Listing, table: str) -> Iterator[bytes]:
    """The page piece by piece: ten thousand records take most of a second."""
    meta = {
        "count": listing.count,
        "countFormatted": formatted_count(listing.count),
        "total": listing.total,
        "totalFormatted": formatted_count(listing.total),
        "facets": _facets(instance) if table == "accounts" else {},
        **instance_meta(),
    }
    yield b'{"meta":' + to_json(meta) + b',"links":{},"' + table.encode() + b'":['
    for place, record in enumerate(listing.records):
        yield (b"," if place else b"") + to_json(instance.shapes.any(record, reader_id=""))
    yield b"]}"


def _facets(instance: Instance) -> dict[str, dict[str, int]]:
    counts = instance.store.count_types()
    return {
        "accountType": {api_id(number, "accountTypes"): counts.get(number, 0) for number in ACCOUNT_TYPES}
    }


def list_items(instance: Instance, request: Request, actor: Actor, table: str) -> Answer:
    """The list-item form, with the numbers grouped by label."""
    listing = instance.lists.page(request, table=table, actor=actor)
    items = []
    for record in listing.records:
        shape = instance.shapes.any(record, reader_id="")
        grouped: dict[str, list[Any]] = {}
        for phone in shape["phones"]:
            grouped.setdefault(phone["name"], []).append(phone["value"])
        related = instance.store.companies.get(record.company_ids[0]) if _has_company(record) else None
        items.append(
            {
                "id": shape["id"],
                "primaryName": shape["name"],
                "primaryInfo": shape.get("jobTitle"),
                "relatedName": related.name if related else None,
                "relatedType": "accounts" if related else None,
                "isDeleted": False,
                "description": shape["description"],
                "avatarUrl": shape["avatarUrl"],
                "initials": shape["initials"],
                "htmlUrl": shape["htmlUrl"],
                "htmlUrlPath": shape["htmlUrlPath"],
                "fields": {"phones": {"title": "Phone", "value": grouped}},
            }
        )
    meta = {"count": listing.count, "total": listing.total, **instance_meta()}
    return json_answer({"meta": meta, "links": {}, "listItems": items})


def list_fields(instance: Instance, request: Request, actor: Actor, table: str) -> Answer:
    """The keys that this list can be filtered and sorted by."""
    return json_answer(catalogue(table))


def read_records(instance: Instance, request: Request, actor: Actor, table: str, ids: str) -> Answer:
    """One record with its companions, or several of a comma-joined path; raises NotFound."""
    found = []
    for text in ids.split(","):
        record = instance.store.find(table, text)
        if record is not None and record.deleted_at is None and actor.may_see(record.owner_id):
            found.append(record)
    if not found:
        raise NotFound
    meta = {"count": len(found), "total": len(found), **instance_meta()}
    body: dict[str, Any] = {"meta": meta, "links": {}}
    body[table] = [instance.shapes.any(record, reader_id=actor.actor_id) for record in found]
    return json_answer(body | _companions(instance, found[0] if len(found) == 1 else None))


def _companions(instance: Instance, record: Person | Company | None) -> dict[str, Any]:
    """The arrays beside a single record: whom and what its links name."""
    if record is None:
        return {}
    store, shapes = instance.store, instance.shapes
    related: tuple[str, list[Any]]
    if isinstance(record, Person):
        related = ("accounts", [store.companies[number] for number in record.company_ids])
    else:
        related = ("contacts", [store.people[number] for number in record.person_ids])
    makers = [record.creator_id] if record.creator_id else []
    companions: dict[str, Any] = {
        related[0]: [shapes.any(row, reader_id="") for row in related[1] if row.deleted_at is None],
        "creators": [shapes.actor(text) for text in makers if text.endswith("-users")],
        "owners": [shapes.actor(record.owner_id)] if record.owner_id else [],
        "origins": [shapes.actor(text) for text in makers if text.endswith("-origins")],
    }
    if isinstance(record, Company):
        companions["accountTypes"] = [
            {
                "id": api_id(record.type_id, "accountTypes"),
                "type": "accountTypes",
                "name": ACCOUNT_TYPES[record.type_id],
            }
        ]
        companions["industries"] = []
    return companions


def create_record(instance: Instance, request: Request, actor: Actor, table: str) -> Answer:
    """Create exactly one person or company; raises Invalid."""
    try:
        written = request.json
    except ValueError:
        raise Invalid("The request body is not valid JSON.") from None
    drafts = written.get(table) if isinstance(written, dict) else None
    if not isinstance(drafts, list) or len(drafts) != 1 or not isinstance(drafts[0], dict):
        raise Invalid(f"You may only create one {table} resource per request.")
    make = new_person if table == "contacts" else new_company
    record = make(instance.store, drafts[0], actor_id=actor.actor_id)
    body = {
        "meta": instance_meta(),
        "links": {},
        table: [instance.shapes.any(record, reader_id=actor.actor_id)],
    }
    return json_answer(body, status=200 if table == "contacts" else 201)


def patch_record(instance: Instance, request: Request, actor: Actor, table: str, text: str) -> Answer:
    """Change one record by JSON Patch; raises NotFound and Invalid."""
    if not is_patch(request):
        return patch_type_required()
    record = _get_live(instance, actor, table, text)
    apply_steps(instance.store, record, read_patch(request, table=table), actor_id=actor.actor_id)
    return Answer(status=204)


def delete_record(instance: Instance, request: Request, actor: Actor, table: str, text: str) -> Answer:
    """Delete a record so that it can be brought back; raises NotFound."""
    record = _get_live(instance, actor, table, text)
    instance.store.delete(table=table, record=record, actor_id=actor.actor_id)
    if table == "contacts":
        return Answer(status=204)
    return _one(instance, record, actor, table)


def undelete_record(instance: Instance, request: Request, actor: Actor, table: str, text: str) -> Answer:
    """Bring a deleted record back; raises NotFound."""
    record = instance.store.find(table, text)
    if record is None or not actor.may_see(record.owner_id):
        raise NotFound
    if record.deleted_at is not None:
        instance.store.undelete(table=table, record=record, actor_id=actor.actor_id)
    return _one(instance, record, actor, table)


def read_custom_fields(instance: Instance, request: Request, actor: Actor, table: str, text: str) -> Answer:
    """The custom fields of a record: this instance has none."""
    _get_live(instance, actor, table, text)
    return json_answer([])


def _one(instance: Instance, record: Person | Company, actor: Actor, table: str) -> Answer:
    shape = instance.shapes.any(record, reader_id=actor.actor_id)
    return json_answer({"meta": instance_meta(), "links": {}, table: [shape]})


def _get_live(instance: Instance, actor: Actor, table: str, text: str) -> Any:
    record = instance.store.find(table, text)
    if record is None or record.deleted_at is not None or not actor.may_see(record.owner_id):
        raise NotFound
    return record


def _has_company(record: Person | Company) -> bool:
    return isinstance(record, Person) and bool(record.company_ids)
