"""The older JSON-RPC interface, asked by a stranger over HTTP."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from nutshellpbx.lab.nutshell.running import RunningNutshell
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL
from tests.lab.asking import Told, add_note, ask

RPC = "/api/v1/json"


def call(nutshell: RunningNutshell, method: str, params: Any = None, **how: Any) -> Told:
    return ask(nutshell, "POST", RPC, {"method": method, "params": params, "id": "apeye"}, **how)


def result(nutshell: RunningNutshell, method: str, params: Any = None, **how: Any) -> Any:
    told = call(nutshell, method, params, **how)
    assert told.status == 200
    assert (told.json["error"], told.json["id"], told.json["jsonrpc"]) == (None, "apeye", "2.0")
    return told.json["result"]


def test_a_contact_comes_whole_with_values_by_label_and_stubs_for_its_links(
    nutshell: RunningNutshell,
) -> None:
    person = result(nutshell, "getContact", {"contactId": 23})
    assert (person["id"], person["entityType"], person["rev"].isdecimal()) == (23, "Contacts", True)
    assert person["name"] == {
        "givenName": "Mara",
        "familyName": "Lindqvist",
        "salutation": "",
        "displayName": "Mara Lindqvist",
    }
    assert person["htmlUrl"] == f"{nutshell.url}/person/23-mara-lindqvist"
    work = person["phone"]["work"]
    assert work == {
        "countryCode": "1",
        "number": "3125550142",
        "extension": None,
        "numberFormatted": "312-555-0142",
        "E164": "+13125550142",
    }
    assert person["phone"]["--primary"] == work
    assert person["email"]["--primary"] == person["email"]["0"]
    assert person["creator"]["stub"] is True
    assert [(a["stub"], a["id"], a["name"]) for a in person["accounts"]] == [(True, 11, "Harbor Tool Works")]
    assert person["createdTime"].endswith("+0000")
    assert person["notes"] == []


def test_an_account_names_its_people_and_has_a_plain_name(nutshell: RunningNutshell) -> None:
    company = result(nutshell, "getAccount", {"accountId": 11})
    assert (company["name"], company["entityType"]) == ("Harbor Tool Works", "Accounts")
    assert company["htmlUrl"].endswith("/company/11-harbor-tool-works")
    assert 23 in [stub["id"] for stub in company["contacts"]]


@pytest.mark.parametrize(
    ("parent", "method", "argument", "member"),
    [
        ("23-contacts", "getContact", "contactId", "contact"),
        ("11-accounts", "getAccount", "accountId", "account"),
    ],
)
def test_a_record_brings_its_live_notes_the_newest_first(
    nutshell: RunningNutshell, parent: str, method: str, argument: str, member: str
) -> None:
    ids = [add_note(nutshell, text, parent=parent).json["notes"][0]["id"] for text in ("a\nb", "gone", "c")]
    ask(nutshell, "DELETE", f"/rest/notes/{ids[1]}")
    number = int(parent.partition("-")[0])
    notes = result(nutshell, method, {argument: number})["notes"]
    assert [note["id"] for note in notes] == [int(ids[2].split("-")[0]), int(ids[0].split("-")[0])]
    oldest = notes[1]
    assert (oldest["entityType"], oldest["note"], oldest["noteHtml"]) == ("Notes", "a\nb", "a<br />\nb")
    assert oldest["user"]["emails"] == [PRACTICE_EMAIL]
    assert oldest[member]["id"] == number
    assert result(nutshell, "getNote", {"noteId": oldest["id"]}) == oldest


def test_parameters_may_come_by_place_and_the_body_in_any_media_type(nutshell: RunningNutshell) -> None:
    form = "application/x-www-form-urlencoded"
    assert result(nutshell, "getContact", [23], media_type=form)["id"] == 23


def test_without_an_id_the_asker_himself_is_shown(nutshell: RunningNutshell) -> None:
    empty: tuple[Any, ...] = ({}, [], None)
    for params in empty:
        assert result(nutshell, "getUser", params)["emails"] == [PRACTICE_EMAIL]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", -32700),
        (b'{"params": {}}', -32600),
        (b"[]", -32600),
        (b'{"method": "searchTheMoon"}', -32601),
        (b'{"method": "getContact", "params": {"person": 23}}', -32602),
        (b'{"method": "getContact", "params": {"contactId": 999999}}', -32000),
        (b'{"method": "getContact", "params": {}}', -32000),
    ],
)
def test_a_wrong_call_is_an_error_object_with_status_200(
    nutshell: RunningNutshell, content: bytes, code: int
) -> None:
    told = ask(nutshell, "POST", RPC, content)
    assert told.status == 200
    assert (told.json["result"], told.json["error"]["code"], told.json["error"]["data"]) == (None, code, None)


def test_a_deleted_record_and_one_of_somebody_else_are_not_given(nutshell: RunningNutshell) -> None:
    ask(nutshell, "DELETE", "/rest/contacts/23-contacts")
    assert call(nutshell, "getContact", {"contactId": 23}).json["error"]["code"] == -32000
    order = {"email": "kim@harbortools.example", "key": "kim-key-kim-key", "restricted": True}
    nutshell.ask("POST", "/users", order)
    told = call(nutshell, "getAccount", {"accountId": 11}, email=order["email"], key=order["key"])
    assert told.json["error"]["code"] == -32000


def test_the_sign_in_is_that_of_the_rest_side_and_the_description_needs_none(
    nutshell: RunningNutshell,
) -> None:
    forms = next(key["key"] for key in nutshell.ask("GET", "/users")["keys"] if key["kind"] == "forms")
    assert call(nutshell, "getUser", {}, key="wrong-key-wrong-key").status == 401
    assert call(nutshell, "getUser", {}, email=None).status == 401
    assert call(nutshell, "getUser", {}, key=forms).status == 403
    described = ask(nutshell, "GET", RPC, email=None)
    assert described.status == 200
    assert "getContact" in described.json["services"]


def test_faults_of_the_api_befall_it_as_well(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "status_before", "status": 503})
    assert call(nutshell, "getContact", {"contactId": 23}).status == 503
    nutshell.behave()
    nutshell.misbehave({"kind": "garbage", "path": "/rest"})
    assert result(nutshell, "getContact", {"contactId": 23})["id"] == 23


def test_its_notes_lag_on_their_own(nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "lag", "seconds": 0.4, "tables": ["record_notes"]})
    [note] = add_note(nutshell, "late").json["notes"]
    assert [n["id"] for n in ask(nutshell, "GET", "/rest/notes").json["notes"]] == [note["id"]]
    assert result(nutshell, "getContact", {"contactId": 23})["notes"] == []
    deadline = time.monotonic() + 5
    while not (notes := result(nutshell, "getContact", {"contactId": 23})["notes"]):
        assert time.monotonic() < deadline
    assert json.dumps(notes).count("late") >= 1
