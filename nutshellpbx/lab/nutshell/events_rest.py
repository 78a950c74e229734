"""``/rest/events``, the change feed, and ``/rest/events/deleted``, where deletions alone are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from nutshellpbx.lab.nutshell.errors import Invalid
from nutshellpbx.lab.nutshell.exchange import Answer, Request, to_json
from nutshellpbx.lab.nutshell.fields import read_limit, read_time
from nutshellpbx.lab.nutshell.records import Event, api_id, number_of, type_of
from nutshellpbx.lab.nutshell.shapes import instance_meta
from nutshellpbx.lab.nutshell.sign_in import Actor

if TYPE_CHECKING:
    from nutshellpbx.lab.nutshell.instance import Instance

_DEFAULT_LIMIT = 20
# Arrays that stand empty beside the captured feed.
_EMPTY = ("activityTypes", "contacts", "users", "notes", "emailAddresses", "activities")


def list_events(instance: Instance, request: Request, actor: Actor) -> Answer:
    """Events, newest first; ``next`` asks for newer ones, ``previous`` for older ones; raises Invalid."""
    limit = read_limit(request, default=_DEFAULT_LIMIT)
    rows = _filtered(instance.store.feed(), request)
    payloads = request.every("filters[payload][]", "filters[payload]")
    if payloads:
        rows = [event for event in rows if type_of(event.payload_id) in payloads]
    creators = request.every("filters[creator][]", "filters[creator]")
    if creators:
        rows = [event for event in rows if event.actor_id in creators]
    entity = request.first("entity_id")
    if entity:
        rows = [event for event in rows if event.payload_id == entity]
    rows = rows[::-1]
    shown = rows[:limit]
    kept = [("limit", str(limit))] + [("filters[payload][]", name) for name in payloads]
    kept += [("filters[creator][]", name) for name in creators]
    kept += [("entity_id", entity)] if entity else []
    older = _older_query(shown, rows[limit:])
    meta = {
        "next": _address(instance, kept + _newer_query(shown, request)),
        "previous": _address(instance, kept + older) if older else None,
        "last": api_id(shown[-1].id, "events") if shown else None,
        **instance_meta(),
    }
    return Answer(parts=_write_feed(instance, meta, shown, actor))


def list_deletions(instance: Instance, request: Request, actor: Actor) -> Answer:
    """Deletions, oldest first unless ``sort=-change_time``; raises Invalid."""
    rows = _filtered(instance.store.deletions, request)
    types = [name for text in request.every("filter[types]", "filter[types][]") for name in text.split(",")]
    if types:
        rows = [event for event in rows if type_of(event.payload_id) in types]
    if request.first("sort") == "-change_time":
        rows = rows[::-1]
    rows = rows[: read_limit(request, default=10_000)]
    meta = {"next": None, "previous": None, **instance_meta()}
    return Answer(parts=_write_feed(instance, meta, rows, actor))


def _filtered(events: list[Event], request: Request) -> list[Event]:
    since_id, max_id = _read_id(request, "since_id"), _read_id(request, "max_id")
    since_time, max_time = request.first("since_time"), request.first("max_time")
    rows = events
    if since_id is not None:
        rows = [event for event in rows if event.id > since_id]
    if max_id is not None:
        rows = [event for event in rows if event.id <= max_id]
    # A time beside since_id says the same as the id and must not cut off events of the same second.
    if since_time and since_id is None:
        earliest = read_time(since_time)
        rows = [event for event in rows if event.at > earliest]
    if max_time:
        latest = read_time(max_time)
        rows = [event for event in rows if event.at <= latest]
    return rows


def _read_id(request: Request, name: str) -> int | None:
    text = request.first(name)
    if not text:
        return None
    number = number_of(text, "events")
    if number is None:
        raise Invalid("Invalid filter", detail=f"Invalid {name}: {text}")
    return number


def _newer_query(shown: list[Event], request: Request) -> list[tuple[str, str]]:
    if shown:
        return [("since_id", api_id(shown[0].id, "events")), ("since_time", str(shown[0].at))]
    since = request.first("since_id")
    return [("since_id", since)] if since else []


def _older_query(shown: list[Event], older: list[Event]) -> list[tuple[str, str]]:
    if not shown or not older:
        return []
    # As captured: the id is the last one shown (max_id includes it), the time that of the next older one.
    return [("max_id", api_id(shown[-1].id, "events")), ("max_time", str(older[0].at))]


def _address(instance: Instance, query: list[tuple[str, str]]) -> str:
    return f"{instance.address}/rest/events?{urlencode(query)}"


def _write_feed(
    instance: Instance, meta: dict[str, Any], events: list[Event], actor: Actor
) -> Iterator[bytes]:
    """The events with everybody who acted and the whole present state of everything that was changed.

    Piece by piece: a thousand events take a twentieth of a second.
    """
    shapes = instance.shapes
    yield b'{"meta":' + to_json(meta) + b',"links":{},"events":['
    yield from _joined(to_json(shapes.event(event)) for event in events)
    actors = {event.actor_id: shapes.actor(event.actor_id) for event in events}
    yield b'],"actors":' + to_json(list(actors.values())) + b',"payloads":['
    payload_ids = dict.fromkeys(event.payload_id for event in events)
    records = (instance.store.find(type_of(text), text) for text in payload_ids)
    yield from _joined(
        to_json(shapes.any(record, reader_id=actor.actor_id))
        for record in records
        if record is not None and actor.may_see(getattr(record, "owner_id", actor.actor_id))
    )
    yield b"]" + b"".join(b',"' + name.encode() + b'":[]' for name in _EMPTY) + b"}"


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for place, piece in enumerate(pieces):
        yield b"," + piece if place else piece
