from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from nutshellpbx.lab.nutshell.misbehaviour import KINDS, Misbehaviour, UnknownFault
from nutshellpbx.lab.nutshell.running import RunningNutshell
from tests.lab.asking import add_note, ask


def bodies(nutshell: RunningNutshell) -> list[str]:
    return [note["body"] for note in nutshell.notes()]


def test_a_reset_before_the_write_leaves_nothing_and_one_after_it_leaves_a_note(
    nutshell: RunningNutshell,
) -> None:
    nutshell.misbehave({"kind": "reset_before", "method": "POST", "path": "/rest/notes", "times": 1})
    with pytest.raises(ConnectionResetError):
        add_note(nutshell, "never")
    nutshell.misbehave({"kind": "reset_after", "method": "POST", "path": "/rest/notes", "times": 1})
    with pytest.raises(ConnectionResetError):
        add_note(nutshell, "unheard")
    assert add_note(nutshell, "heard").status == 201
    assert bodies(nutshell) == ["unheard", "heard"]
    entries = [entry for entry in nutshell.log() if entry["method"] == "POST"]
    assert [(e["status"], e["handled"], e["fault"]) for e in entries] == [
        (None, False, "reset_before"),
        (None, True, "reset_after"),
        (201, True, None),
    ]


def test_a_5xx_may_come_before_or_after_the_write(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "status_before", "status": 500, "times": 1})
    told = add_note(nutshell, "never")
    assert (told.status, told.json) == (500, {"code": 500, "message": "Internal Server Error"})
    nutshell.misbehave({"kind": "status_after", "status": 502, "times": 1})
    told = add_note(nutshell, "unheard")
    assert (told.status, told.media_type) == (502, "text/html")
    assert bodies(nutshell) == ["unheard"]


def test_throttling_says_when_to_come_back_or_does_not(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "throttle", "retry_after": 7, "times": 1}, {"kind": "throttle", "times": 1})
    first, second = add_note(nutshell, "x"), add_note(nutshell, "x")
    assert (first.status, first.headers.get("retry-after")) == (429, "7")
    assert (second.status, second.headers.get("retry-after")) == (429, None)
    assert bodies(nutshell) == []


def test_a_truncated_answer_ends_in_the_middle(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "truncate", "times": 1})
    with pytest.raises(http.client.IncompleteRead):
        add_note(nutshell, "cut")
    assert bodies(nutshell) == ["cut"]


def test_answers_can_be_of_the_wrong_type_html_garbage_or_empty(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "wrong_type", "times": 1})
    told = ask(nutshell, "GET", "/rest/users")
    assert told.media_type == "text/plain"
    assert told.json["users"]
    nutshell.misbehave({"kind": "html", "times": 1})
    told = ask(nutshell, "GET", "/rest/users")
    assert (told.status, told.media_type) == (200, "text/html")
    nutshell.misbehave({"kind": "garbage", "times": 1})
    told = ask(nutshell, "GET", "/rest/contacts")
    assert told.media_type == "application/json"
    with pytest.raises(ValueError, match=r"."):
        json.loads(told.body)
    nutshell.misbehave({"kind": "empty", "times": 1})
    told = ask(nutshell, "GET", "/rest/contacts")
    assert (told.status, told.body) == (200, b"")


def test_delay_comes_before_and_slow_answer_after_the_write(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "slow_answer", "seconds": 30, "times": 1})
    with pytest.raises(TimeoutError):
        add_note(nutshell, "unheard", timeout_s=0.3)
    assert bodies(nutshell) == ["unheard"]
    nutshell.misbehave({"kind": "delay", "seconds": 0.2, "times": 1})
    started = time.monotonic()
    assert add_note(nutshell, "late").status == 201
    assert time.monotonic() - started >= 0.2


def test_a_delayed_request_does_not_hold_up_another(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "delay", "seconds": 30, "path": "/rest/users", "times": 1})
    with pytest.raises(TimeoutError):
        ask(nutshell, "GET", "/rest/users", timeout_s=0.1)
    assert ask(nutshell, "GET", "/rest/contacts/23").status == 200


def test_a_trickling_answer_arrives_whole_but_slowly(nutshell: RunningNutshell) -> None:
    quick = ask(nutshell, "GET", "/rest/activitytypes")
    nutshell.misbehave({"kind": "trickle", "bytes_per_s": len(quick.body) * 3, "times": 1})
    started = time.monotonic()
    assert ask(nutshell, "GET", "/rest/activitytypes").body == quick.body
    assert time.monotonic() - started > 0.2


def test_a_duplicate_answer_puts_the_same_bytes_twice_on_the_line(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "duplicate", "path": "/assets", "times": 1})
    with socket.create_connection(("127.0.0.1", urlsplit(nutshell.url).port or 0), timeout=5) as line:
        line.sendall(b"GET /assets/icon.svg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = b""
        while piece := line.recv(65536):
            got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert got[: len(got) // 2] == got[len(got) // 2 :]


def test_index_lag_hides_new_records_from_lists_but_not_from_their_address(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "lag", "seconds": 0.4, "tables": ["contacts", "notes"]})
    made = nutshell.ask("POST", "/contacts", {"name": "Late Comer", "phones": ["+1 312 555 0191"]})
    [note] = add_note(nutshell, "late").json["notes"]

    def listed() -> tuple[int, int]:
        people = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", "3125550191")]).json
        notes = ask(nutshell, "GET", "/rest/notes").json
        return len(people["contacts"]), len(notes["notes"])

    assert listed() == (0, 0)
    assert ask(nutshell, "GET", f"/rest/contacts/{made['id']}").status == 200
    assert ask(nutshell, "GET", f"/rest/notes/{note['id']}").status == 200
    deadline = time.monotonic() + 5
    while listed() != (1, 1):
        assert time.monotonic() < deadline


def test_a_fault_befalls_only_what_it_names(nutshell: RunningNutshell) -> None:
    colleague = nutshell.ask("GET", "/users")["users"][1]["emails"][0]
    nutshell.misbehave({"kind": "status_before", "status": 503, "user": colleague, "path": "/rest/notes"})
    assert add_note(nutshell, "mine").status == 201
    assert ask(nutshell, "GET", "/rest/users", email=colleague).status == 200
    assert add_note(nutshell, "theirs", email=colleague).status == 503
    nutshell.behave()
    assert add_note(nutshell, "theirs", email=colleague).status == 201


def test_faults_by_rate_fall_the_same_way_with_the_same_seed() -> None:
    def fall(seed: int) -> list[list[str]]:
        bad_day = Misbehaviour(seed=0)
        bad_day.order([{"kind": "reset_after", "rate": 0.2}, {"kind": "throttle", "rate": 0.2}], seed=seed)
        return [
            [fault.kind for fault in bad_day.draw(method="POST", path="/rest/notes", username="", agent="")]
            for _ in range(500)
        ]

    first = fall(11)
    assert first == fall(11) != fall(12)
    assert 60 < sum(drawn == ["reset_after"] for drawn in first) < 140
    assert all(len(drawn) <= 1 for drawn in first)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "sulk"},
        {"kind": "delay", "seconds": -1},
        {"kind": "delay", "seconds": "long"},
        {"kind": "lag", "seconds": [0, 30, 60]},
        {"kind": "lag", "tables": ["users"]},
        {"kind": "throttle", "rate": 2},
        {"kind": "throttle", "times": 0},
        {"kind": "status_after", "status": 99},
        {"kind": "trickle", "bytes_per_s": 0},
        {"kind": "delay", "colour": "red"},
        "delay",
    ],
)
def test_a_fault_that_cannot_be_made_is_refused_and_nothing_is_ordered(fault: Any) -> None:
    bad_day = Misbehaviour(seed=1)
    with pytest.raises(UnknownFault):
        bad_day.order([{"kind": "throttle"}, fault])
    assert bad_day.listing() == []


def test_every_kind_can_be_ordered_and_is_explained(nutshell: RunningNutshell) -> None:
    nutshell.misbehave(*({"kind": kind, "path": "/nowhere"} for kind in KINDS), seed=3)
    told = nutshell.ask("GET", "/faults")
    assert [fault["kind"] for fault in told["faults"]] == list(KINDS) == list(told["kinds"])
