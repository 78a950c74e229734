"""The answers beside the examples of the API description, field by field and in their order."""

from __future__ import annotations

import json
from typing import Any

from nutshellpbx.lab.nutshell.running import RunningNutshell
from tests.lab.asking import add_note, ask

PERSON = """
{"id":"23-contacts","type":"contacts","name":"Mara Lindqvist","description":null,
 "emails":[{"isPrimary":true,"name":"email","value":"mara@harbortools.example"}],
 "addresses":[],
 "phones":[{"isPrimary":true,"name":"work","isOptedOut":false,
   "value":{"countryCode":"1","number":"3125550142","extension":null,"numberFormatted":"312-555-0142",
            "E164":"+13125550142","countryCodeAndNumber":"+1 312-555-0142"}}],
 "urls":[],"jobTitle":"Buyer","firstName":"Mara","lastName":"Lindqvist","mcfxContactId":null,
 "href":"https://app.nutshell.com/rest/contacts/23-contacts",
 "avatarUrl":"https://app.nutshell.com/avatar/contacts/23/400123/x/1772446500","initials":"ML",
 "htmlUrl":"https://app.nutshell.com/person/23-mara-lindqvist","htmlUrlPath":"/person/23-mara-lindqvist",
 "links":{"accounts":["11-accounts"],"emAudiences":[],"creator":"1-users","owner":"1-users","territory":null,
          "tags":[],"files":[],"relatedFiles":[],"followup":null,"recurringTask":null}}
"""

NOTE = """
{"id":"3-notes","type":"notes","createdTime":1772446570,"deletedTime":null,
 "href":"https://app.nutshell.com/rest/notes/3-notes","body":"x","bodyHtml":"x","bodyMarkup":"x",
 "isEditable":true,"parentType":"contacts",
 "htmlUrl":"https://app.nutshell.com/note/3","htmlUrlPath":"/note/3",
 "links":{"comments":[],"parent":"23-contacts","accounts":[],"contacts":[],"leads":[],"users":[],"teams":[]}}
"""

ACTIVITY = """
{"id":"3-activities","type":"activities","name":"Phone Call","agenda":"","createdTime":1772446060,
 "modifiedTime":1772446060,"loggedTime":1772446060,"startTime":1772445600,"endTime":1772446050,
 "deletedTime":null,"isAllDay":false,"isEditable":true,"isCancelled":false,"isFlagged":false,"isLogged":true,
 "isOverdue":false,"isMediaLogged":false,"transcription":null,"showTranscribeLoggingFlow":false,
 "externalMeetingServiceType":null,"href":"https://app.nutshell.com/rest/activities/3-activities",
 "htmlUrl":"https://app.nutshell.com/activity/open-modal/3","htmlUrlPath":"/activity/open-modal/3",
 "links":{"comments":[],"accounts":[],"activityType":"1-activityTypes","contacts":["23-contacts"],
          "creator":"1-users","leads":[],"logger":"1-users","logNote":"3-notes","users":["1-users"]}}
"""

NEW_ACCOUNT = """
{"id":"?","type":"accounts","name":"Blueberry","description":null,"emails":[],"addresses":[],"phones":[],
 "urls":[],"href":"?","revenue":null,"employeeCount":null,"avatarUrl":"?","initials":"B","htmlUrl":"?",
 "htmlUrlPath":"?",
 "links":{"creator":"1-users","owner":"1-users","territory":null,"tags":[],"files":[],"relatedFiles":[],
          "followup":null,"recurringTask":null,"contacts":[],"accountType":"1-accountTypes","industry":null}}
"""


def example(text: str, nutshell: RunningNutshell) -> Any:
    return json.loads(text.replace("https://app.nutshell.com", nutshell.url))


def test_a_person_has_the_documented_fields_in_their_order(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "GET", "/rest/contacts/23-contacts")
    assert told.status == 200
    assert told.json["meta"] == {"count": 1, "total": 1, "instanceId": "400123", "siteId": "aB3xYz"}
    [person] = told.json["contacts"]
    assert json.dumps(person) == json.dumps(example(PERSON, nutshell))


def test_a_single_person_comes_with_company_creator_and_owner(nutshell: RunningNutshell) -> None:
    body = ask(nutshell, "GET", "/rest/contacts/23").json
    assert [company["id"] for company in body["accounts"]] == ["11-accounts"]
    assert [user["emails"] for user in body["owners"]] == [["ada@harbortools.example"]]
    assert body["creators"][0]["id"] == "1-users"
    assert body["origins"] == []


def test_the_list_says_counts_facets_and_instance(nutshell: RunningNutshell) -> None:
    meta = ask(nutshell, "GET", "/rest/accounts", query=[("page[limit]", 1)]).json["meta"]
    companies = meta["count"]
    assert list(meta) == [
        *("count", "countFormatted", "total", "totalFormatted", "facets", "instanceId", "siteId")
    ]
    assert meta["countFormatted"] == {
        "formatted": f"{companies:,}",
        "prefix": "",
        "suffix": "",
        "value": companies,
    }
    assert sum(meta["facets"]["accountType"].values()) == companies


def test_a_note_has_the_documented_fields_in_their_order(nutshell: RunningNutshell) -> None:
    told = add_note(nutshell, "x")
    assert told.status == 201
    assert list(told.json) == ["meta", "links", "notes"]
    [note] = told.json["notes"]
    expected = example(NOTE, nutshell) | {"createdTime": note["createdTime"]}
    assert json.dumps(note) == json.dumps(expected)


def test_a_logged_call_has_the_documented_fields_in_their_order(nutshell: RunningNutshell) -> None:
    draft = {
        "name": "Phone Call",
        "description": "",
        "note": "Inbound call, 7:30 min",
        "location": "",
        "activityType": "1-activityTypes",
        "startTime": 1772445600,
        "endTime": 1772446050,
        "isLogged": True,
        "isFlagged": False,
        "isAllDay": False,
        "links": {"participants": ["1-users", "23-contacts"]},
    }
    told = ask(nutshell, "POST", "/rest/activities", {"activities": [draft]})
    assert told.status == 201
    [activity] = told.json["activities"]
    moments = {name: activity[name] for name in ("createdTime", "modifiedTime", "loggedTime")}
    assert json.dumps(activity) == json.dumps(example(ACTIVITY, nutshell) | moments)
    [note] = told.json["notes"]
    assert note["body"] == "Inbound call, 7:30 min"


def test_a_new_company_has_the_captured_fields_in_their_order(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "POST", "/rest/accounts", {"accounts": [{"name": "Blueberry"}]})
    assert told.status == 201
    assert told.json["meta"] == {"instanceId": "400123", "siteId": "aB3xYz"}
    [company] = told.json["accounts"]
    varying = ("id", "href", "avatarUrl", "htmlUrl", "htmlUrlPath")
    assert company["htmlUrlPath"].endswith("-blueberry")
    assert json.dumps(company | dict.fromkeys(varying, "?")) == json.dumps(example(NEW_ACCOUNT, nutshell))


def test_an_unreadable_number_has_nulls_where_nothing_is_known(nutshell: RunningNutshell) -> None:
    made = nutshell.ask("POST", "/contacts", {"name": "Ivo Kern", "phones": ["ask at the front desk"]})
    [person] = ask(nutshell, "GET", f"/rest/contacts/{made['id']}").json["contacts"]
    value = person["phones"][0]["value"]
    assert (value["countryCode"], value["E164"]) == (None, None)
    assert value["number"] == "ask at the front desk"


def test_users_say_their_addresses_and_rights(nutshell: RunningNutshell) -> None:
    body = ask(nutshell, "GET", "/rest/users").json
    assert {"next", "previous", "total"} <= set(body["meta"])
    ada = body["users"][0]
    assert (ada["id"], ada["type"], ada["name"]) == ("1-users", "users", "Ada Vance")
    assert ada["emails"] == ["ada@harbortools.example"]
    assert {"canAccessCrm", "canDeleteEntities"} <= set(ada["permissions"])
    assert {"firstName", "modifiedTime", "isEnabled", "isAdministrator", "isViewingRestricted"} <= set(ada)
    assert ask(nutshell, "GET", "/rest/users/1-users").json["users"] == [ada]


def test_activity_types_are_named_by_the_instance(nutshell: RunningNutshell) -> None:
    body = ask(nutshell, "GET", "/rest/activitytypes").json
    first = body["activityTypes"][0]
    assert (first["id"], first["name"]) == ("1-activityTypes", "Phone Call")
    assert {"modifiedTime", "isBenchmarkable"} <= set(first)


def test_the_catalogue_of_fields_offers_phone_to_filter_by(nutshell: RunningNutshell) -> None:
    for table in ("contacts", "accounts"):
        properties = ask(nutshell, "GET", f"/rest/{table}/list/fields").json["properties"]
        assert properties["phone"]["isFilterable"] is True
        assert {"type", "title", "isSortable"} <= set(properties["phone"])


def test_the_list_item_form_groups_numbers_by_label(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "GET", "/rest/contacts/list", query=[("filter[phone]", "3125550142")])
    [item] = told.json["listItems"]
    assert item["fields"]["phones"]["value"]["work"][0]["E164"] == "+13125550142"
