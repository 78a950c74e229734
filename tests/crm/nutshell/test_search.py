"""Looking for our own note: each way says found, absent or unanswered; absent only when it saw all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nutshellpbx.crm.adapter import SignInRefused
from nutshellpbx.crm.nutshell import search, translate
from nutshellpbx.crm.nutshell.search import Outcome
from nutshellpbx.faults import TryLater

MARKER = "[npbx 7Q2K-9F4M-XD3B-R-1]"
SINCE = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def seconds(offset_s: int) -> int:
    return int((SINCE + timedelta(seconds=offset_s)).timestamp())


def note(number: int, offset_s: int, text: str = "Inbound call", **values: Any) -> dict[str, Any]:
    return {
        "id": f"{number}-notes",
        "type": "notes",
        "createdTime": seconds(offset_s),
        "body": text,
        **values,
    }


OURS = f"Inbound call\n{MARKER}"


class Wire:
    """Answers what a test laid down, in order, and keeps what was asked."""

    origin = "https://app.nutshell.com"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def get(self, path: str, params: dict[str, Any] | None = None, timeout_s: float = 1.0) -> Any:
        self.asked.append({"path": path, **(params or {})})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call(self, method: str, params: dict[str, Any]) -> Any:
        return self.get(method, params)


def ask(way: Any, wire: Wire, card_id: str = "23-contacts") -> search.SearchAnswer:
    answer: search.SearchAnswer = way(wire, MARKER, card_id, SINCE)
    return answer


def events(*notes: dict[str, Any], count: int | None = None) -> dict[str, Any]:
    listed = [
        {"id": f"{900 - n}-events", "type": "events", "createdTime": each["createdTime"]}
        for n, each in enumerate(notes)
    ]
    listed += [
        {"id": f"{5000 - n}-events", "createdTime": seconds(5)} for n in range((count or 0) - len(listed))
    ]
    return {"meta": {}, "events": listed, "payloads": list(notes)}


def test_the_event_feed_finds_our_note_among_others():
    wire = Wire(events(note(61, 20), note(60, 10, OURS)))
    answer = ask(search.find_in_events, wire)
    assert (answer.outcome, [ref.id for ref in answer.refs]) == (Outcome.FOUND, ["60-notes"])
    assert wire.asked[0]["since_time"] == seconds(0)


def test_an_event_feed_without_our_note_says_absent():
    assert ask(search.find_in_events, Wire(events(note(61, 20)))).outcome is Outcome.ABSENT
    assert ask(search.find_in_events, Wire(events())).outcome is Outcome.ABSENT


def test_a_full_page_of_events_is_followed_to_older_ones():
    full = events(note(61, 20), count=translate.EVENTS_LIMIT)
    wire = Wire(full, events(note(60, 10, OURS)))
    answer = ask(search.find_in_events, wire)
    assert answer.outcome is Outcome.FOUND
    assert wire.asked[1]["max_id"] == full["events"][-1]["id"]


def test_events_that_never_end_are_no_answer():
    full = events(note(61, 20), count=translate.EVENTS_LIMIT)
    answer = ask(search.find_in_events, Wire(full, full, full))
    assert answer.outcome is Outcome.UNANSWERED and answer.reason


def test_a_deleted_note_is_not_there():
    wire = Wire(events(note(60, 10, OURS, deletedTime=seconds(30))))
    assert ask(search.find_in_events, wire).outcome is Outcome.ABSENT


def test_a_feed_of_another_shape_is_no_answer():
    for body in ({"meta": {}}, {"events": []}, {"payloads": []}):
        assert ask(search.find_in_events, Wire(body)).outcome is Outcome.UNANSWERED


def test_the_records_own_notes_are_looked_through():
    ours = {"notes": [{"id": 60, "entityType": "Notes", "note": OURS}]}
    wire = Wire(ours)
    answer = ask(search.find_in_record, wire, "11-accounts")
    assert (answer.outcome, answer.refs[0].id) == (Outcome.FOUND, "60-notes")
    assert wire.asked == [{"path": "getAccount", "accountId": 11}]
    assert ask(search.find_in_record, Wire({"notes": []})).outcome is Outcome.ABSENT
    assert ask(search.find_in_record, Wire({})).outcome is Outcome.UNANSWERED
    assert ask(search.find_in_record, Wire(), "5-leads").outcome is Outcome.UNANSWERED


def test_newest_notes_are_read_until_they_are_older_than_the_attempt():
    wire = Wire({"notes": [note(62, 30), note(61, 20)]}, {"notes": [note(60, 10, OURS), note(59, -5)]})
    answer = ask(search.find_in_newest_notes, wire)
    assert (answer.outcome, [ref.id for ref in answer.refs]) == (Outcome.FOUND, ["60-notes"])
    assert [asked["page[page]"] for asked in wire.asked] == [0, 1]
    assert ask(search.find_in_newest_notes, Wire({"notes": [note(59, -5)]})).outcome is Outcome.ABSENT
    assert ask(search.find_in_newest_notes, Wire({"notes": []})).outcome is Outcome.ABSENT


@pytest.mark.parametrize(
    "pages",
    [
        [{"notes": [note(1, -900), note(2, 10)]}],
        [{"notes": [note(2, 10)]}, {"notes": [note(3, 20)]}],
        [{"notes": [{"id": "4-notes", "body": "undated"}]}],
        [{"meta": {}}],
    ],
    ids=["oldest first", "newer on the next page", "undated", "another shape"],
)
def test_a_list_in_another_order_is_no_answer(pages):
    assert ask(search.find_in_newest_notes, Wire(*pages)).outcome is Outcome.UNANSWERED


def test_the_next_way_is_asked_when_one_does_not_answer():
    wire = Wire(TryLater("away"), TryLater("away"), {"notes": [note(60, 10, OURS)]}, {"notes": []})
    answers = search.find_by_every_way(api=wire, marker=MARKER, card_id="23-contacts", since=SINCE)
    assert [answer.outcome for answer in answers] == [
        Outcome.UNANSWERED,
        Outcome.UNANSWERED,
        Outcome.FOUND,
    ]


def test_what_was_found_is_not_lost_when_the_next_page_fails():
    wire = Wire({"notes": [note(60, 10, OURS)]}, TryLater("away"))
    assert ask(search.find_in_newest_notes, wire).outcome is Outcome.FOUND
    wire = Wire(events(note(60, 10, OURS), count=translate.EVENTS_LIMIT), TryLater("away"))
    assert ask(search.find_in_events, wire).outcome is Outcome.FOUND


def test_a_way_that_found_the_note_is_enough():
    wire = Wire(events(note(60, 70, OURS)))
    answers = search.find_by_every_way(api=wire, marker=MARKER, card_id="23-contacts", since=SINCE)
    assert [answer.outcome for answer in answers] == [Outcome.FOUND]


def test_a_refused_sign_in_is_told_at_once():
    with pytest.raises(SignInRefused):
        search.find_by_every_way(
            api=Wire(SignInRefused("refused")),
            marker=MARKER,
            card_id="23-contacts",
            since=SINCE,
        )
