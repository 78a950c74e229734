"""Calls as the PBX keeps them: CDR lines in any order of fields, rows of the log; which nobody heard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind, Via
from nutshellpbx.pbx.threecx import cdr, doubts, records, xapi
from nutshellpbx.pbx.threecx.records import Book, Part, Record

USUAL = cdr.read_fields("")
ZONE = ZoneInfo("UTC")
AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
#: As published of a real system: an outgoing call, twenty-seven fields.
OUTGOING = (
    "Call 5121,00000C099511D2E6_51,00:00:04,2020/05/30 06:53:32,2020/05/30 06:53:41,2020/05/30 06:53:46,"
    "TerminatedBySrc,Ext.333,7526369,333,10000,97526369,,,,,1,0.08,default,Chain: Ext.333;97526369;,"
    "Extension,Line,,Ada Vance,7526369,,"
)
#: The same shape for a call that came in through a queue.
QUEUED = (
    "Call 7,000_7,,2026/03/02 09:15:00,{answered},2026/03/02 09:17:40,TerminatedBySrc,+13125550142,"
    "{to},10001,{dn},12125550100,,,,,1,0,default,Chain,Line,{kind},,Grace,{name},,"
)


def read(*lines: str, fields: tuple[str, ...] = USUAL) -> list[Record]:
    rows = [row for row in (cdr.read_line(line, fields) for line in lines) if row is not None]
    return cdr.records_of(rows, zone=ZONE)


def test_a_published_line_is_read_as_the_outgoing_call_that_it_is() -> None:
    [record] = read(OUTGOING + "\r\n")
    assert (record.direction, record.number) == (Direction.OUTBOUND, "7526369")
    [part] = record.parts
    assert (part.extension, part.answered_at) == ("333", datetime(2020, 5, 30, 6, 53, 41, tzinfo=UTC))
    assert record.uid == "Call_5121@20200530065332"


def test_a_queues_lines_are_one_call() -> None:
    queue = QUEUED.format(answered="", to="Ext.800", dn="800", kind="Queue", name="Sales")
    agent = QUEUED.format(
        answered="2026/03/02 09:15:12", to="Ext.102", dn="102", kind="Extension", name="Ben"
    )
    [record] = read(queue, agent)
    assert (record.via, record.via_name, record.number) == (Via.QUEUE, "800", "+13125550142")
    assert [part.extension for part in record.parts] == ["102"]
    assert record.cause is None


@pytest.mark.parametrize(
    "fields",
    [
        "time-start,time-end,from-no,to-no,from-type,to-type,time-answered",
        "to-type,from-type,to-no,from-no,time-answered,time-end,time-start",
        "historyid, TIME-START ,from-no,to-no,time-end,bill-cost",
    ],
)
def test_fields_come_in_the_order_that_the_admin_chose(fields: str) -> None:
    values = {
        "time-start": "2026/03/02 09:15:00",
        "time-end": "2026/03/02 09:17:00",
        "from-no": "+13125550142",
        "to-no": "Ext.101",
        "from-type": "Line",
        "to-type": "Extension",
        "historyid": "Call 9",
    }
    order = cdr.read_fields(fields)
    [record] = read(",".join(values.get(name, "") for name in order), fields=order)
    assert (record.direction, record.number, record.parts[0].extension) == (
        Direction.INBOUND,
        "+13125550142",
        "101",
    )


def test_a_list_without_the_times_is_said_to_lack_them() -> None:
    assert cdr.find_missing(cdr.read_fields("from-no,to-no")) == ["time-start", "time-end"]
    assert cdr.find_missing(USUAL) == []


def test_commas_in_a_name_do_not_move_the_fields_behind_it() -> None:
    line = OUTGOING.replace("Ada Vance", "Vance, Ada, Dr.")
    row = cdr.read_line(line, USUAL)
    assert row is not None and row["to-type"] == "Line" and row["missed-queue-calls"] == ""


@pytest.mark.parametrize("line", ["", "\r\n", "no record", "," * 40, "x" * 9_000])
def test_what_is_no_record_is_left_out(line: str) -> None:
    assert read(line) == []


@pytest.mark.parametrize("hours", [-5, 0, 1, 5.5, 13])
def test_the_zone_of_the_times_is_found_out_from_when_a_line_comes(hours: float) -> None:
    told = AT + timedelta(hours=hours)
    row = {"time-end": f"{told:%Y/%m/%d %H:%M:%S}"}
    assert cdr.find_shift(row, AT + timedelta(seconds=40)) == timedelta(hours=hours)


def test_a_line_in_another_encoding_is_read() -> None:
    assert cdr.decode("Zoë".encode("cp1252")) == cdr.decode("Zoë".encode()) == "Zoë"


@settings(deadline=None)
@given(st.text(max_size=200) | st.lists(st.text(max_size=20), min_size=27, max_size=30).map(",".join))
def test_a_line_of_anything_is_read_without_raising(line: str) -> None:
    for record in read(line):
        assert len(record.number) <= 64 and record.name.isprintable()


def row_of(**more: Any) -> dict[str, Any]:
    return {
        "CallHistoryId": "h1",
        "StartTime": "2026-03-02T10:15:00.1234567+01:00",
        "Direction": "Inbound",
        "Status": "Answered",
        "SourceCallerId": "+13125550142",
        "SourceDisplayName": "Grace",
        "SourceType": "Wexternalline",
        "DestinationDn": "101",
        "DestinationType": "Wextension",
        "RingingDuration": "PT12S",
        "TalkingDuration": "00:02:31",
        **more,
    }


def test_a_row_of_the_log_is_read_whatever_its_spelling_of_times() -> None:
    [record] = xapi.records_of([row_of()])
    assert record.began_at == AT + timedelta(microseconds=123456)
    assert record.ended_at - record.began_at == timedelta(seconds=12 + 151)
    [part] = record.parts
    assert part.answered_at == record.began_at + timedelta(seconds=12)


def test_rows_of_one_call_are_one_record() -> None:
    queue = row_of(DestinationDn="800", DestinationType="Wqueue", Status="Unanswered", TalkingDuration=0)
    [record] = xapi.records_of([queue, row_of(), row_of(CallHistoryId="h2", MainCallHistoryId="h1")])
    assert record.via_name == "800" and len(record.parts) == 2


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(sorted(row_of())),
            st.text(max_size=20) | st.integers() | st.none() | st.booleans(),
        ).map(lambda odd: row_of(**odd)),
        max_size=3,
    )
)
def test_rows_of_anything_are_read_without_raising(rows: list[Any]) -> None:
    xapi.records_of(rows)


def record_of(**more: Any) -> Record:
    values: dict[str, Any] = {
        "uid": "h1",
        "direction": Direction.INBOUND,
        "number": "0013125550142",
        "began_at": AT,
        "ended_at": AT + timedelta(seconds=60),
        "parts": (Part("101", AT, AT + timedelta(seconds=60), AT + timedelta(seconds=10)),),
        **more,
    }
    return Record(**values)


def live(
    at: datetime, kind: Kind = Kind.RINGING, *, number: str = "+13125550142", leg: str = "x"
) -> CallEvent:
    return CallEvent("pbx", "1", kind, at, leg, "101", Direction.INBOUND, number)


LATER = AT + timedelta(minutes=5)


@pytest.mark.parametrize("apart_s", [-9, 0, 9])
def test_a_call_that_was_heard_is_not_told_again(apart_s: int) -> None:
    book = Book()
    book.note(live(AT + timedelta(seconds=apart_s)))
    book.note(live(AT + timedelta(seconds=60 + apart_s), Kind.ENDED, leg=""))
    assert records.missed(book, [record_of()], LATER) == []


@pytest.mark.parametrize(
    "heard",
    [
        live(AT, number="+13125550199"),
        live(AT - timedelta(minutes=10), Kind.ENDED, leg=""),
    ],
)
def test_another_call_is_no_proof_that_this_one_was_heard(heard: CallEvent) -> None:
    book = Book()
    book.note(heard)
    assert records.missed(book, [record_of()], LATER) == [record_of()]


def test_a_withheld_number_is_told_apart_by_its_extension() -> None:
    book = Book()
    book.note(live(AT, number=""))
    book.note(live(AT + timedelta(seconds=60), Kind.ENDED, number="", leg=""))
    assert records.missed(book, [record_of(number="")], LATER) == []
    other = record_of(uid="h2", number="", parts=(Part("102", AT, LATER),))
    assert records.missed(book, [other], LATER) == [other]


def test_a_record_is_judged_once_and_not_before_it_is_ripe() -> None:
    book = Book()
    assert records.missed(book, [record_of()], AT + timedelta(seconds=61)) == []
    assert records.missed(book, [record_of()], LATER) == [record_of()]
    assert records.missed(book, [record_of()], LATER) == []


def test_an_internal_call_and_one_that_rang_nowhere_are_nobodys_business() -> None:
    found = [record_of(direction=Direction.INTERNAL), record_of(uid="h2", parts=())]
    assert records.missed(Book(), found, LATER) == []


def test_what_a_record_tells_is_named_by_it_so_that_a_repeat_is_recognised() -> None:
    events = records.events_of(record_of(), pbx="pbx")
    assert [(event.kind, event.leg) for event in events] == [
        (Kind.ENDED, "101-1"),
        (Kind.RINGING, "101-1"),
        (Kind.ANSWERED, "101-1"),
        (Kind.ENDED, ""),
    ]
    assert {event.call_uid for event in events} == {"log-h1"}
    assert len({event.raw_id for event in events}) == 4
    assert events == records.events_of(record_of(), pbx="pbx")
    assert events[0].cause is Cause.HUNG_UP


def test_what_was_told_of_a_record_is_not_taken_for_a_live_call() -> None:
    book = Book()
    for event in records.events_of(record_of(), pbx="pbx"):
        book.note(event)
    assert book.calls == {}


def test_what_is_remembered_has_an_end() -> None:
    book = Book()
    for number in range(6_000):
        book.note(CallEvent("pbx", str(number), Kind.RINGING, AT))
    assert len(book.calls) == records.MOST_REMEMBERED
    assert doubts.call_log_path(AT, LATER).startswith("/xapi/v1/ReportCallLogData/Pbx.GetCallLogData(")
