"""Comparing a caller with records: the same person in every spelling, and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nutshellpbx.crm.adapter import Card, CardNumber, Table
from nutshellpbx.crm.match import Form, find_matches, forms_of
from nutshellpbx.phone import read

BOTH = (Table.CONTACTS, Table.ACCOUNTS)


def card(
    *numbers: CardNumber | str, table: Table = Table.CONTACTS, record_id: str = "1", **values: object
) -> Card:
    return Card(
        table=table,
        id=f"{record_id}-{table}",
        name=str(values.pop("name", "Mara Lindqvist")),
        numbers=tuple(CardNumber(raw=each) if isinstance(each, str) else each for each in numbers),
        **values,  # type: ignore[arg-type]
    )


def matches(caller: str, *cards: Card, country: str = "CH", digits: int = 0, owner: str = "", tables=BOTH):
    return find_matches(
        caller=read(caller, country=country),
        cards=cards,
        country=country,
        compare_digits=digits,
        tables=tables,
        owner=owner,
    )


@pytest.mark.parametrize("caller", ["0445550199", "+41445550199", "0041445550199", "41445550199"])
@pytest.mark.parametrize(
    "written", ["044 555 01 99", "+41 (0)44 555 01 99", "044/555 01 99 x3", "044 5550199 Mara"]
)
def test_a_caller_is_found_in_every_spelling(caller, written):
    found = matches(caller, card(written))
    assert [match.why.form for match in found] == [Form.E164]
    assert found[0].why.raw == written


def test_the_neighbour_is_not_the_caller():
    assert matches("0445550199", card("044 555 01 98"), card("043 555 01 99"), card("+49 44 5550199")) == []


def test_a_crm_that_added_its_own_region_does_not_hide_the_number():
    wrong = CardNumber(raw="0445550199", e164="+10445550199")
    assert len(matches("+41445550199", card(wrong))) == 1


def test_a_foreign_number_in_the_crm_is_not_taken_for_a_domestic_one():
    abroad = CardNumber(raw="445550199", e164="+1445550199")
    assert [form.e164 for form in forms_of(abroad, country="US")] == [""]
    assert (
        matches("+13125550177", card(CardNumber(raw="13125550177", e164="+4413125550177")), country="US")
        == []
    )
    real = CardNumber(raw="3125550142", e164="+13125550142")
    assert [form.e164 for form in forms_of(real, country="CH")] == ["+13125550142"]


def test_the_last_digits_are_compared_when_the_user_says_so():
    written = card("555 01 99")
    assert matches("0445550199", written) == []
    found = matches("0445550199", written, digits=7)
    assert [match.why.form for match in found] == [Form.LAST_DIGITS]
    assert found[0].why.compared == "5550199"
    assert matches("0445550199", card("555 01 98"), digits=7) == []


def test_fewer_digits_than_are_compared_are_the_same_only_if_all_are():
    assert matches("4711", card("044 555 47 11"), digits=7) == []
    assert len(matches("4711", card("4711"), digits=7)) == 1


def test_unreadable_numbers_match_by_their_digits_alone():
    assert [m.why.form for m in matches("4711", card("47 11"))] == [Form.DIGITS]


def test_the_first_table_that_knows_the_caller_counts():
    person = card("044 555 01 99")
    company = card("044 555 01 99", table=Table.ACCOUNTS, name="Harbor Tool Works")
    assert [m.card for m in matches("0445550199", company, person)] == [person]
    assert [m.card for m in matches("0445550199", person, company, tables=BOTH[::-1])] == [company]
    assert [m.card for m in matches("0445550199", company, tables=(Table.CONTACTS,))] == []


def test_several_records_come_in_the_same_order_whatever_comes_first():
    old = card("0445550199", record_id="1", name="Zoe", last_contacted_at=datetime(2026, 1, 1, tzinfo=UTC))
    new = card("0445550199", record_id="2", name="Yves", last_contacted_at=datetime(2026, 5, 1, tzinfo=UTC))
    never_b = card("0445550199", record_id="3", name="Berta")
    never_a = card("0445550199", record_id="4", name="anna")
    mine = card("0445550199", record_id="5", name="Xaver", owner="7-users")
    everybody = [never_b, mine, old, never_a, new]
    expected = [mine, new, old, never_a, never_b]
    for cards in (everybody, everybody[::-1], sorted(everybody, key=lambda each: each.name)):
        assert [m.card for m in matches("0445550199", *cards, owner="7-users")] == expected


def test_one_record_with_the_number_twice_is_one_match():
    assert len(matches("0445550199", card("044 555 01 99", "+41 44 555 01 99"))) == 1


def test_no_number_matches_no_number():
    assert matches("", card("")) == []
    assert matches("anonymous", card("", "unknown"), digits=7) == []
