"""What a checker reads: every note with its history, quickly, while the CRM goes on answering."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime

import pytest

from nutshellpbx.lab.nutshell.notes_rest import add_note as put_note
from nutshellpbx.lab.nutshell.records import api_id
from nutshellpbx.lab.nutshell.running import RunningNutshell, running_nutshell
from tests.lab.asking import Told, add_note, ask

MANY = 20_000
#: The checker's time for everything that stands there.
CHECKER_S = 5.0


def test_twenty_thousand_notes_are_read_within_the_checkers_time_and_others_are_served_meanwhile() -> None:
    with running_nutshell(contacts=300) as nutshell:
        store = nutshell.instance.store
        parents = [api_id(number, "contacts") for number in store.people]
        for number in range(MANY):
            text = f"Inbound call {number}\n" + "and what was said " * 10
            put_note(store, parent_id=parents[number % 300], text=text, author_id="1-users")
        served_at: list[float] = []
        stop = threading.Event()

        def ask_meanwhile() -> None:
            while not stop.is_set():
                assert ask(nutshell, "GET", "/rest/activitytypes").status == 200
                served_at.append(time.monotonic())

        asking = threading.Thread(target=ask_meanwhile)
        asking.start()
        started = time.monotonic()
        notes = nutshell.ask("GET", "/notes?live=1")["notes"]
        ended = time.monotonic()
        histories = nutshell.ask("GET", "/histories")["notes"]
        stop.set()
        asking.join()
    assert len({note["id"] for note in notes}) == len(histories) == MANY
    assert ended - started < CHECKER_S
    assert sum(started < at < ended for at in served_at) >= 5


def test_notes_come_in_pages_that_miss_nothing(nutshell: RunningNutshell) -> None:
    ids = [add_note(nutshell, str(n)).json["notes"][0]["id"] for n in range(7)]
    ask(nutshell, "DELETE", f"/rest/notes/{ids[3]}")
    seen: list[str] = []
    after = ""
    while True:
        page = nutshell.ask("GET", f"/notes?live=1&limit=2&after={after}")
        seen += [note["id"] for note in page["notes"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == ids[:3] + ids[4:]


def test_the_notes_of_one_record_are_found(nutshell: RunningNutshell) -> None:
    add_note(nutshell, "person")
    [other] = add_note(nutshell, "company", parent="11-accounts").json["notes"]
    [note] = nutshell.ask("GET", "/notes?parent=11-accounts")["notes"]
    assert (note["id"], note["body"], note["author_name"]) == (other["id"], "company", "Ada Vance")


def test_a_notes_history_tells_who_wrote_removed_and_brought_it_back(nutshell: RunningNutshell) -> None:
    colleague = nutshell.ask("GET", "/users")["users"][1]
    [note] = add_note(nutshell, "x").json["notes"]
    add_note(nutshell, "another")
    ask(nutshell, "DELETE", f"/rest/notes/{note['id']}", email=colleague["emails"][0])
    gone = nutshell.ask("GET", f"/notes/{note['id']}")
    assert gone["is_live"] is False
    ask(nutshell, "POST", f"/rest/notes/{note['id']}/undelete")
    told = nutshell.ask("GET", f"/notes/{note['id']}")
    deeds = [(deed["what"], deed["by_name"]) for deed in told["history"]]
    assert deeds == [("create", "Ada Vance"), ("delete", colleague["name"]), ("undelete", "Ada Vance")]
    assert told["is_live"] is True
    everything = nutshell.ask("GET", "/histories")["notes"]
    assert [len(one["history"]) for one in everything] == [3, 1]
    with pytest.raises(ValueError, match="404"):
        nutshell.ask("GET", "/notes/999-notes")


def test_requests_are_counted_by_kind_and_status_even_when_the_log_forgets_them() -> None:
    with running_nutshell(contacts=30, keeps_log=2) as nutshell:
        for _ in range(3):
            [note] = add_note(nutshell, "x").json["notes"]
            ask(nutshell, "GET", f"/rest/notes/{note['id']}")
        nutshell.misbehave({"kind": "reset_before", "times": 1})
        with pytest.raises(ConnectionError):
            add_note(nutshell, "x")
        tally = nutshell.ask("GET", "/tally")["requests"]
        kept = nutshell.log()
        first_kept = nutshell.ask("GET", "/log")["kept_from"]
    assert tally == {"POST /rest/notes": {"201": 3, "none": 1}, "GET /rest/notes/#": {"200": 3}}
    assert [entry["n"] for entry in kept] == [6, 7]
    assert first_kept == 6


def test_the_change_feed_lags_on_its_own(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "lag", "seconds": 0.4, "tables": ["events"]})
    [note] = add_note(nutshell, "late").json["notes"]

    def told() -> list[str]:
        feed = ask(nutshell, "GET", "/rest/events", query=[("filters[payload][]", "notes")]).json
        return [event["links"]["payloads"][0] for event in feed["events"]]

    assert [one["id"] for one in ask(nutshell, "GET", "/rest/notes").json["notes"]] == [note["id"]]
    assert told() == []
    deadline = time.monotonic() + 5
    while told() != [note["id"]]:
        assert time.monotonic() < deadline


def test_a_lag_of_contacts_leaves_the_list_of_companies_alone(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "lag", "seconds": 30, "tables": ["contacts"]})
    nutshell.ask("POST", "/contacts", {"name": "Late Comer", "company": "At Once Inc"})
    people = ask(nutshell, "GET", "/rest/contacts", query=[("q", "late comer")]).json
    companies = ask(nutshell, "GET", "/rest/accounts", query=[("q", "at once inc")]).json
    assert (len(people["contacts"]), len(companies["accounts"])) == (0, 1)


def test_records_whose_lag_is_over_are_swept_out() -> None:
    with running_nutshell(contacts=30) as nutshell:
        nutshell.misbehave({"kind": "lag", "seconds": 0.01, "tables": ["notes"]})
        store = nutshell.instance.store
        for number in range(10_000):
            put_note(store, parent_id="23-contacts", text=str(number), author_id="1-users")
            if number % 1000 == 0:
                time.sleep(0.02)
        assert len(store._listed_from["notes"]) < 5000


def test_the_crms_own_clock_may_be_wrong_and_every_answer_shows_it(nutshell: RunningNutshell) -> None:
    def there(told: Told) -> float:
        return parsedate_to_datetime(told.headers["date"]).timestamp()

    assert there(ask(nutshell, "GET", "/rest/users")) == pytest.approx(time.time(), abs=5)
    nutshell.ask("POST", "/clock", {"ahead_s": -7200})
    told = add_note(nutshell, "two hours ago")
    assert there(told) == pytest.approx(time.time() - 7200, abs=5)
    assert told.json["notes"][0]["createdTime"] == pytest.approx(time.time() - 7200, abs=5)
    nutshell.ask("POST", "/reset")
    assert there(ask(nutshell, "GET", "/rest/users")) == pytest.approx(time.time(), abs=5)
