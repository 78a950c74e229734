"""The notes since a moment, of everybody, as they stand now: for the proof, which counts what Nutshell shows.

Two ways, neither documented for this use: the feed of events, and the list of the newest notes. A way that
could not show everything since then says so; nothing that is left out is taken for missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from nutshellpbx.crm.adapter import WrittenNote
from nutshellpbx.crm.nutshell import translate
from nutshellpbx.crm.nutshell.api import Api
from nutshellpbx.faults import Denied, Fault, TryLater

#: A week of a busy office; a feed that goes on behind it is not followed.
FEED_PAGES: Final = 200
Page = tuple[WrittenNote, ...]


def read_notes(*, api: Api, since: datetime) -> Iterator[Page]:
    """Page by page; ends when everything since then was given. Raises `TryLater` when it could not be."""
    try:
        yield from _by_events(api, since)
    except Denied:
        raise
    except Fault:
        yield from _by_newest(api, since)


def _by_events(api: Api, since: datetime) -> Iterator[Page]:
    params: dict[str, Any] = {
        "since_time": int(since.timestamp()),
        "filters[payload][]": "notes",
        "limit": translate.EVENTS_LIMIT,
    }
    for _page in range(FEED_PAGES):
        body = api.get("/events", params=params)
        events = translate.records_from(body, plural="events")
        payloads = translate.records_from(body, plural="payloads")
        if events is None or payloads is None:
            raise api.nonsense()
        yield _notes_of(payloads, api)
        times = [moment for event in events if (moment := translate.time_from(event.get("createdTime")))]
        if len(events) < translate.EVENTS_LIMIT or (times and min(times) < since):
            return
        oldest = translate.id_from(events[-1].get("id"), kind="events")
        if not oldest or params.get("max_id") == oldest:
            break
        params = {**params, "max_id": oldest}
    raise _not_whole()


def _by_newest(api: Api, since: datetime) -> Iterator[Page]:
    newest_before: datetime | None = None
    for page in range(FEED_PAGES):
        params = {
            "page[limit]": translate.NOTES_LIMIT,
            "page[page]": translate.FIRST_PAGE + page,
            "sort": translate.NOTES_SORT,
        }
        records = translate.records_from(api.get("/notes", params=params), plural="notes")
        if records is None:
            raise api.nonsense()
        yield _notes_of(records, api)
        times = [translate.time_from(record.get("createdTime")) for record in records]
        known = [moment for moment in times if moment is not None]
        if len(known) < len(times) or known != sorted(known, reverse=True):
            break
        if not known or known[-1] < since:
            return
        if newest_before is not None and known[0] > newest_before:
            break
        newest_before = known[-1]
    raise _not_whole()


def _notes_of(records: Sequence[Mapping[str, Any]], api: Api) -> Page:
    notes = (translate.note_from(record, origin=api.origin) for record in records)
    return tuple(note for note in notes if note is not None)


def _not_whole() -> TryLater:
    return TryLater(_("Nutshell did not show all notes since then"), _("The notes are asked for one by one."))
