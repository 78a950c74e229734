"""``/_practice/``: what tests and demos ask of the practice server itself; answered to this machine alone."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any

from nutshellpbx.lab.nutshell import content
from nutshellpbx.lab.nutshell.errors import Invalid, not_allowed, not_found
from nutshellpbx.lab.nutshell.exchange import Answer, Request, json_answer, to_json
from nutshellpbx.lab.nutshell.instance import Instance
from nutshellpbx.lab.nutshell.misbehaviour import KINDS, UnknownFault
from nutshellpbx.lab.nutshell.people_edit import new_company, new_person
from nutshellpbx.lab.nutshell.records import KEY_KINDS, Person, api_id
from nutshellpbx.lab.nutshell.shapes import page_path
from nutshellpbx.lab.nutshell.sign_in import find_user_by_email
from nutshellpbx.lab.nutshell.store import ACTIVITY_TYPES

_LONGEST_WAIT_S = 60.0
_PIECE = 50


async def answer_control(instance: Instance, request: Request) -> Answer:
    """Answer one request below ``/_practice``."""
    if not _is_loopback(request.peer):
        return not_found()
    path = request.path.removeprefix("/_practice").rstrip("/")
    if request.method == "GET" and path.startswith("/contacts/"):
        return _contact(instance, path.removeprefix("/contacts/"))
    if request.method == "GET" and path.startswith("/notes/"):
        return content.show_note(instance, path.removeprefix("/notes/")) or not_found()
    if request.method == "DELETE" and path.startswith("/faults/"):
        return _withdraw_fault(instance, path.removeprefix("/faults/"))
    known = {method for method, address in _TABLE if address == path}
    if not known:
        return not_found()
    if request.method not in known:
        return not_allowed()
    try:
        return await _TABLE[(request.method, path)](instance, request)
    except (Invalid, UnknownFault, ValueError) as wrong:
        detail = wrong.detail or wrong.title if isinstance(wrong, Invalid) else str(wrong)
        return json_answer({"error": detail}, status=400)


async def _state(instance: Instance, request: Request) -> Answer:
    counts = {table: instance.store.count_live(table) for table in instance.store.tables}
    state = {
        "address": instance.address,
        "control": instance.control_address,
        "seed": instance.seed,
        "counts": counts,
        "events": len(instance.store.events),
        "deletions": len(instance.store.deletions),
        "log": instance.log.last,
        "fault_seed": instance.misbehaviour.seed,
        "clock_ahead_s": instance.ahead_s,
    }
    return json_answer(state)


async def _log(instance: Instance, request: Request) -> Answer:
    after = int(request.first("after") or 0)
    wait_s = min(float(request.first("wait") or 0), _LONGEST_WAIT_S)
    entries = await instance.log.wait_after(after, timeout_s=wait_s)
    last = entries[-1]["n"] if entries else instance.log.last
    return json_answer({"entries": entries, "last": last, "kept_from": instance.log.kept_from})


async def _tally(instance: Instance, request: Request) -> Answer:
    return json_answer({"requests": instance.log.tally()})


async def _notes(instance: Instance, request: Request) -> Answer:
    return content.list_notes(instance, request)


async def _histories(instance: Instance, request: Request) -> Answer:
    return content.list_histories(instance, request)


async def _activities(instance: Instance, request: Request) -> Answer:
    store = instance.store
    activities = [
        {
            "id": api_id(row.id, "activities"),
            "name": row.name,
            "type": ACTIVITY_TYPES[row.type_id],
            "participants": [*row.user_ids, *row.person_ids, *row.company_ids],
            "starts_at": row.starts_at,
            "ends_at": row.ends_at,
            "is_logged": row.is_logged,
            "author": row.creator_id,
            "note": None if row.note_id is None else store.notes[row.note_id].markup,
            "created_at": row.created_at,
        }
        for row in store.activities.values()
    ]
    return json_answer({"activities": activities})


def _contact(instance: Instance, text: str) -> Answer:
    person = instance.store.find("contacts", text)
    if person is None:
        return not_found()
    ref = api_id(person.id, "contacts")
    notes = sorted(instance.store.notes_of(ref, keeps_all=True), key=lambda note: note.id)
    return json_answer(
        {
            "contact": instance.shapes.person(person),
            "deleted_at": person.deleted_at,
            "created_at": person.created_at,
            "modified_at": person.modified_at,
            "contacted_at": person.contacted_at,
            "notes": [api_id(note.id, "notes") for note in notes],
        }
    )


async def _add_contact(instance: Instance, request: Request) -> Answer:
    """Add a person as somebody would in the CRM itself: name, phones, emails, company (a name), owner."""
    draft = _object(request)
    links: dict[str, Any] = {}
    if draft.get("company"):
        company = new_company(instance.store, {"name": str(draft["company"])}, actor_id="1-users")
        links["accounts"] = [api_id(company.id, "accounts")]
    if "owner" in draft:
        links["owner"] = draft["owner"]
    person = new_person(instance.store, draft | {"links": links}, actor_id="1-users")
    body = {
        "id": api_id(person.id, "contacts"),
        "htmlUrl": instance.address + page_path(person),
        "htmlUrlPath": page_path(person),
    }
    return json_answer(body, status=201)


async def _sample(instance: Instance, request: Request) -> Answer:
    """Some people with a well-formed number of their own (``kind=shared``: of several), by ``seed``."""
    count = int(request.first("count") or 10)
    shared = request.first("kind") == "shared"
    rng = Random(f"sample {request.first('seed') or 0}")
    rows: list[Person] = list(instance.store.live("contacts"))
    rng.shuffle(rows)
    sample: list[dict[str, Any]] = []
    for place, person in enumerate(rows):
        if len(sample) >= count:
            break
        if place % 200 == 0:
            await asyncio.sleep(0)
        phone = next((phone for phone in person.phones if phone.digits and not phone.extension), None)
        if phone is None or len(phone.digits) < 10 or (phone.country_code == "1" and len(phone.number) != 10):
            continue
        owners = [
            api_id(number, table)
            for table, index in instance.store.phones.items()
            for number in index.find_owners(phone.digits)
        ]
        if (len(owners) > 1) == shared:
            sample.append(
                {
                    "id": api_id(person.id, "contacts"),
                    "name": person.name,
                    "number": f"+{phone.digits}",
                    "owners": owners,
                }
            )
    return Answer(parts=_in_pieces("contacts", sample))


def _in_pieces(name: str, rows: list[dict[str, Any]]) -> Iterator[bytes]:
    """One member with a long list, so that others are served while it is written."""
    yield b'{"' + name.encode() + b'":['
    for start in range(0, len(rows), _PIECE):
        piece = b",".join(to_json(row) for row in rows[start : start + _PIECE])
        yield b"," + piece if start else piece
    yield b"]}"


async def _users(instance: Instance, request: Request) -> Answer:
    users = [
        {"id": api_id(user.id, "users"), "name": user.name, "emails": list(user.emails)}
        for user in instance.store.users.values()
    ]
    keys = [
        {"name": key.name, "key": key.secret, "kind": key.kind, "revoked": key.is_revoked}
        for key in instance.store.keys.values()
    ]
    return json_answer({"users": users, "keys": keys})


async def _add_user(instance: Instance, request: Request) -> Answer:
    draft = _object(request)
    email, kind = str(draft.get("email", "")), str(draft.get("kind", "impersonation"))
    if "@" not in email or find_user_by_email(store=instance.store, email=email):
        raise ValueError("email must be an address that no user has yet")
    if kind not in KEY_KINDS:
        raise ValueError(f"kind must be one of {', '.join(KEY_KINDS)}")
    user, key = instance.store.add_user(
        email=email,
        name=str(draft.get("name", "")),
        secret=str(draft.get("key", "")),
        kind=kind,
        is_restricted=bool(draft.get("restricted", False)),
        is_enabled=bool(draft.get("enabled", True)),
    )
    return json_answer({"id": api_id(user.id, "users"), "email": email, "key": key.secret}, status=201)


async def _change_key(instance: Instance, request: Request) -> Answer:
    """Revoke a key or give it back: ``{"key": …, "revoked": true}``."""
    order = _object(request)
    key = next((key for key in instance.store.keys.values() if key.secret == order.get("key")), None)
    if key is None:
        raise ValueError("no such key")
    key.is_revoked = bool(order.get("revoked", True))
    return json_answer({"name": key.name, "revoked": key.is_revoked})


async def _faults(instance: Instance, request: Request) -> Answer:
    return json_answer({"faults": instance.misbehaviour.listing(), "kinds": KINDS})


async def _order_faults(instance: Instance, request: Request) -> Answer:
    """Order misbehaviour: ``{"faults": [{…}], "seed": 11}``, or one fault alone."""
    order = _object(request)
    faults = order.get("faults", [order])
    seed = order.get("seed") if "faults" in order else None
    if not isinstance(faults, list):
        raise UnknownFault("faults must be a list")
    ordered = instance.misbehaviour.order(faults, seed=seed)
    return json_answer({"ordered": [fault.id for fault in ordered]}, status=201)


def _withdraw_fault(instance: Instance, text: str) -> Answer:
    """Take one fault back by the number that the order was answered with."""
    known = text.isascii() and text.isdigit() and instance.misbehaviour.withdraw(int(text))
    return Answer(status=204) if known else not_found()


async def _limits(instance: Instance, request: Request) -> Answer:
    """What each ordered limit let through and refused."""
    return json_answer({"limits": instance.misbehaviour.limits()})


async def _clear_faults(instance: Instance, request: Request) -> Answer:
    instance.misbehaviour.clear()
    return Answer(status=204)


async def _set_clock(instance: Instance, request: Request) -> Answer:
    """Let the CRM's clock go wrong: ``{"ahead_s": 3600}``; negative is behind."""
    ahead_s = _object(request).get("ahead_s")
    if isinstance(ahead_s, bool) or not isinstance(ahead_s, int | float):
        raise ValueError("ahead_s must be seconds")
    instance.ahead_s = float(ahead_s)
    return json_answer({"ahead_s": instance.ahead_s})


async def _reset(instance: Instance, request: Request) -> Answer:
    """Bring back the first data and behave again; the access log is emptied, its numbers go on."""
    instance.store.reset()
    instance.misbehaviour.clear()
    instance.ahead_s = 0.0
    instance.log.clear()
    return Answer(status=204)


_TABLE: dict[tuple[str, str], Callable[[Instance, Request], Awaitable[Answer]]] = {
    ("GET", ""): _state,
    ("GET", "/log"): _log,
    ("GET", "/tally"): _tally,
    ("GET", "/notes"): _notes,
    ("GET", "/histories"): _histories,
    ("GET", "/activities"): _activities,
    ("POST", "/contacts"): _add_contact,
    ("GET", "/sample"): _sample,
    ("GET", "/users"): _users,
    ("POST", "/users"): _add_user,
    ("POST", "/keys"): _change_key,
    ("GET", "/faults"): _faults,
    ("POST", "/faults"): _order_faults,
    ("DELETE", "/faults"): _clear_faults,
    ("GET", "/limits"): _limits,
    ("POST", "/clock"): _set_clock,
    ("POST", "/reset"): _reset,
}


def _object(request: Request) -> dict[str, Any]:
    content = request.json
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    return content


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
