from __future__ import annotations

import pytest

from nutshellpbx.lab.nutshell.running import RunningNutshell
from tests.lab.asking import add_note, ask


def key_of(nutshell: RunningNutshell, kind: str) -> str:
    return next(key["key"] for key in nutshell.ask("GET", "/users")["keys"] if key["kind"] == kind)


@pytest.mark.parametrize(
    ("email", "key"),
    [
        (None, ""),
        ("ada@harbortools.example", "0" * 40),
        ("stranger@elsewhere.example", "0123456789abcdef0123456789abcdef01234567"),
        ("", "0123456789abcdef0123456789abcdef01234567"),
    ],
)
def test_a_wrong_or_missing_pair_gets_the_html_page_of_401(
    nutshell: RunningNutshell, email: str | None, key: str
) -> None:
    told = ask(nutshell, "GET", "/rest/users", email=email, key=key)
    assert told.status == 401
    assert told.media_type == "text/html"
    assert b"<title>An Error Occurred: Unauthorized</title>" in told.body
    assert told.headers["x-nutshell-request-id"]


@pytest.mark.parametrize("header", ["Basic !!!", "Basic YWRh", "Bearer x", "Basic", ""])
def test_an_unreadable_sign_in_header_is_refused_quietly(nutshell: RunningNutshell, header: str) -> None:
    told = ask(nutshell, "GET", "/rest/users", email=None, headers={"Authorization": header})
    assert told.status == 401


def test_with_an_impersonation_key_the_user_is_the_author(nutshell: RunningNutshell) -> None:
    colleague = nutshell.ask("GET", "/users")["users"][1]
    add_note(nutshell, "by a colleague", email=colleague["emails"][0].upper())
    [note] = nutshell.notes()
    assert (note["author"], note["author_name"]) == (colleague["id"], colleague["name"])


def test_with_a_plain_api_key_the_key_is_the_author(nutshell: RunningNutshell) -> None:
    key = key_of(nutshell, "api")
    add_note(nutshell, "by a key", key=key)
    [note] = nutshell.notes()
    assert note["author"].endswith("-origins")
    assert note["author_name"] == "Reporting"
    event = ask(nutshell, "GET", "/rest/events", key=key).json["events"][0]
    assert event["actorType"] == "origins"


def test_a_plain_api_key_takes_the_domain_of_the_company_as_name(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "GET", "/rest/users", email="harbortools.example", key=key_of(nutshell, "api"))
    assert told.status == 200


def test_a_key_for_forms_may_not_use_the_api(nutshell: RunningNutshell) -> None:
    told = ask(nutshell, "GET", "/rest/users", key=key_of(nutshell, "forms"))
    assert told.status == 403
    assert told.media_type == "text/html"


def test_a_revoked_key_and_a_disabled_user_are_refused_at_once(nutshell: RunningNutshell) -> None:
    made = nutshell.ask("POST", "/users", {"email": "kim@harbortools.example"})
    who = {"email": made["email"], "key": made["key"]}
    assert ask(nutshell, "GET", "/rest/users", **who).status == 200
    nutshell.ask("POST", "/keys", {"key": made["key"], "revoked": True})
    assert ask(nutshell, "GET", "/rest/users", **who).status == 401
    gone = nutshell.ask("POST", "/users", {"email": "lee@harbortools.example", "enabled": False})
    assert ask(nutshell, "GET", "/rest/users", email=gone["email"], key=gone["key"]).status == 401


def test_keys_made_from_the_seed_are_the_same_each_time(nutshell: RunningNutshell) -> None:
    before = nutshell.ask("GET", "/users")
    nutshell.ask("POST", "/users", {"email": "kim@harbortools.example"})
    nutshell.ask("POST", "/reset")
    assert nutshell.ask("GET", "/users") == before
