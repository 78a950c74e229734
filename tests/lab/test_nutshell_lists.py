from __future__ import annotations

import pytest

from nutshellpbx.lab.nutshell.running import RunningNutshell, running_nutshell
from tests.lab.asking import ask, names


def test_paging_goes_to_the_end_and_a_page_past_it_is_empty_with_the_counts_kept(
    nutshell: RunningNutshell,
) -> None:
    seen: list[str] = []
    for page in range(10):
        body = ask(nutshell, "GET", "/rest/contacts", query=[("page[limit]", 70), ("page[page]", page)]).json
        assert body["meta"]["count"] == body["meta"]["total"] == 300
        if not body["contacts"]:
            break
        seen += [person["id"] for person in body["contacts"]]
    assert page == 5
    assert len(seen) == len(set(seen)) == 300


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ([("page[page]", -1)], "Invalid page number: -1"),
        ([("page[limit]", 10_001)], "Invalid page limit: 10001"),
        ([("page[limit]", "many")], "Invalid page limit: many"),
        ([("filter[colour]", "red")], "Invalid filter: colour"),
        ([("filter[createdTime]", "2026-03-01T00:00:00")], "Invalid time range: 2026-03-01T00:00:00"),
    ],
)
def test_a_wrong_list_request_is_answered_400_with_the_captured_error_body(
    nutshell: RunningNutshell, query: list[tuple[str, object]], detail: str
) -> None:
    told = ask(nutshell, "GET", "/rest/accounts", query=query)
    assert told.status == 400
    assert told.media_type == "application/json"
    assert told.json == {
        "meta": {"instanceId": "400123", "siteId": "aB3xYz"},
        "links": {},
        "accounts": [],
        "errors": [
            {
                "id": None,
                "type": "errors",
                "code": None,
                "detail": detail,
                "href": None,
                "status": "400",
                "title": "Invalid filter",
                "field": None,
            }
        ],
    }


@pytest.mark.parametrize("asked", ["+13125550142", "13125550142", "3125550142", "(312) 555-0142", "5550142"])
def test_filter_phone_finds_the_person_by_each_usual_spelling(nutshell: RunningNutshell, asked: str) -> None:
    told = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", asked)])
    assert "Mara Lindqvist" in names(told)


def test_filter_phone_finds_companies_and_not_strangers(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "GET", "/rest/accounts", query=[("filter[phone][]", "2185550100")])
    assert names(told, "accounts") == ["Harbor Tool Works"]
    told = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", "9995550142")])
    assert told.json["contacts"] == []
    assert told.json["meta"]["count"] == 0
    assert told.json["meta"]["total"] == 300


def test_several_people_behind_one_number_are_all_found(nutshell: RunningNutshell) -> None:
    shared = nutshell.ask("GET", "/sample?kind=shared&count=1")["contacts"][0]
    found = [
        record["id"]
        for table in ("contacts", "accounts")
        for record in ask(
            nutshell, "GET", f"/rest/{table}", query=[("filter[phone]", shared["number"])]
        ).json[table]
    ]
    assert sorted(found) == sorted(shared["owners"])
    assert len(found) > 1


@pytest.mark.parametrize(
    ("way", "found_by", "missed_by"),
    [("contains", "312555", "999"), ("exact", "3125550142", "5550142")],
)
def test_other_ways_of_comparing_numbers_can_be_chosen(way: str, found_by: str, missed_by: str) -> None:
    with running_nutshell(contacts=10, phone_filter=way) as nutshell:
        asked = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", found_by)])
        assert "Mara Lindqvist" in names(asked)
        asked = ask(nutshell, "GET", "/rest/contacts", query=[("filter[phone]", missed_by)])
        assert "Mara Lindqvist" not in names(asked)


@pytest.mark.parametrize(
    "query",
    [
        [("q", "lindqvist mara")],
        [("q", "mara@harbortools")],
        [("q", "mara harbor tool")],
        [("email", "MARA@harbortools.example")],
        [("filter[email]", "mara@harbortools.example")],
        [("filter[name]", "Mara Lind")],
        [("filter[id][]", "23-contacts")],
        [("filter[id]", "23")],
        [("filter[accounts][]", "11-accounts"), ("filter[name]", "Lindqvist")],
        [("filter[createdTime]", "2025-11-20T07:00:00 TO 2025-11-20T09:00:00")],
        [("filter[createdTime]", "2025-11-20T07:00:00Z 2025-11-20T09:00:00Z"), ("q", "mara")],
        [("filter[lastContactedTime]", "2026-02-27T15:00:00 TO 2026-02-27T17:00:00"), ("q", "mara")],
    ],
)
def test_each_filter_finds_the_example_person(
    nutshell: RunningNutshell, query: list[tuple[str, object]]
) -> None:
    assert "Mara Lindqvist" in names(ask(nutshell, "GET", "/rest/contacts", query=query))


def test_a_comma_in_filter_name_breaks_the_server_as_the_real_one(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "GET", "/rest/contacts", query=[("filter[name]", "Lindqvist, Mara")])
    assert told.status == 500
    assert told.json == {"code": 500, "message": "Internal Server Error"}


def test_lists_are_in_order_of_name_unless_asked_otherwise(nutshell: RunningNutshell) -> None:
    by_name = names(ask(nutshell, "GET", "/rest/contacts"))
    assert by_name == sorted(by_name, key=str.casefold)
    newest = ask(nutshell, "GET", "/rest/contacts", query=[("sort", "-createdTime"), ("page[limit]", 1)])
    made = nutshell.ask("POST", "/contacts", {"name": "Newest Comer"})
    after = ask(nutshell, "GET", "/rest/contacts", query=[("sort", "-createdTime"), ("page[limit]", 1)])
    assert [row["id"] for row in after.json["contacts"]] == [made["id"]] != newest.json["contacts"][0]["id"]


def test_a_restricted_user_is_shown_only_what_he_owns(nutshell: RunningNutshell) -> None:
    made = nutshell.ask("POST", "/users", {"email": "kim@harbortools.example", "restricted": True})
    mine = nutshell.ask("POST", "/contacts", {"name": "Only Mine", "owner": made["id"]})
    who = {"email": made["email"], "key": made["key"]}
    body = ask(nutshell, "GET", "/rest/contacts", **who).json
    assert [person["id"] for person in body["contacts"]] == [mine["id"]]
    assert body["meta"]["total"] == 1
    assert ask(nutshell, "GET", "/rest/contacts/23-contacts", **who).status == 404


def test_several_ids_may_be_joined_by_commas(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "GET", "/rest/contacts/23-contacts,27-contacts,9999999-contacts")
    assert [person["id"] for person in told.json["contacts"]] == ["23-contacts", "27-contacts"]
