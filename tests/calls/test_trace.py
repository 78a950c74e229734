"""A recorded call as a file, its replay, and calls of yesterday under other rules."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from nutshellpbx.calls import rules
from nutshellpbx.calls.models import Call, Pop
from nutshellpbx.calls.rehearsal import What
from nutshellpbx.calls.replaying import outcome_of, replay_under
from nutshellpbx.calls.trace import events_of, export_trace, read_trace
from nutshellpbx.faults import Rejected
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.events import Cause, Direction, Kind, Via
from nutshellpbx.people.models import Company
from tests.calls.test_take_in import CUSTOMER, Office


@pytest.fixture
def office(db: None) -> Office:
    return Office()


def tell_group_call(office: Office) -> Call:
    for extension in ("101", "102"):
        office.say(Kind.RINGING, extension, via=Via.GROUP, via_name="Sales", name="Grace")
    office.say(Kind.ANSWERED, "102", s=6)
    office.say(Kind.ENDED, "101", s=6, cause=Cause.ANSWERED_ELSEWHERE)
    office.say(Kind.ENDED, "102", s=66, cause=Cause.HUNG_UP)
    office.say(Kind.ENDED, s=66, cause=Cause.HUNG_UP)
    return Call.objects.get()


def test_a_trace_holds_what_was_said_and_nobodys_number_name_or_id(office: Office) -> None:
    call = tell_group_call(office)
    trace = export_trace(call=call)
    assert all(secret not in trace for secret in (CUSTOMER, "Grace", "c-1", "Olga", str(office.pbx.pk)))
    said = [(event.kind, event.extension, event.via_name, event.cause) for event in read_trace(trace)]
    assert said == [
        (event.kind, event.extension, event.via_name, event.cause) for event in events_of(call=call)
    ]
    assert {event.number for event in read_trace(trace)} == {"+12025550100"}


def test_a_call_that_became_part_of_another_is_in_its_trace(office: Office) -> None:
    office.say(Kind.ANSWERED, "101", s=1)
    office.say(Kind.ANSWERED, "102", s=30, call="c-2", direction=Direction.INTERNAL, number="101")
    office.say(Kind.JOINED, s=40, call="c-2", joins="c-1")
    office.say(Kind.ENDED, s=300)
    events = read_trace(export_trace(call=Call.objects.get(uid="c-1")))
    assert [event.kind for event in events].count(Kind.JOINED) == 1
    assert {event.joins for event in events} == {"", events[0].call_uid}


def test_a_trace_is_replayed_and_tells_the_story(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "call.trace"
    path.write_text(export_trace(call=tell_group_call(office)), encoding="utf-8")
    out = StringIO()
    call_command("replay", str(path), stdout=out)
    told = [line.strip() for line in out.getvalue().splitlines()]
    assert told[:4] == [
        "09:00:00  101 ringing (group, Sales)",
        "→ 101's desk: card (rings_for_several)",
        "09:00:00  102 ringing (group, Sales)",
        "→ 102's desk: card (rings_for_several)",
    ]
    assert "→ 102's desk: record (one_match)" in told
    assert "→ the entry belongs to 102" in told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no trace"),
        ('{"format":"other"}', "no trace"),
        ('{"format":"nutshellpbx trace 1"}\nnonsense', "Line 2"),
        (
            '{"format":"nutshellpbx trace 1"}\n{"at":"2026-01-01T00:00:00","call":"c","kind":"ringing"}',
            "Line 2",
        ),
        ('{"format":"nutshellpbx trace 1"}\n{"call":"c","kind":"explodes"}', "Line 2"),
        ("\n" * 20_000, "too long"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_the_line(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=why):
        read_trace(text)
    path = tmp_path / "bad.trace"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=why):
        call_command("replay", str(path))


def test_yesterdays_calls_under_other_rules_say_who_would_have_seen_and_kept_what(office: Office) -> None:
    call = tell_group_call(office)
    before = (Entry.objects.count(), Pop.objects.count())
    book = rules.rulebook_now()
    (same,) = replay_under(book=book, calls=[call])
    assert not same.is_changed
    company = Company.get()
    company.group_policy = "open"
    (opened,) = replay_under(book=replace(book, company=company), calls=[call])
    assert opened.is_changed
    first_shown = opened.then[0]
    assert (first_shown.what, opened.names[first_shown.who]) == (What.RECORD, "Olga Owner")
    company.never_log_numbers = [CUSTOMER]
    (left_out,) = replay_under(book=replace(book, company=company), calls=[call])
    assert "never_log" in {why for *_rest, why in outcome_of(left_out.then)}
    assert (Entry.objects.count(), Pop.objects.count()) == before
    assert Company.get().never_log_numbers == []
