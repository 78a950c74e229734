from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from nutshellpbx.lab.nutshell.running import RunningNutshell
from tests.lab.asking import PATCH, add_note, ask


def feed(nutshell: RunningNutshell, *query: tuple[str, object]) -> dict[str, Any]:
    return dict(ask(nutshell, "GET", "/rest/events", query=query).json)


def test_a_new_person_appears_in_the_feed_with_the_whole_record(nutshell: RunningNutshell) -> None:
    last = feed(nutshell)["events"][0]["id"]
    made = nutshell.ask("POST", "/contacts", {"name": "New Comer", "phones": ["312-555-0199"]})
    body = feed(nutshell, ("since_id", last), ("filters[payload][]", "contacts"))
    [event] = body["events"]
    assert set(event) == {
        *("id", "type", "createdTime", "actorType", "payloadType", "action", "changes", "count", "links")
    }
    assert (event["payloadType"], event["action"], event["actorType"]) == ("contacts", "create", "users")
    assert event["links"] == {"comments": [], "actor": "1-users", "payloads": [made["id"]]}
    assert body["payloads"][0]["phones"][0]["value"]["E164"] == "+13125550199"
    assert [actor["id"] for actor in body["actors"]] == ["1-users"]


def test_next_asks_for_newer_events_and_previous_for_older_ones(nutshell: RunningNutshell) -> None:
    first = feed(nutshell, ("limit", 5))
    assert len(first["events"]) == 5
    assert first["meta"]["last"] == first["events"][-1]["id"]
    older = ask(nutshell, "GET", first["meta"]["previous"].removeprefix(nutshell.url)).json
    assert older["events"][0]["id"] < first["events"][-1]["id"] or (
        older["events"][0]["id"] == first["events"][-1]["id"]
    )
    assert {event["id"] for event in older["events"]} - {event["id"] for event in first["events"]}
    newer = ask(nutshell, "GET", first["meta"]["next"].removeprefix(nutshell.url)).json
    assert newer["events"] == []
    again = parse_qs(urlsplit(newer["meta"]["next"]).query)
    assert again["since_id"] == [first["events"][0]["id"]], "an empty page keeps the place in the feed"
    note = add_note(nutshell, "x").json["notes"][0]
    newer = ask(nutshell, "GET", newer["meta"]["next"].removeprefix(nutshell.url)).json
    assert [event["links"]["payloads"] for event in newer["events"]] == [[note["id"]]]


def test_events_of_one_second_are_not_lost_between_two_pages(nutshell: RunningNutshell) -> None:
    ids = [add_note(nutshell, f"{n}").json["notes"][0]["id"] for n in range(6)]
    seen: list[str] = []
    path: str | None = "/rest/events?limit=3&filters[payload][]=notes"
    for _ in range(5):
        if path is None:
            break
        body = ask(nutshell, "GET", path).json
        seen += [event["links"]["payloads"][0] for event in body["events"]]
        older = body["meta"]["previous"]
        path = older.removeprefix(nutshell.url) if older else None
    assert set(ids) <= set(seen)


def test_a_change_and_a_logged_call_are_told_with_their_actions(nutshell: RunningNutshell) -> None:
    steps = [{"op": "replace", "path": "/contacts/0/jobTitle", "value": "Owner"}]
    ask(nutshell, "PATCH", "/rest/contacts/23-contacts", steps, media_type=PATCH)
    draft = {"isLogged": True, "note": "spoke", "links": {"participants": ["23-contacts"]}}
    ask(nutshell, "POST", "/rest/activities", {"activities": [draft]})
    told = [(e["payloadType"], e["action"]) for e in feed(nutshell, ("limit", 3))["events"]]
    assert told == [("activities", "log"), ("notes", "create"), ("contacts", "update")]
    only_mara = feed(nutshell, ("entity_id", "23-contacts"))["events"]
    assert [event["action"] for event in only_mara][0] == "update"
    assert only_mara[0]["changes"][0]["attribute"] == "jobTitle"


def test_deletions_are_told_in_their_own_feed_alone(nutshell: RunningNutshell) -> None:
    before = feed(nutshell)["events"][0]["id"]
    ask(nutshell, "DELETE", "/rest/contacts/23-contacts")
    ask(nutshell, "DELETE", "/rest/accounts/11-accounts")
    assert feed(nutshell, ("since_id", before))["events"] == []
    query = [("filter[types]", "contacts"), ("sort", "-change_time")]
    body = ask(nutshell, "GET", "/rest/events/deleted", query=query).json
    assert [event["links"]["payloads"] for event in body["events"]] == [["23-contacts"]]
    everything = ask(nutshell, "GET", "/rest/events/deleted").json["events"]
    assert [event["payloadType"] for event in everything] == ["contacts", "accounts"]


def test_a_wrong_id_in_the_feed_is_refused(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "GET", "/rest/events", query=[("since_id", "23-contacts")])
    assert told.status == 400
    assert told.json["events"] == []
