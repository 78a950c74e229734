"""What stands in the practice CRM, for a checker: every note, piece by piece, and what was done to each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from nutshellpbx.lab.nutshell.exchange import Answer, Request, json_answer, to_json
from nutshellpbx.lab.nutshell.instance import Instance
from nutshellpbx.lab.nutshell.records import Note, api_id, number_of, type_of

# So many notes are one piece of an answer; others are served between the pieces.
_PIECE = 10


def list_notes(instance: Instance, request: Request) -> Answer:
    """All notes in the order in which they were written, deleted ones too.

    ``live=1`` leaves the deleted ones out, ``parent`` names one record, ``after`` (an id) and ``limit`` give
    pages: ``next`` is the id to go on after, null at the end. Raises ValueError.
    """
    store = instance.store
    of_activity = {row.note_id: api_id(row.id, "activities") for row in store.activities.values()}
    rows, following = _page(instance, request)

    def shape(note: Note) -> dict[str, Any]:
        return {
            "id": api_id(note.id, "notes"),
            "parent": note.parent_id,
            "activity": of_activity.get(note.id),
            "author": note.author_id,
            "author_name": store.name_of(note.author_id),
            "body": note.markup,
            "created_at": note.created_at,
            "deleted_at": note.deleted_at,
        }

    return _stream((shape(note) for note in rows), following)


def list_histories(instance: Instance, request: Request) -> Answer:
    """What was done to each note and by whom, in order; pages as in ``list_notes``. Raises ValueError."""
    rows, following = _page(instance, request)
    deeds = _deeds(instance)
    shapes = (_history(note, deeds.get(api_id(note.id, "notes"), [])) for note in rows)
    return _stream(shapes, following)


def show_note(instance: Instance, text: str) -> Answer | None:
    """One note with what was done to it, or None."""
    note = instance.store.find("notes", text)
    if not isinstance(note, Note):
        return None
    ref = api_id(note.id, "notes")
    shown = {"body": note.markup, "author": note.author_id} | _history(note, _deeds(instance).get(ref, []))
    return json_answer(shown)


def _page(instance: Instance, request: Request) -> tuple[list[Note], int | None]:
    # A copy: notes are written while the answer goes out.
    rows: Iterable[Note] = list(instance.store.notes.values())
    if request.first("live") == "1":
        rows = (note for note in rows if note.deleted_at is None)
    if parent := request.first("parent"):
        rows = (note for note in rows if note.parent_id == parent)
    if after := request.first("after"):
        number = number_of(after, "notes")
        if number is None:
            raise ValueError("after must be the id of a note")
        rows = (note for note in rows if note.id > number)
    limit = request.first("limit")
    if limit is None:
        return list(rows), None
    if int(limit) < 1:
        raise ValueError("limit must be above 0")
    page = list(islice(rows, int(limit) + 1))
    shown = page[: int(limit)]
    return shown, shown[-1].id if len(page) > len(shown) else None


def _stream(shapes: Iterator[dict[str, Any]], following: int | None) -> Answer:
    def parts() -> Iterator[bytes]:
        yield b'{"notes":['
        comma = b""
        while piece := [to_json(shape) for shape in islice(shapes, _PIECE)]:
            yield comma + b",".join(piece)
            comma = b","
        yield b'],"next":' + to_json(api_id(following, "notes") if following else None) + b"}"

    return Answer(parts=parts())


def _history(note: Note, deeds: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": api_id(note.id, "notes"),
        "parent": note.parent_id,
        "is_live": note.deleted_at is None,
        "history": deeds,
    }


def _deeds(instance: Instance) -> dict[str, list[dict[str, Any]]]:
    """What the feeds of changes and deletions say of notes; a second creation is an undeletion."""
    store = instance.store
    deeds: dict[str, list[dict[str, Any]]] = {}
    for event in sorted(store.events + store.deletions, key=lambda event: event.id):
        if type_of(event.payload_id) != "notes":
            continue
        done = deeds.setdefault(event.payload_id, [])
        what = "undelete" if event.action == "create" and done else event.action
        done.append(
            {
                "what": what,
                "at": event.at,
                "by": event.actor_id,
                "by_name": store.name_of(event.actor_id),
                "event": api_id(event.id, "events"),
            }
        )
    return deeds
