"""Looking for a note of ours by its marker, in three ways; none of them is documented for this use.

Each way answers for itself: found, absent (it looked everywhere a note since then could be) or unanswered.
A way that could not look everywhere never says absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from nutshellpbx.crm.adapter import Ref
from nutshellpbx.crm.nutshell import translate
from nutshellpbx.crm.nutshell.api import Api
from nutshellpbx.faults import Denied, Fault, TryLater

#: Our clock and the CRM's may differ by this much.
CLOCKS_DIFFER: Final = timedelta(seconds=60)
_RPC_GETS: Final[Mapping[str, tuple[str, str]]] = {
    "contacts": ("getContact", "contactId"),
    "accounts": ("getAccount", "accountId"),
}


class Outcome(StrEnum):
    """What one way of searching says."""

    FOUND = "found"
    ABSENT = "absent"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The answer of one way of searching; `reason` says why it is unanswered."""

    way: str
    outcome: Outcome
    refs: tuple[Ref, ...] = ()
    reason: str = ""


def find_by_every_way(*, api: Api, marker: str, card_id: str, since: datetime) -> list[SearchAnswer]:
    """Ask one way after the other until one has found the note; `Denied` when the sign-in is refused."""
    answers: list[SearchAnswer] = []
    for way, search in _WAYS.items():
        try:
            answer = search(api, marker, card_id, since - CLOCKS_DIFFER)
        except Denied:
            raise
        except Fault as fault:
            answer = SearchAnswer(way=way, outcome=Outcome.UNANSWERED, reason=fault.title)
        answers.append(answer)
        if answer.outcome is Outcome.FOUND:
            break
    return answers


def find_in_events(api: Api, marker: str, card_id: str, since: datetime) -> SearchAnswer:
    """Look through what changed since then; every event brings the note as it stands now."""
    way = "events"
    refs: list[Ref] = []
    params: dict[str, Any] = {
        "since_time": int(since.timestamp()),
        "filters[payload][]": "notes",
        "limit": translate.EVENTS_LIMIT,
    }
    for _page in range(translate.NOTES_PAGES):
        try:
            body = api.get("/events", params=params)
        except TryLater:
            if not refs:
                raise
            return _settled(way, refs)
        events = translate.records_from(body, plural="events")
        payloads = translate.records_from(body, plural="payloads")
        if events is None or payloads is None:
            return SearchAnswer(way, Outcome.UNANSWERED, tuple(refs), "the event feed has another shape")
        refs += _marked(payloads, api, marker)
        times = [moment for event in events if (moment := translate.time_from(event.get("createdTime")))]
        if len(events) < translate.EVENTS_LIMIT or (times and min(times) < since):
            return _settled(way, refs)
        oldest = translate.id_from(events[-1].get("id"), kind="events")
        if not oldest or params.get("max_id") == oldest:
            break
        params = {**params, "max_id": oldest}
    return _settled(way, refs, is_all_seen=False)


def find_in_record(api: Api, marker: str, card_id: str, since: datetime) -> SearchAnswer:
    """Look through the record's own notes, which the older interface gives with the record."""
    way = "record"
    number, _, plural = card_id.partition("-")
    if plural not in _RPC_GETS or not number.isdecimal():
        return SearchAnswer(way, Outcome.UNANSWERED, reason="the record has no notes of its own")
    method, argument = _RPC_GETS[plural]
    record = api.call(method, {argument: int(number)})
    notes = record.get("notes") if isinstance(record, Mapping) else None
    if not isinstance(notes, list):
        return SearchAnswer(way, Outcome.UNANSWERED, reason="the record came without its notes")
    return _settled(way, _marked([note for note in notes if isinstance(note, Mapping)], api, marker))


def find_in_newest_notes(api: Api, marker: str, card_id: str, since: datetime) -> SearchAnswer:
    """Look through the newest notes of everybody, page by page, until they are older than the attempt."""
    way = "newest notes"
    refs: list[Ref] = []
    newest_before: datetime | None = None
    for page in range(translate.NOTES_PAGES):
        params = {
            "page[limit]": translate.NOTES_LIMIT,
            "page[page]": translate.FIRST_PAGE + page,
            "sort": translate.NOTES_SORT,
        }
        try:
            body = api.get("/notes", params=params)
        except TryLater:
            if not refs:
                raise
            return _settled(way, refs)
        notes = translate.records_from(body, plural="notes")
        if notes is None:
            return SearchAnswer(way, Outcome.UNANSWERED, tuple(refs), "the list of notes has another shape")
        refs += _marked(notes, api, marker)
        times = [translate.time_from(note.get("createdTime")) for note in notes]
        known = [moment for moment in times if moment is not None]
        if len(known) < len(times) or known != sorted(known, reverse=True):
            return _settled(way, refs, is_all_seen=False)
        if known and newest_before is not None and known[0] > newest_before:
            return _settled(way, refs, is_all_seen=False)
        if not notes or known[-1] < since:
            return _settled(way, refs)
        newest_before = known[-1]
    return _settled(way, refs, is_all_seen=False)


def _marked(records: Iterable[Mapping[str, Any]], api: Api, marker: str) -> list[Ref]:
    notes = (translate.note_from(record, origin=api.origin) for record in records)
    return [
        note.ref for note in notes if note and not note.deleted and translate.has_marker(note.text, marker)
    ]


def _settled(way: str, refs: Sequence[Ref], *, is_all_seen: bool = True) -> SearchAnswer:
    by_id = {ref.id: ref for ref in refs}
    if by_id:
        return SearchAnswer(way, Outcome.FOUND, tuple(by_id.values()))
    if is_all_seen:
        return SearchAnswer(way, Outcome.ABSENT)
    return SearchAnswer(way, Outcome.UNANSWERED, reason="not everything since then could be seen")


#: In the order in which they are asked: the cheapest that names the time first.
_WAYS: Final[Mapping[str, Callable[[Api, str, str, datetime], SearchAnswer]]] = {
    "events": find_in_events,
    "record": find_in_record,
    "newest notes": find_in_newest_notes,
}
