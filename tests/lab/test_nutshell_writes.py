from __future__ import annotations

import json
from typing import Any

import pytest

from nutshellpbx.lab.nutshell.running import RunningNutshell
from tests.lab.asking import PATCH, Told, add_note, ask


def patch(nutshell: RunningNutshell, path: str, *steps: dict[str, Any], media_type: str = PATCH) -> Told:
    return ask(nutshell, "PATCH", path, list(steps), media_type=media_type)


def person(nutshell: RunningNutshell, ref: str = "23-contacts") -> dict[str, Any]:
    [found] = ask(nutshell, "GET", f"/rest/contacts/{ref}").json["contacts"]
    return dict(found)


def test_a_created_person_is_found_by_number_at_once(nutshell: RunningNutshell) -> None:
    draft = {
        "name": "Jonas Perrin",
        "description": "Created from an inbound call",
        "phones": [{"isPrimary": True, "name": "work", "value": "+41 44 555 01 99"}],
        "emails": [{"isPrimary": True, "name": "work", "value": "jonas@perrin.example"}],
        "links": {"accounts": ["11-accounts"], "owner": "1-users"},
        "customFields": {},
    }
    told = ask(nutshell, "POST", "/rest/contacts", {"contacts": [draft]})
    assert told.status == 200
    [made] = told.json["contacts"]
    assert made["phones"][0]["value"]["E164"] == "+41445550199"
    assert (made["firstName"], made["lastName"]) == ("Jonas", "Perrin")
    assert made["htmlUrl"] == f"{nutshell.url}/person/{made['id'].partition('-')[0]}-jonas-perrin"
    assert made["links"]["accounts"] == ["11-accounts"]
    found = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", "+41445550199")])
    assert [row["id"] for row in found.json["contacts"]] == [made["id"]]
    company = ask(nutshell, "GET", "/rest/accounts/11-accounts").json["accounts"][0]
    assert made["id"] in company["links"]["contacts"]


def test_a_number_may_be_written_as_an_object(nutshell: RunningNutshell) -> None:
    value = {"countryCode": "41", "number": "44 555 01 99", "extension": "7"}
    told = ask(
        nutshell, "POST", "/rest/contacts", {"contacts": [{"name": "J", "phones": [{"value": value}]}]}
    )
    phone = told.json["contacts"][0]["phones"][0]
    assert (phone["name"], phone["isPrimary"]) == ("phone", True)
    assert (phone["value"]["E164"], phone["value"]["extension"]) == ("+41445550199", "7")


@pytest.mark.parametrize(
    "body", [{"contacts": []}, {"contacts": [{"name": "A"}, {"name": "B"}]}, {"name": "A"}]
)
def test_exactly_one_record_may_be_created_per_request(nutshell: RunningNutshell, body: object) -> None:
    told = ask(nutshell, "POST", "/rest/contacts", body)
    assert told.status == 400
    assert told.json["errors"][0]["title"] == "You may only create one contacts resource per request."
    assert told.json["contacts"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[1]", b'{"contacts":[{}]}', b'{"contacts":[3]}'])
def test_an_unreadable_or_empty_person_is_refused_as_json(nutshell: RunningNutshell, body: bytes) -> None:
    told = ask(nutshell, "POST", "/rest/contacts", body)
    assert told.status == 400
    assert told.json["errors"][0]["status"] == "400"


def test_a_patch_needs_its_own_media_type(nutshell: RunningNutshell) -> None:
    step = {"op": "replace", "path": "/contacts/0/jobTitle", "value": "Owner"}
    told = patch(nutshell, "/rest/contacts/23-contacts", step, media_type="application/json")
    assert told.status == 400
    assert told.json == "application/json-patch+json is required, see http://jsonapi.org"
    assert person(nutshell)["jobTitle"] == "Buyer"


def test_a_patch_changes_fields_and_links_and_answers_204(nutshell: RunningNutshell) -> None:
    new_phone = {"name": "work", "isPrimary": True, "value": "+1 312 555 0143"}
    told = patch(
        nutshell,
        "/rest/contacts/23-contacts",
        {"op": "replace", "path": "/contacts/0/phones", "value": [new_phone]},
        {
            "op": "add",
            "path": "/contacts/0/phones/-",
            "value": {"name": "mobile", "value": "+1 312 555 0144"},
        },
        {"op": "replace", "path": "/contacts/0/name", "value": "Mara Holm"},
        {"op": "add", "path": "/contacts/0/links/accounts/-", "value": "15-accounts"},
        {"op": "remove", "path": "/contacts/0/links/accounts/11-accounts"},
        {"op": "replace", "path": "/contacts/0/links/owner", "value": "2-users"},
    )
    assert (told.status, told.body) == (204, b"")
    changed = person(nutshell)
    assert [phone["value"]["E164"] for phone in changed["phones"]] == ["+13125550143", "+13125550144"]
    assert [phone["isPrimary"] for phone in changed["phones"]] == [True, False]
    assert changed["htmlUrlPath"] == "/person/23-mara-holm"
    assert (changed["links"]["accounts"], changed["links"]["owner"]) == (["15-accounts"], "2-users")
    by_old = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", "3125550142")])
    assert by_old.json["contacts"] == []
    by_new = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", "3125550144")])
    assert [row["id"] for row in by_new.json["contacts"]] == ["23-contacts"]


@pytest.mark.parametrize(
    "step",
    [
        {"op": "replace", "path": "/accounts/0/name", "value": "x"},
        {"op": "replace", "path": "/contacts/0/shoeSize", "value": "x"},
        {"op": "add", "path": "/contacts/0/links/accounts", "value": "11-accounts"},
        {"op": "replace", "path": "/contacts/0/links/owner", "value": "99-users"},
        {"op": "move", "path": "/contacts/0/name", "value": "x"},
        {"op": "replace", "path": "/contacts/0/name"},
    ],
)
def test_a_wrong_patch_is_refused_whole(nutshell: RunningNutshell, step: dict[str, Any]) -> None:
    before = person(nutshell)
    first = {"op": "replace", "path": "/contacts/0/jobTitle", "value": "Owner"}
    assert patch(nutshell, "/rest/contacts/23-contacts", first, step).status == 400
    assert person(nutshell) == before


def test_a_deleted_person_is_gone_and_can_be_brought_back(nutshell: RunningNutshell) -> None:
    assert ask(nutshell, "DELETE", "/rest/contacts/23-contacts").status == 204
    assert ask(nutshell, "GET", "/rest/contacts/23-contacts").status == 404
    assert ask(nutshell, "GET", "/rest/contacts").json["meta"]["total"] == 299
    assert ask(nutshell, "POST", "/rest/contacts/23-contacts/undelete").status == 200
    assert person(nutshell)["name"] == "Mara Lindqvist"
    assert ask(nutshell, "DELETE", "/rest/accounts/11-accounts").json["accounts"][0]["id"] == "11-accounts"


def test_an_unknown_record_and_an_unknown_address_get_the_html_page_of_404(nutshell: RunningNutshell) -> None:
    for path in ("/rest/contacts/999999-contacts", "/rest/contacts/23-accounts", "/rest/colours", "/rest"):
        told = ask(nutshell, "GET", path)
        assert told.status == 404
        assert told.media_type == "text/html"
        assert b"<title>An Error Occurred: Not Found</title>" in told.body


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/rest/contacts/23-contacts"), ("PATCH", "/rest/notes/3"), ("DELETE", "/rest/users")],
)
def test_a_method_that_an_address_does_not_know_gets_405_as_text(
    nutshell: RunningNutshell, method: str, path: str
) -> None:
    told = ask(nutshell, method, path)
    assert (told.status, told.body, told.media_type) == (405, b'"Internal Error"', "text/plain")


def test_a_note_is_escaped_in_html_and_mentions_are_resolved(nutshell: RunningNutshell) -> None:
    told = add_note(nutshell, "<b>hello</b> @[Users:1]\nsecond line, it's")
    [note] = told.json["notes"]
    assert note["body"] == "<b>hello</b> Ada Vance\nsecond line, it's"
    assert "&lt;b&gt;hello&lt;/b&gt; <span" in note["bodyHtml"]
    assert "<br />\nsecond line, it&#039;s" in note["bodyHtml"]
    assert note["links"]["users"] == ["1-users"]


def test_a_note_can_stand_on_a_company_and_be_read_deleted_and_brought_back(
    nutshell: RunningNutshell,
) -> None:
    [note] = add_note(nutshell, "call", parent="11-accounts").json["notes"]
    path = f"/rest/notes/{note['id']}"
    assert ask(nutshell, "GET", path).json["notes"] == [note]
    assert note["parentType"] == "accounts"
    assert ask(nutshell, "DELETE", path).status == 200
    assert ask(nutshell, "GET", path).json["notes"][0]["deletedTime"] is not None
    assert ask(nutshell, "GET", "/rest/notes").json["notes"] == []
    assert ask(nutshell, "POST", f"{path}/undelete").status == 200
    assert [row["id"] for row in ask(nutshell, "GET", "/rest/notes").json["notes"]] == [note["id"]]


@pytest.mark.parametrize(
    "content",
    [
        {"notes": [{"body": "x", "links": {"parent": "23-contacts"}}]},
        {"data": {"body": "x", "links": {"parent": "999999-contacts"}}},
        {"data": {"body": "x"}},
        {"data": {"body": "", "links": {"parent": "23-contacts"}}},
        {"data": {"body": 7, "links": {"parent": "23-contacts"}}},
        {"data": {"body": "x", "links": {"parent": "1-users"}}},
        [],
    ],
)
def test_a_note_without_text_or_place_is_refused_and_nothing_is_written(
    nutshell: RunningNutshell, content: object
) -> None:
    told = ask(nutshell, "POST", "/rest/notes", content)
    assert told.status == 400
    assert told.json["notes"] == []
    assert nutshell.notes() == []


def test_notes_are_listed_newest_first_page_by_page(nutshell: RunningNutshell) -> None:
    ids = [add_note(nutshell, f"note {n}").json["notes"][0]["id"] for n in range(5)]
    first = ask(nutshell, "GET", "/rest/notes", query=[("page[limit]", 2)]).json
    assert [note["id"] for note in first["notes"]] == [ids[4], ids[3]]
    assert first["meta"]["previous"] is None
    second = ask(nutshell, "GET", first["meta"]["next"].removeprefix(nutshell.url)).json
    assert [note["id"] for note in second["notes"]] == [ids[2], ids[1]]
    past = ask(nutshell, "GET", "/rest/notes", query=[("page[limit]", 2), ("page[page]", 9)]).json
    assert past["notes"] == []


def log_call(nutshell: RunningNutshell, **fields: Any) -> dict[str, Any]:
    draft = {
        "name": "Phone Call",
        "activityType": "1-activityTypes",
        "startTime": 1772445600,
        "endTime": 1772446050,
        "isLogged": True,
        "links": {"participants": ["1-users", "23-contacts"]},
    }
    told = ask(nutshell, "POST", "/rest/activities", {"activities": [draft | fields]})
    assert told.status == 201
    return dict(told.json["activities"][0])


def test_a_put_changes_what_is_given_and_keeps_the_rest(nutshell: RunningNutshell) -> None:
    made = log_call(nutshell, note="first")
    told = ask(
        nutshell,
        "PUT",
        f"/rest/activities/{made['id']}",
        {"activities": [{"note": "second", "endTime": 1772446111}]},
    )
    assert told.status == 200
    [changed] = told.json["activities"]
    assert (changed["name"], changed["endTime"]) == ("Phone Call", 1772446111)
    assert changed["links"] == made["links"]
    assert [note["body"] for note in told.json["notes"]] == ["second"]
    assert [note["body"] for note in nutshell.notes()] == ["second"]


def test_activities_can_be_filtered_by_participant_status_and_date(nutshell: RunningNutshell) -> None:
    logged = log_call(nutshell)["id"]
    planned = log_call(nutshell, isLogged=False, startTime=1772500000, endTime=1772500600, links={})["id"]

    def found(*query: tuple[str, object]) -> list[str]:
        return [row["id"] for row in ask(nutshell, "GET", "/rest/activities", query=query).json["activities"]]

    assert found() == [planned, logged]
    assert found(("filter[participant][]", "23-contacts")) == [logged]
    assert found(("filter[status][]", "scheduled")) == [planned]
    assert found(("filter[dateMax]", 1772445700)) == [logged]
    assert found(("filter[dateMin]", "2026-03-02T20:00:00Z")) == [planned]
    assert found(("limit", 1)) == [planned]


@pytest.mark.parametrize(
    "fields",
    [
        {"activityType": "99-activityTypes"},
        {"startTime": "soon"},
        {"links": {"participants": ["999999-contacts"]}},
        {"links": {"participants": "23-contacts"}},
    ],
)
def test_a_wrong_activity_is_refused(nutshell: RunningNutshell, fields: dict[str, Any]) -> None:
    told = ask(nutshell, "POST", "/rest/activities", {"activities": [fields]})
    assert told.status == 400
    assert told.json["activities"] == []
    assert nutshell.ask("GET", "/activities")["activities"] == []


def test_hostile_text_in_a_name_stays_text_everywhere(nutshell: RunningNutshell) -> None:
    name = "<script>alert(1)</script> $(id) ' \" ; DROP TABLE \u202e\x07"
    made = nutshell.ask("POST", "/contacts", {"name": name, "phones": ["+1 312 555 0177"]})
    page = ask(nutshell, "GET", made["htmlUrlPath"], email=None)
    assert page.status == 200
    assert b"<script>" not in page.body
    assert made["htmlUrlPath"].isascii()
    assert json.dumps(person(nutshell, made["id"])["name"])
