"""Looking for notes of ours by their markers, in three ways; none of them is documented for this use.

Each way answers for itself: found, absent (it looked everywhere a note since then could be) or unanswered.
A way that could not look everywhere never says absent. All three are UNVERIFIED on a live instance, so every
answer is told to `heard`, which keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from nutshellpbx.crm.adapter import Ref, SlowDown, WayAnswer, WayOutcome
from nutshellpbx.crm.nutshell import translate
from nutshellpbx.crm.nutshell.api import Api
from nutshellpbx.faults import Denied, Fault, TryLater

Heard = Callable[[WayAnswer], None]

_RPC_GETS: Final[Mapping[str, tuple[str, str]]] = {
    "contacts": ("getContact", "contactId"),
    "accounts": ("getAccount", "accountId"),
}


@dataclass(slots=True)
class _Scan:
    """What one way saw: the refs by marker and id; `gap` says what could not be seen, if anything."""

    refs: dict[str, dict[str, Ref]] = field(default_factory=dict)
    gap: str = ""

    def take(self, records: Iterable[Mapping[str, Any]], markers: Collection[str], api: Api) -> None:
        for record in records:
            note = translate.note_from(record, origin=api.origin)
            if note is None or note.deleted:
                continue
            for marker in markers:
                if marker in note.text and translate.has_marker(note.text, marker):
                    self.refs.setdefault(marker, {})[note.ref.id] = note.ref


def find_by_every_way(
    *, api: Api, marker: str, card_id: str, since: datetime, heard: Heard | None = None
) -> list[WayAnswer]:
    """Ask one way after the other until one has found the note.

    Raises `Denied` when the sign-in is refused and `SlowDown` when the CRM wants fewer requests.
    """
    answers: list[WayAnswer] = []
    for way, search in _WAYS.items():
        try:
            answer = search(api, marker, card_id, since - translate.CLOCKS_DIFFER)
        except (Denied, SlowDown) as fault:
            _tell(heard, WayAnswer(way, WayOutcome.UNANSWERED, reason=fault.title))
            raise
        except Fault as fault:
            answer = WayAnswer(way, WayOutcome.UNANSWERED, reason=fault.title)
        _tell(heard, answer)
        answers.append(answer)
        if answer.outcome is WayOutcome.FOUND:
            break
    return answers


def find_many(
    *, api: Api, markers: Collection[str], since: datetime, heard: Heard | None = None
) -> dict[str, list[Ref]]:
    """The refs of each marker; one that was not found is left out where not everything could be seen.

    Raises `TryLater` when neither the feed nor the list of notes answered.
    """
    answers: list[WayAnswer] = []
    for way, scan_all in ((EVENTS, _scan_events), (NEWEST, _scan_newest_notes)):
        scan = _Scan()
        try:
            scan_all(api, markers, since - translate.CLOCKS_DIFFER, scan)
        except (Denied, SlowDown):
            raise
        except Fault as fault:
            scan.gap = fault.title
        refs = {marker: list(found.values()) for marker, found in scan.refs.items()}
        answer = _settled(way, [ref for found in refs.values() for ref in found], gap=scan.gap)
        _tell(heard, answer)
        answers.append(answer)
        if not scan.gap:
            return {marker: refs.get(marker, []) for marker in markers}
        if refs:
            return refs
    raise unanswered(answers)


def unanswered(answers: Sequence[WayAnswer]) -> TryLater:
    """The fault for a search that no way answered."""
    return TryLater(
        _("Nutshell could not be searched for the note"),
        _("It is tried again; look into the record and mark the entry as done by hand if it is there."),
        detail="; ".join(f"{answer.way}: {answer.reason}" for answer in answers),
    )


def find_in_events(api: Api, marker: str, card_id: str, since: datetime) -> WayAnswer:
    """Look through what changed since then; every event brings the note as it stands now."""
    return _ask(EVENTS, _scan_events, api, marker, since)


def find_in_newest_notes(api: Api, marker: str, card_id: str, since: datetime) -> WayAnswer:
    """Look through the newest notes of everybody, page by page, until they are older than the attempt."""
    return _ask(NEWEST, _scan_newest_notes, api, marker, since)


def find_in_record(api: Api, marker: str, card_id: str, since: datetime) -> WayAnswer:
    """Look through the record's own notes, which the older interface gives with the record."""
    number, _hyphen, plural = card_id.partition("-")
    if plural not in _RPC_GETS or not number.isdecimal():
        return WayAnswer(RECORD, WayOutcome.UNANSWERED, reason="the record has no notes of its own")
    method, argument = _RPC_GETS[plural]
    record = api.call(method, {argument: int(number)})
    notes = record.get("notes") if isinstance(record, Mapping) else None
    if not isinstance(notes, list):
        return WayAnswer(RECORD, WayOutcome.UNANSWERED, reason="the record came without its notes")
    scan = _Scan()
    scan.take([note for note in notes if isinstance(note, Mapping)], (marker,), api)
    return _settled(RECORD, list(scan.refs.get(marker, {}).values()))


def _ask(way: str, scan_all: _ScanAll, api: Api, marker: str, since: datetime) -> WayAnswer:
    scan = _Scan()
    try:
        scan_all(api, (marker,), since, scan)
    except TryLater:
        if not scan.refs:
            raise
    return _settled(way, list(scan.refs.get(marker, {}).values()), gap=scan.gap)


def _scan_events(api: Api, markers: Collection[str], since: datetime, scan: _Scan) -> None:
    start = api.earliest(since)
    params: dict[str, Any] = {
        "since_time": int(start.timestamp()),
        "filters[payload][]": "notes",
        "limit": translate.EVENTS_LIMIT,
    }
    for _page in range(translate.NOTES_PAGES):
        body = api.get("/events", params=params)
        if api.earliest(since) < start - translate.CLOCKS_DIFFER:
            # Only its answer told that the CRM's clock stands elsewhere: the same question once more.
            start = api.earliest(since)
            params = {**params, "since_time": int(start.timestamp())}
            body = api.get("/events", params=params)
        events = translate.records_from(body, plural="events")
        payloads = translate.records_from(body, plural="payloads")
        if events is None or payloads is None:
            scan.gap = "the event feed has another shape"
            return
        scan.take(payloads, markers, api)
        times = [moment for event in events if (moment := translate.time_from(event.get("createdTime")))]
        if len(events) < translate.EVENTS_LIMIT or (times and min(times) < start):
            return
        oldest = translate.id_from(events[-1].get("id"), kind="events")
        if not oldest or params.get("max_id") == oldest:
            break
        params = {**params, "max_id": oldest}
    scan.gap = NOT_ALL_SEEN


def _scan_newest_notes(api: Api, markers: Collection[str], since: datetime, scan: _Scan) -> None:
    newest_before: datetime | None = None
    for page in range(translate.NOTES_PAGES):
        params = {
            "page[limit]": translate.NOTES_LIMIT,
            "page[page]": translate.FIRST_PAGE + page,
            "sort": translate.NOTES_SORT,
        }
        notes = translate.records_from(api.get("/notes", params=params), plural="notes")
        if notes is None:
            scan.gap = "the list of notes has another shape"
            return
        scan.take(notes, markers, api)
        times = [translate.time_from(note.get("createdTime")) for note in notes]
        known = [moment for moment in times if moment is not None]
        if len(known) < len(times) or known != sorted(known, reverse=True):
            break
        if known and newest_before is not None and known[0] > newest_before:
            break
        if not notes or known[-1] < api.earliest(since):
            return
        newest_before = known[-1]
    scan.gap = NOT_ALL_SEEN


def _settled(way: str, refs: Sequence[Ref], *, gap: str = "") -> WayAnswer:
    by_id = {ref.id: ref for ref in refs}
    if by_id:
        return WayAnswer(way, WayOutcome.FOUND, tuple(by_id.values()))
    return WayAnswer(way, WayOutcome.UNANSWERED if gap else WayOutcome.ABSENT, reason=gap)


def _tell(heard: Heard | None, answer: WayAnswer) -> None:
    if heard is not None:
        heard(answer)


EVENTS: Final = "events"
RECORD: Final = "record"
NEWEST: Final = "newest notes"
NOT_ALL_SEEN: Final = "not everything since then could be seen"
_ScanAll = Callable[[Api, Collection[str], datetime, _Scan], None]
#: In the order in which they are asked: the cheapest that names the time first.
_WAYS: Final[Mapping[str, Callable[[Api, str, str, datetime], WayAnswer]]] = {
    EVENTS: find_in_events,
    RECORD: find_in_record,
    NEWEST: find_in_newest_notes,
}
