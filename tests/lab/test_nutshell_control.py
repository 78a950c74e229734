from __future__ import annotations

import json
from pathlib import Path

import pytest

from nutshellpbx.lab.nutshell.running import RunningNutshell, running_nutshell
from nutshellpbx.lab.nutshell.store import PRACTICE_KEY
from tests.lab.asking import add_note, ask


def test_the_access_log_names_each_request_without_secrets_or_full_numbers(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with running_nutshell(contacts=10, log_path=str(path)) as nutshell:
        query = [("filter[phone]", "+13125550142"), ("page[limit]", 5), ("token", "hush")]
        ask(nutshell, "GET", "/rest/contacts", query=query, headers={"User-Agent": "tests/1"})
        ask(nutshell, "GET", "/rest/users", key="wrong-key-wrong-key")
        kept = nutshell.log()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == kept
    first, second = lines
    assert (first["method"], first["path"], first["status"]) == ("GET", "/rest/contacts", 200)
    assert first["query"] == {"filter[phone]": "…0142", "page[limit]": "5", "token": "…"}
    assert (first["user"], first["agent"]) == ("ada@harbortools.example", "tests/1")
    assert first["duration_ms"] >= 0
    assert first["time"].endswith("Z")
    assert second["status"] == 401
    for secret in (PRACTICE_KEY, "wrong-key", "13125550142", "hush", "Basic"):
        assert secret not in path.read_text()


def test_the_log_can_be_waited_on_and_read_from_a_number(nutshell: RunningNutshell) -> None:
    last = nutshell.ask("GET", "")["log"]
    assert nutshell.log(after=last, wait_s=0.05) == []
    ask(nutshell, "GET", "/rest/users")
    ask(nutshell, "GET", "/rest/users")
    entries = nutshell.log(after=last, wait_s=5)
    assert [entry["n"] for entry in entries] == [last + 1, last + 2]
    assert [entry["n"] for entry in nutshell.log(after=last + 1)] == [last + 2]


def test_asking_the_control_side_leaves_no_trace_in_the_log(nutshell: RunningNutshell) -> None:
    last = nutshell.ask("GET", "")["log"]
    nutshell.notes()
    assert nutshell.ask("GET", "")["log"] == last


def test_all_notes_can_be_read_with_parent_author_and_time(nutshell: RunningNutshell) -> None:
    add_note(nutshell, "kept")
    [gone] = add_note(nutshell, "gone", parent="11-accounts").json["notes"]
    ask(nutshell, "DELETE", f"/rest/notes/{gone['id']}")
    kept, deleted = nutshell.notes()
    assert (kept["body"], kept["parent"], kept["author"]) == ("kept", "23-contacts", "1-users")
    assert kept["deleted_at"] is None
    assert kept["created_at"] > 1_700_000_000
    assert (deleted["body"], deleted["parent"]) == ("gone", "11-accounts")
    assert deleted["deleted_at"] is not None


def test_one_contact_can_be_read_with_its_notes(nutshell: RunningNutshell) -> None:
    [note] = add_note(nutshell, "x").json["notes"]
    told = nutshell.ask("GET", "/contacts/23-contacts")
    assert told["contact"]["name"] == "Mara Lindqvist"
    assert told["notes"] == [note["id"]]


def test_reset_brings_back_the_first_state(nutshell: RunningNutshell) -> None:
    before = ask(nutshell, "GET", "/rest/contacts").json
    feed = ask(nutshell, "GET", "/rest/events").json
    add_note(nutshell, "x")
    nutshell.ask("POST", "/contacts", {"name": "A", "company": "B", "phones": ["+1 312 555 0190"]})
    ask(nutshell, "DELETE", "/rest/contacts/23-contacts")
    nutshell.misbehave({"kind": "status_before", "status": 503})
    nutshell.ask("POST", "/reset")
    assert ask(nutshell, "GET", "/rest/contacts").json == before
    assert ask(nutshell, "GET", "/rest/events").json == feed
    assert nutshell.notes() == []
    found = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", "+13125550190")])
    assert found.json["contacts"] == []


def test_a_sample_names_people_with_a_number_of_their_own(nutshell: RunningNutshell) -> None:
    sample = nutshell.ask("GET", "/sample?count=20&seed=3")["contacts"]
    assert len({person["id"] for person in sample}) == 20
    for person in sample:
        found = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", person["number"])]).json
        assert [row["id"] for row in found["contacts"]] == [person["id"]]
    assert nutshell.ask("GET", "/sample?count=20&seed=3")["contacts"] == sample


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/contacts", {}),
        ("POST", "/contacts", [1]),
        ("POST", "/faults", {"kind": "sulk"}),
        ("POST", "/users", {"email": "ada@harbortools.example"}),
        ("POST", "/keys", {"key": "none"}),
        ("GET", "/log?after=x", None),
        ("GET", "/nothing", None),
        ("DELETE", "/notes", None),
    ],
)
def test_a_wrong_order_is_refused_with_a_reason(
    nutshell: RunningNutshell, method: str, path: str, content: object
) -> None:
    with pytest.raises(ValueError, match=r"40[045]"):
        nutshell.ask(method, path, content)
