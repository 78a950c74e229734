"""Nutshell's records in every shape of its documents and captures, and in shapes that no one promised."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.crm.adapter import CardNumber, Page, Table
from nutshellpbx.crm.nutshell import translate
from nutshellpbx.phone import read

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings" / "nutshell"
ORIGIN = "https://app.nutshell.com"
MARKER = "[npbx 7Q2K-9F4M-XD3B-R-1]"


def recording(name: str) -> Any:
    return json.loads((RECORDINGS / name).read_text(encoding="utf-8"))


def cards_of(name: str, table: Table):
    body = recording(name)
    records = translate.records_from(body, plural=table.value)
    assert records is not None
    names = translate.company_names_from(body)
    return [translate.card_from(record, table=table, origin=ORIGIN, companions=names) for record in records]


def test_a_person_of_a_listing_becomes_a_card():
    card = cards_of("rest/contacts_page.json", Table.CONTACTS)[0]
    assert card is not None
    assert (card.id, card.name, card.company, card.job_title) == (
        "23-contacts",
        "Mara Lindqvist",
        "Harbor Tool Works",
        "Buyer",
    )
    assert card.numbers == (
        CardNumber(raw="312-555-0142", e164="+13125550142", label="work"),
        CardNumber(raw="7175550133", e164="+2167175550133", extension="12"),
    )
    assert card.page == Page(origin=ORIGIN, path="/person/23-mara-lindqvist")
    assert (card.owner, card.links) == ("1-users", ("11-accounts",))


def test_a_person_with_next_to_nothing_still_has_a_name_and_a_page():
    card = cards_of("rest/contacts_page.json", Table.CONTACTS)[1]
    assert card is not None
    assert (card.name, card.numbers, card.owner) == ("Jonas Perrin", (), "")
    assert card.page == Page(origin=ORIGIN, path="/person/24")


def test_a_company_becomes_a_card():
    card = cards_of("rest/accounts_page.json", Table.ACCOUNTS)[0]
    assert card is not None
    assert (card.id, card.name, card.owner, card.links) == (
        "11-accounts",
        "Harbor Tool Works",
        "2-users",
        ("23-contacts",),
    )
    assert card.page == Page(origin=ORIGIN, path="/company/11-harbor-tool-works")


def test_the_end_of_a_listing_is_empty_whatever_the_count_says():
    body = recording("rest/contacts_past_the_end.json")
    assert translate.records_from(body, plural="contacts") == []
    assert translate.total_from(body) == 2


def test_numbers_of_the_list_form_and_of_the_older_interface_are_read():
    listed = cards_of("rest/contacts_list_form.json", Table.CONTACTS)[0]
    assert listed is not None
    assert [(number.raw, number.label) for number in listed.numbers] == [
        ("312-555-0142", "work"),
        ("+41 44 555 01 99", "other"),
    ]
    record = recording("rpc/get_contact.json")["result"]
    old = translate.card_from(record, table=Table.CONTACTS, origin=ORIGIN)
    assert old is not None
    assert [(number.raw, number.label) for number in old.numbers] == [
        ("312-555-0142", "work"),
        ("+41 44 555 01 99", ""),
    ]
    assert (old.id, old.name, old.company, old.owner) == (
        "23-contacts",
        "Ms. Mara Lindqvist",
        "Harbor Tool Works",
        "1-users",
    )
    assert old.last_contacted_at == datetime(2026, 2, 27, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["rest/note_created_as_list.json", "rest/note_created_bare.json", "rest/note_deleted.json"]
)
def test_a_note_is_read_as_a_list_or_bare(name):
    record = translate.note_record_from(recording(name))
    assert record is not None
    note = translate.note_from(record, origin=ORIGIN)
    assert note is not None
    assert (note.ref.id, note.text, note.parent_id) == (
        "59-notes",
        "Inbound call, 7:30 min",
        "23-contacts",
    )
    assert note.ref.page == Page(origin=ORIGIN, path="/note/59")
    assert note.deleted is name.endswith("deleted.json")


def test_a_note_of_the_older_interface_is_read():
    record = recording("rpc/get_contact.json")["result"]["notes"][0]
    note = translate.note_from(record, origin=ORIGIN)
    assert note is not None
    assert (note.ref.id, note.parent_id) == ("59-notes", "23-contacts")
    assert translate.has_marker(note.text, MARKER)
    assert translate.has_marker(record["noteHtml"], MARKER)


def test_what_is_no_note_is_not_taken_for_one():
    contact = recording("rest/contacts_page.json")["contacts"][0]
    assert translate.note_from(contact, origin=ORIGIN) is None
    assert translate.note_record_from({"meta": {}}) is None


def test_the_user_is_known_by_any_of_his_addresses():
    users = translate.records_from(recording("rest/users.json"), plural="users")
    assert users is not None
    for email in ("ada@harbortools.example", " ADA.VANCE@other.example "):
        who = translate.who_from(users, email=email)
        assert who is not None and (who.user_id, who.name) == ("1-users", "Ada Vance")
    assert translate.who_from(users, email="harbortools.example") is None
    assert translate.who_from(users, email="ben@harbortools.example") is None


def test_a_page_elsewhere_is_never_opened():
    for address in (
        "https://evil.example/person/23",
        "https://app.nutshell.com.evil.example/person/23",
        "https://app.nutshell.com@evil.example/",
        "javascript:alert(1)",
        "//evil.example/x",
    ):
        card = translate.card_from(
            {"id": "23-contacts", "name": "x", "htmlUrl": address}, table=Table.CONTACTS, origin=ORIGIN
        )
        assert card is not None
        assert card.page == Page(origin=ORIGIN, path="/person/23")
    for path in ("//evil.example", "person/23", "/a\nb", "/\\evil.example", "/" + "x" * 700):
        assert translate.page_from({"htmlUrlPath": path}, origin=ORIGIN) is None


def test_a_deleted_record_is_no_card():
    assert (
        translate.card_from({"id": "1-contacts", "deletedTime": 1}, table=Table.CONTACTS, origin=ORIGIN)
        is None
    )


def test_hostile_names_and_numbers_are_cut_and_cleaned():
    card = translate.card_from(
        {
            "id": 7,
            "name": "<script>\x00\u202e" + "x" * 10_000,
            "phones": [{"name": "y" * 999, "value": "1" * 9999}] * 500,
            "links": "nonsense",
        },
        table=Table.CONTACTS,
        origin=ORIGIN,
    )
    assert card is not None
    assert card.id == "7-contacts"
    assert len(card.name) <= translate.MAX_NAME and card.name.isprintable()
    assert len(card.numbers) <= translate.MAX_NUMBERS
    assert all(len(number.raw) <= translate.MAX_NUMBER for number in card.numbers)


KEYS = st.sampled_from(
    [
        "id",
        "name",
        "phones",
        "phone",
        "value",
        "links",
        "owner",
        "accounts",
        "notes",
        "note",
        "body",
        "type",
        "entityType",
        "parent",
        "contact",
        "createdTime",
        "deletedTime",
        "lastContactedDate",
        "htmlUrl",
        "htmlUrlPath",
        "E164",
        "number",
        "countryCode",
        "meta",
        "users",
        "emails",
        "--primary",
        "contacts",
        "data",
        "result",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_no_answer_however_shaped_makes_an_error(body):
    for plural, table in (("contacts", Table.CONTACTS), ("accounts", Table.ACCOUNTS)):
        for record in translate.records_from(body, plural=plural) or []:
            card = translate.card_from(record, table=table, origin=ORIGIN)
            assert card is None or translate.id_from(card.id, kind=plural) == card.id
    record = translate.note_record_from(body)
    if record is not None:
        translate.note_from(record, origin=ORIGIN)
    translate.total_from(body)
    translate.company_names_from(body)
    translate.who_from(translate.records_from(body, plural="users") or [], email="a@b.example")


@pytest.mark.parametrize(
    "value",
    [
        1772446570,
        "1772446570",
        "2026-03-02T10:16:10+0000",
        "2026-03-02T10:16:10+00:00",
        "2026-03-02T11:16:10+0100",
    ],
)
def test_points_in_time_are_read_in_every_spelling(value):
    assert translate.time_from(value) == datetime(2026, 3, 2, 10, 16, 10, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", 0, True, "soon", 10**30, float("nan"), [], "9" * 12])
def test_what_is_no_point_in_time_is_none(value):
    assert translate.time_from(value) is None


def test_a_number_is_asked_for_in_several_spellings():
    assert translate.spellings_of(read("+13125550142", country="US")) == (
        "+13125550142",
        "3125550142",
        "13125550142",
        "312-555-0142",
        "25550142",
    )
    assert "0445550199" in translate.spellings_of(read("+41445550199", country="US"))
    assert translate.spellings_of(read("4711", country="US")) == ("4711",)


def test_the_marker_is_the_last_line_and_the_only_one():
    text = translate.with_marker("Call from [npbx AAAA-BBBB-CCCC-D-1]\n[ NPBX x]\n\n", MARKER)
    assert text.splitlines()[-1] == MARKER
    assert text.lower().count("npbx") == 3 and text.count("[npbx") == 1
    assert translate.has_marker(text, MARKER)
    assert not translate.has_marker(text, "[npbx AAAA-BBBB-CCCC-D-1]")
    assert not translate.has_marker(f"quoted: {MARKER} there", MARKER)
    long = translate.with_marker("x" * 100_000, MARKER)
    assert len(long) < 21_000 and translate.has_marker(long, MARKER)
