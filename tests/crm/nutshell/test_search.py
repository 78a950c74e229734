"""Looking for our own note: each way says found, absent or unanswered; absent only when it saw all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nutshellpbx.crm.adapter import SignInRefused, SlowDown, WayAnswer
from nutshellpbx.crm.adapter import WayOutcome as Outcome
from nutshellpbx.crm.nutshell import search, translate
from nutshellpbx.crm.nutshell.api import Api
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
    ahead = timedelta(0)

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def get(self, path: str, params: dict[str, Any] | None = None, timeout_s: float = 1.0) -> Any:
        self.asked.append({"path": path, **(params or {})})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def earliest(self, since: datetime) -> datetime:
        return min(since, since + self.ahead)

    def call(self, method: str, params: dict[str, Any]) -> Any:
        return self.get(method, params)


def ask(way: Any, wire: Wire, card_id: str = "23-contacts") -> WayAnswer:
    answer: WayAnswer = way(wire, MARKER, card_id, SINCE)
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


OTHER = "[npbx 7Q2K-9F4M-XD3C-Z-1]"
THEIRS = f"Outbound call\n{OTHER}"


def test_many_markers_are_found_by_one_reading_of_the_feed():
    heard: list[WayAnswer] = []
    wire = Wire(events(note(62, 30), note(61, 20, THEIRS), note(60, 10, OURS), note(63, 5, OURS)))
    missing = "[npbx 0000-0000-0000-0-1]"
    found = search.find_many(api=wire, markers={MARKER, OTHER, missing}, since=SINCE, heard=heard.append)
    assert {marker: [ref.id for ref in refs] for marker, refs in found.items()} == {
        MARKER: ["60-notes", "63-notes"],
        OTHER: ["61-notes"],
        missing: [],
    }
    assert len(wire.asked) == 1
    assert [(one.way, one.outcome) for one in heard] == [("events", Outcome.FOUND)]


def test_many_are_looked_for_in_the_newest_notes_when_the_feed_does_not_answer():
    heard: list[WayAnswer] = []
    wire = Wire(TryLater("away"), {"notes": [note(60, 10, OURS), note(59, -500)]})
    found = search.find_many(api=wire, markers={MARKER, OTHER}, since=SINCE, heard=heard.append)
    assert ([ref.id for ref in found[MARKER]], found[OTHER]) == (["60-notes"], [])
    assert [(one.way, one.outcome) for one in heard] == [
        ("events", Outcome.UNANSWERED),
        ("newest notes", Outcome.FOUND),
    ]


def test_a_marker_that_was_not_found_in_half_a_list_was_not_told_of():
    wire = Wire({"events": [], "payloads": "?"}, {"notes": [note(60, 10, OURS)]}, TryLater("away"))
    found = search.find_many(api=wire, markers={MARKER, OTHER}, since=SINCE)
    assert list(found) == [MARKER]
    with pytest.raises(TryLater):
        search.find_many(api=Wire(TryLater("away"), TryLater("away")), markers={MARKER}, since=SINCE)


def test_who_asks_for_fewer_requests_is_not_asked_the_other_ways():
    for asked in (search.find_many, search.find_by_every_way):
        wire = Wire(SlowDown("slower"))
        more = {"markers": {MARKER}} if asked is search.find_many else {"marker": MARKER, "card_id": "1"}
        with pytest.raises(SlowDown):
            asked(api=wire, since=SINCE, **more)
        assert len(wire.asked) == 1


def test_every_way_that_was_asked_is_told_with_its_reason():
    heard: list[WayAnswer] = []
    wire = Wire(TryLater("away"), {"notes": []}, {"meta": {}})
    search.find_by_every_way(api=wire, marker=MARKER, card_id="23-contacts", since=SINCE, heard=heard.append)
    assert [(one.way, one.outcome, bool(one.reason)) for one in heard] == [
        ("events", Outcome.UNANSWERED, True),
        ("record", Outcome.ABSENT, False),
        ("newest notes", Outcome.UNANSWERED, True),
    ]


def test_a_crm_whose_clock_stands_elsewhere_is_asked_from_the_right_moment():
    """Only its first answer tells; the second question begins an hour earlier."""

    class Behind(Wire):
        def get(self, path: str, params: dict[str, Any] | None = None, timeout_s: float = 1.0) -> Any:
            answer = super().get(path, params, timeout_s)
            self.ahead = timedelta(hours=-1)
            return answer

    wire = Behind(events(), events(note(60, -3590, OURS)))
    answer = ask(search.find_in_events, wire)
    assert answer.outcome is Outcome.FOUND
    assert [asked["since_time"] for asked in wire.asked] == [seconds(0), seconds(-3600)]


@pytest.mark.parametrize(
    ("ahead", "since", "earliest"),
    [
        (timedelta(0), timedelta(minutes=-5), timedelta(minutes=-5)),
        (timedelta(hours=1), timedelta(minutes=-5), timedelta(minutes=-5)),
        (timedelta(hours=-1), timedelta(minutes=-5), timedelta(hours=-1, minutes=-5)),
        (timedelta(0), timedelta(days=365), timedelta(minutes=-1)),
        (timedelta(days=-365), timedelta(minutes=-5), timedelta(days=-365, minutes=-5)),
    ],
    ids=["agrees", "we are late", "we are early", "in the future", "a year early"],
)
def test_since_is_rather_too_early_than_too_late(ahead, since, earliest):
    api = Api(origin="https://app.nutshell.com", as_=None)
    api._ahead = ahead
    now = datetime.now(UTC)
    assert abs(api.earliest(now + since) - (now + earliest)) < timedelta(seconds=5)
