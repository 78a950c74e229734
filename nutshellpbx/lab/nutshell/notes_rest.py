"""``/rest/notes``: list, read, create, delete and bring back; a note cannot be changed over REST."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from nutshellpbx.lab.nutshell.errors import Invalid, NotFound
from nutshellpbx.lab.nutshell.exchange import Answer, Request, json_answer
from nutshellpbx.lab.nutshell.fields import read_page
from nutshellpbx.lab.nutshell.records import Note, api_id, type_of
from nutshellpbx.lab.nutshell.shapes import instance_meta
from nutshellpbx.lab.nutshell.sign_in import Actor
from nutshellpbx.lab.nutshell.store import Store

if TYPE_CHECKING:
    from nutshellpbx.lab.nutshell.instance import Instance

_PARENTS = ("contacts", "accounts")


def list_notes(instance: Instance, request: Request, actor: Actor) -> Answer:
    """Notes, newest first; ``next`` and ``previous`` are addresses of pages (their direction is a guess)."""
    number, size = read_page(request)
    rows = list(islice(instance.store.newest_notes(), number * size, (number + 1) * size + 1))
    shown = rows[:size]

    def page(wanted: int) -> str:
        query = urlencode({"page[limit]": size, "page[page]": wanted})
        return f"{instance.address}/rest/notes?{query}"

    meta = {
        "next": page(number + 1) if len(rows) > size else None,
        "previous": page(number - 1) if number else None,
        "last": api_id(shown[-1].id, "notes") if shown else None,
        **instance_meta(),
    }
    notes = [instance.shapes.note(note, reader_id=actor.actor_id) for note in shown]
    return json_answer({"meta": meta, "links": {}, "notes": notes})


def read_note(instance: Instance, request: Request, actor: Actor, text: str) -> Answer:
    """One note, a deleted one with its time of deletion; raises NotFound."""
    return _answer(instance, _get(instance.store, text), actor)


def create_note(instance: Instance, request: Request, actor: Actor) -> Answer:
    """Write a note on a person or company; raises Invalid."""
    try:
        written = request.json
    except ValueError:
        raise Invalid("The request body is not valid JSON.") from None
    draft = written.get("data") if isinstance(written, dict) else None
    if not isinstance(draft, dict):
        raise Invalid("A note must be given under data.")
    body = draft.get("body")
    if not isinstance(body, str) or not body.strip():
        raise Invalid("A note needs a body.", field="body")
    links = draft.get("links")
    parent = str(links.get("parent", "")) if isinstance(links, dict) else ""
    table = type_of(parent)
    record = instance.store.find(table, parent) if table in _PARENTS else None
    if record is None or record.deleted_at is not None:
        raise Invalid("Invalid parent", detail=f"No such entity: {parent}", field="parent")
    note = add_note(instance.store, parent_id=api_id(record.id, table), text=body, author_id=actor.actor_id)
    return _answer(instance, note, actor, status=201)


def delete_note(instance: Instance, request: Request, actor: Actor, text: str) -> Answer:
    """Delete a note so that it can be brought back; raises NotFound."""
    note = _get(instance.store, text)
    if note.deleted_at is None:
        instance.store.delete(table="notes", record=note, actor_id=actor.actor_id)
    return _answer(instance, note, actor)


def undelete_note(instance: Instance, request: Request, actor: Actor, text: str) -> Answer:
    """Bring a deleted note back; raises NotFound."""
    note = _get(instance.store, text)
    if note.deleted_at is not None:
        instance.store.undelete(table="notes", record=note, actor_id=actor.actor_id)
    return _answer(instance, note, actor)


def add_note(store: Store, *, parent_id: str, text: str, author_id: str) -> Note:
    """Put a note on a record."""
    note = Note(store.next_id("notes"), parent_id, text, author_id, store.now())
    store.add(table="notes", record=note, actor_id=author_id)
    return note


def _get(store: Store, text: str) -> Note:
    note = store.find("notes", text)
    if not isinstance(note, Note):
        raise NotFound
    return note


def _answer(instance: Instance, note: Note, actor: Actor, *, status: int = 200) -> Answer:
    shape = instance.shapes.note(note, reader_id=actor.actor_id)
    return json_answer({"meta": instance_meta(), "links": {}, "notes": [shape]}, status=status)
