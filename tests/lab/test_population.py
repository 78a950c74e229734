from __future__ import annotations

from collections import Counter
from random import Random

import phonenumbers

from nutshellpbx.lab.nutshell.number_plans import NumberSource, Plan
from nutshellpbx.lab.nutshell.population import draw_up

USERS = ["1-users", "2-users"]


def test_the_same_seed_makes_the_same_company_and_another_seed_another_one() -> None:
    first = draw_up(contacts=400, seed=7, user_ids=USERS)
    assert first == draw_up(contacts=400, seed=7, user_ids=USERS)
    assert first != draw_up(contacts=400, seed=8, user_ids=USERS)


def test_the_company_has_the_asked_size_and_the_wild_variety_of_numbers() -> None:
    people, companies = draw_up(contacts=5000, seed=7, user_ids=USERS)
    assert len(people) == 5000
    assert len({person.id for person in people}) == 5000
    phones = [phone for person in people for phone in person.phones]
    assert 2.1 < len(phones) / len(people) < 2.3
    assert len({phone.country_code for phone in phones}) >= 10
    assert any(not phone.digits for phone in phones), "some numbers cannot be read"
    shared = Counter(phone.digits for phone in phones if phone.digits)
    assert sum(count > 1 for count in shared.values()) > 20, "some people share a switchboard"
    switchboards = {phone.digits for company in companies for phone in company.phones}
    assert any(phone.digits in switchboards for phone in phones)


def test_most_made_up_numbers_could_be_dialled() -> None:
    people, _ = draw_up(contacts=3000, seed=11, user_ids=USERS)
    digits = [phone.digits for person in people for phone in person.phones if phone.digits]
    valid = sum(_is_valid(text) for text in digits)
    assert 0.95 < valid / len(digits) < 1.0, "most are right, some are mistyped as in life"


def test_a_source_gives_each_number_once_and_never_a_taken_one() -> None:
    plan = Plan("XX", "999", 1.0, "0", "Nowhere", ("12", "34", "56"), 2)
    taken = frozenset({"1207", "5699"})
    source = NumberSource(plan=plan, rng=Random(1), taken=taken)
    numbers = [source.take() for _ in range(plan.size - len(taken))]
    assert len(set(numbers)) == 298
    assert not taken & set(numbers)


def test_the_number_of_the_documented_example_belongs_to_nobody_else() -> None:
    people, companies = draw_up(contacts=20_000, seed=7, user_ids=USERS)
    owners = [person.id for person in people for phone in person.phones if phone.digits == "13125550142"]
    assert owners == [23]
    assert companies[2].name == "Harbor Tool Works"
    assert companies[2].id == 11
    assert 23 in companies[2].person_ids


def _is_valid(digits: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False
