"""Calls that nobody heard are found in the PBX's own records; whoever was heard is not told twice."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from nutshellpbx.lab.threecx.cdr import FIELDS, RecordWriter
from nutshellpbx.lab.threecx.server import ThreeCx
from nutshellpbx.pbx.events import Kind
from nutshellpbx.pbx.threecx import listening, reconcile
from nutshellpbx.pbx.threecx.cdrsource import CdrDoor, CdrFile
from tests.threecx.hearing import GRACE, Listener, hearing, listening_to, make_connector, play


def logged(heard: Listener) -> list[str]:
    return [line.partition(" ")[2] for line in heard.lines if line.startswith("log-")]


def reconciling_of(heard: Listener) -> reconcile.Reconciling:
    assert heard.connector._hearing is not None
    return heard.connector._hearing.reconciling


def play_heard_call(pbx: ThreeCx, heard: Listener) -> None:
    play(pbx, "in H +13125550177 Heard", "ring H 103")
    heard.wait(lambda: any("…0177" in line for line in heard.lines))
    play(pbx, "answer H 103", "end H")
    heard.wait_for_end()


def test_a_phone_that_was_busy_is_found_in_the_log(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play_heard_call(pbx, heard)
        play(pbx, f"in A {GRACE} Grace", "missed A 101", "end A")
        heard.wait(lambda: len(logged(heard)) == 3)
        assert logged(heard) == [
            "101-1 ended inbound …0142 no_answer",
            "101-1 ringing inbound …0142",
            "- ended inbound …0142 no_answer",
        ]


def test_what_happened_while_events_got_lost_is_found_in_the_log_once(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        pbx.behaviour.loses_events = True
        play(pbx, f"in A {GRACE} Grace", "ring A 101", "answer A 101", "end A")
        pbx.behaviour.loses_events = False
        heard.wait(lambda: len(logged(heard)) == 4)
        play_heard_call(pbx, heard)
        pbx.drop_sockets()
        pbx.wait_for_listener(2)
        asked = len(pbx.requests)
        pbx.wait(lambda: sum("GetCallLogData" in path for _method, path in pbx.requests[asked:]) >= 1)
        assert len(logged(heard)) == 4
        assert not [line for line in logged(heard) if "…0177" in line]


def test_a_client_that_may_not_read_the_log_asks_no_more_for_now(pbx: ThreeCx) -> None:
    pbx.behaviour.has_xapi = False
    with hearing(pbx) as heard:
        pbx.wait(lambda: any("xapi" in path for _method, path in pbx.requests))
        play_heard_call(pbx, heard)
        assert sum("xapi" in path for _method, path in pbx.requests) == 1


@pytest.fixture
def writer(pbx: ThreeCx) -> RecordWriter:
    pbx.behaviour.has_xapi = False
    written = RecordWriter(hours_ahead=2)
    pbx.switch.logged.append(written.write)
    return written


def check_cdr(pbx: ThreeCx, heard: Listener) -> None:
    play_heard_call(pbx, heard)
    pbx.behaviour.loses_events = True
    play(pbx, f"in A {GRACE} Grace, Ms. did=12125550100", "ring A 101 102", "answer A 101", "end A")
    heard.wait(lambda: sum(line.startswith("- ended") for line in logged(heard)) == 1)
    lines = logged(heard)
    assert {line.split()[3] for line in lines} == {"…0142"}
    assert "101-1 answered inbound …0142" in lines


def test_records_come_from_a_file_of_times_in_another_zone(
    pbx: ThreeCx, writer: RecordWriter, tmp_path: Path
) -> None:
    writer.file = tmp_path / "cdr.log"
    writer.file.write_text("what stands there already\r\n")
    with hearing(pbx, cdr="file", cdr_place=str(writer.file)) as heard:
        heard.wait_until(lambda: reconciling_of(heard)._source)
        check_cdr(pbx, heard)


def test_records_come_from_the_pbxs_port(pbx: ThreeCx, writer: RecordWriter) -> None:
    port = writer.open_port()
    with hearing(pbx, cdr="passive", cdr_place=str(port)) as heard:
        assert writer.wait_for_readers()
        check_cdr(pbx, heard)
    writer.close()


def test_records_come_to_a_port_of_ours_in_an_order_of_their_own(pbx: ThreeCx, writer: RecordWriter) -> None:
    writer.fields = sorted(FIELDS)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    order = ",".join(sorted(FIELDS))
    with hearing(pbx, cdr="active", cdr_place=str(port), cdr_fields=order, cdr_zone="") as heard:
        heard.wait_until(lambda: reconciling_of(heard)._source)
        writer.call_port(port)
        check_cdr(pbx, heard)
    writer.close()


def test_without_the_call_control_api_records_alone_are_heard(
    pbx: ThreeCx, writer: RecordWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "DENIED_AGAIN_S", 30.0)
    pbx.behaviour.has_call_control = False
    writer.file = tmp_path / "cdr.log"
    writer.file.touch()
    with listening_to(make_connector(pbx.url, cdr="file", cdr_place=str(writer.file))) as heard:
        heard.wait(lambda: heard.reports)
        assert heard.reports[0][0] == "connected" and "Call records alone" in heard.reports[0][1]
        play(pbx, f"in A {GRACE} Grace", "ring A 101", "answer A 101", "end A")
        heard.wait(lambda: len(logged(heard)) == 4)
        assert not heard.raised


def test_a_file_that_is_not_there_never_keeps_calls_from_being_heard(pbx: ThreeCx, tmp_path: Path) -> None:
    with hearing(pbx, cdr="file", cdr_place=str(tmp_path / "nothing")) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait(lambda: heard.events and heard.events[0].kind is Kind.RINGING)
        heard.wait(lambda: "cannot be read" in heard.reports[-1][1])
        assert heard.reports[-1][0] == "connected"


def test_a_file_that_is_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "cdr.log"
    path.write_bytes(b"old\r\n")
    source = CdrFile(str(path))
    assert source.lines() == []
    with path.open("ab") as file:
        file.write(b"one\r\ntw")
    assert source.lines() == [b"one\r"]
    with path.open("ab") as file:
        file.write(b"o\r\n")
    assert source.lines() == [b"two\r"]
    path.rename(tmp_path / "cdr.log.1")
    path.write_bytes(b"three\r\n")
    assert source.lines() == [b"three\r"]


def test_a_caller_from_elsewhere_brings_no_records() -> None:
    door = CdrDoor(0, host="203.0.113.7", bound_to="127.0.0.1")
    with socket.create_connection(("127.0.0.1", door.port)) as caller:
        caller.sendall(b"a line\r\n")
        while not door.refused:
            assert door.lines() == []
    door.close()
