from __future__ import annotations

import random

from nutshellpbx.lab.nutshell.phone_index import PhoneIndex


def test_the_index_finds_exactly_the_numbers_that_end_with_the_digits_asked_for() -> None:
    rng = random.Random(5)
    numbers = [("".join(rng.choices("0123456789", k=rng.randrange(1, 20))), owner) for owner in range(3000)]
    index = PhoneIndex()
    index.fill(numbers[:2000])
    for digits, owner in numbers[2000:]:
        index.add(digits=digits, owner=owner)
    assert len(index) == 3000
    for length in (1, 2, 3, 7, 15):
        wanted = "".join(rng.choices("0123456789", k=length))
        assert index.find_owners(wanted) == [o for d, o in numbers if d[-18:].endswith(wanted)]
    for digits, owner in numbers:
        assert owner in index.find_owners(digits[-18:])


def test_one_record_with_two_matching_numbers_is_named_once() -> None:
    index = PhoneIndex()
    index.fill([("13125550142", 23), ("442075550142", 23), ("99", 4), ("", 5)])
    assert index.find_owners("5550142") == [23]
    assert index.find_owners("") == []
