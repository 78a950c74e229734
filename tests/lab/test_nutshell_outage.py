"""Faults that last: a CRM that refuses, cuts or answers 503 for a while, and counts what it lets through."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from nutshellpbx.lab.nutshell.misbehaviour import MOST_OVER, Misbehaviour
from nutshellpbx.lab.nutshell.rate_limit import RateLimit
from nutshellpbx.lab.nutshell.running import RunningNutshell, running_nutshell
from tests.lab.asking import Told, add_note, ask


def until(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def answers(nutshell: RunningNutshell) -> bool:
    try:
        return ask(nutshell, "GET", "/rest/users").status == 200
    except OSError:
        return False


def test_while_it_refuses_nobody_listens_and_afterwards_everything_is_there(
    nutshell: RunningNutshell,
) -> None:
    add_note(nutshell, "before")
    with socket.create_connection(("127.0.0.1", nutshell.port), timeout=5) as kept:
        nutshell.misbehave({"kind": "refuse"})
        with pytest.raises(ConnectionRefusedError):
            add_note(nutshell, "never")
        with pytest.raises(ConnectionResetError):
            kept.recv(1)
    assert len(nutshell.notes()) == 1, "the control side is still there"
    nutshell.behave()
    assert add_note(nutshell, "after").status == 201
    assert [note["body"] for note in nutshell.notes()] == ["before", "after"]


def test_nobody_else_can_take_the_port_meanwhile(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "refuse"})
    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind(("127.0.0.1", nutshell.port))
    nutshell.behave()
    assert answers(nutshell)


def test_while_it_cuts_every_connection_ends_before_a_byte_is_read(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "cut"})
    for _ in range(3):
        with pytest.raises((ConnectionError, http.client.BadStatusLine)):
            add_note(nutshell, "never")
    [fault] = nutshell.ask("GET", "/faults")["faults"]
    assert fault["fired"] == 3
    nutshell.behave()
    assert nutshell.notes() == []
    assert answers(nutshell)


@pytest.mark.parametrize("kind", ["refuse", "cut", "status_before"])
def test_an_outage_ends_by_itself_when_its_time_is_over(nutshell: RunningNutshell, kind: str) -> None:
    started = time.monotonic()
    nutshell.misbehave({"kind": kind, "status": 503, "lasts_s": 0.4})
    assert not answers(nutshell)
    until(lambda: answers(nutshell))
    assert time.monotonic() - started >= 0.4
    [fault] = nutshell.ask("GET", "/faults")["faults"]
    assert (fault["is_over"], fault["left_s"]) == (True, 0)


def test_one_fault_can_be_taken_back_by_its_number(nutshell: RunningNutshell) -> None:
    order = [{"kind": "status_before", "status": 503}, {"kind": "throttle", "path": "/rest/notes"}]
    first, _second = nutshell.ask("POST", "/faults", {"faults": order})["ordered"]
    assert add_note(nutshell, "x").status == 503
    nutshell.ask("DELETE", f"/faults/{first}")
    assert add_note(nutshell, "x").status == 429
    with pytest.raises(ValueError, match="404"):
        nutshell.ask("DELETE", f"/faults/{first}")


def test_two_practice_servers_are_never_mistaken_for_each_other() -> None:
    with running_nutshell(contacts=3) as first, running_nutshell(contacts=3) as second:
        port = int(first.instance.control_address.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("POST", "/_practice/reset", headers={"Host": f"127.0.0.1:{second.port}"})
        assert connection.getresponse().status == 421
        connection.close()


def test_faults_that_are_over_do_not_pile_up() -> None:
    bad_day = Misbehaviour(seed=1)
    for _ in range(3 * MOST_OVER):
        bad_day.order([{"kind": "throttle", "times": 1}])
        bad_day.draw(method="GET", path="/rest/users", username="", agent="")
    assert len(bad_day.listing()) <= MOST_OVER + 1


# --- a real limit


def at_once(nutshell: RunningNutshell, count: int, **how: Any) -> list[Told]:
    """So many requests side by side."""
    told: list[Told] = []
    threads = [
        threading.Thread(target=lambda: told.append(ask(nutshell, "GET", "/rest/activitytypes", **how)))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_beyond_its_rate_the_crm_answers_429_and_says_how_many_it_let_through(
    nutshell: RunningNutshell,
) -> None:
    nutshell.misbehave({"kind": "limit", "per_second": 0.001, "burst": 5, "retry_after": "exact"})
    told = at_once(nutshell, 12)
    assert sorted(one.status for one in told) == [200] * 5 + [429] * 7
    waits = [int(one.headers["retry-after"]) for one in told if one.status == 429]
    assert all(900 <= wait <= 1000 for wait in waits)
    [limit] = nutshell.ask("GET", "/limits")["limits"]
    assert (limit["allowed"], limit["refused"]) == (5, 7)
    assert limit["by_sign_in"] == {"ada@harbortools.example": {"allowed": 5, "refused": 7}}


def test_what_is_refused_by_a_limit_is_not_carried_out_and_may_come_without_a_hint(
    nutshell: RunningNutshell,
) -> None:
    nutshell.misbehave({"kind": "limit", "per_second": 0.001, "burst": 1})
    assert add_note(nutshell, "first").status == 201
    refused = add_note(nutshell, "second")
    assert (refused.status, refused.headers.get("retry-after")) == (429, None)
    assert [note["body"] for note in nutshell.notes()] == ["first"]
    assert [entry["fault"] for entry in nutshell.log()] == [None, "limit"]


def test_a_limit_is_each_sign_ins_own_or_one_for_all(nutshell: RunningNutshell) -> None:
    colleague = nutshell.ask("GET", "/users")["users"][1]["emails"][0]
    for per, expected in (("sign_in", 200), ("all", 429)):
        nutshell.behave()
        nutshell.misbehave({"kind": "limit", "per_second": 0.001, "burst": 1, "per": per})
        assert ask(nutshell, "GET", "/rest/users").status == 200
        assert ask(nutshell, "GET", "/rest/users").status == 429
        assert ask(nutshell, "GET", "/rest/users", email=colleague).status == expected


def test_over_a_long_time_a_limit_lets_its_rate_pass_and_a_pause_earns_one_burst() -> None:
    limit = RateLimit(per_second=20, burst=20, per="all")
    passed = [not limit.take("", now=step / 100) for step in range(6000)]
    assert sum(passed) == pytest.approx(20 + 60 * 20, abs=2)
    counts = limit.counts()
    assert (counts["allowed"], counts["refused"]) == (sum(passed), 6000 - sum(passed))
    assert 20 <= counts["fullest_second"] <= 40
    assert [limit.take("", now=600.0) > 0 for _ in range(21)] == [False] * 20 + [True]


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "limit", "per_second": 0},
        {"kind": "limit", "per": "moon"},
        {"kind": "limit", "burst": 0},
        {"kind": "refuse", "lasts_s": 0},
        {"kind": "cut", "lasts_s": "long"},
        {"kind": "delay", "path": [1]},
    ],
)
def test_a_lasting_fault_that_cannot_be_made_is_refused(nutshell: RunningNutshell, order: Any) -> None:
    with pytest.raises(ValueError, match="400"):
        nutshell.ask("POST", "/faults", order)
    assert answers(nutshell)
