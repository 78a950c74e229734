"""What a desk gets to see, for every setting."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from nutshellpbx.calls.decide import Known, Moment, Settings, Show, decide

DEFAULT = Settings(open_mode="ring", unknown="form", open_after=True, journaling=True)


def show(
    moment: str, known: str, settings: Settings = DEFAULT, *, several: bool = False, before: bool = False
) -> Show:
    return decide(
        moment=Moment(moment), settings=settings, known=Known(known), for_several=several, shown_before=before
    )[0]


@pytest.mark.parametrize(
    ("mode", "on_ring", "on_answer"),
    [
        ("ring", Show.RECORD, Show.RECORD),
        ("answer", Show.CARD, Show.RECORD),
        ("never", Show.CARD, Show.NOTHING),
    ],
)
def test_contact_open_mode_decides_when_the_record_opens(mode: str, on_ring: Show, on_answer: Show) -> None:
    settings = replace(DEFAULT, open_mode=mode)
    assert show("ring", "one", settings) is on_ring
    assert show("answer", "one", settings, before=True) is on_answer


def test_a_group_rings_with_quiet_cards_and_opens_where_it_is_answered() -> None:
    assert show("ring", "one", several=True) is Show.CARD
    assert show("answer", "one", several=True, before=True) is Show.RECORD


@pytest.mark.parametrize(
    ("unknown", "shown"), [("off", Show.CARD), ("form", Show.FORM), ("create", Show.CREATE)]
)
def test_an_unknown_caller_is_shown_as_the_user_set_it(unknown: str, shown: Show) -> None:
    assert show("ring", "nobody", replace(DEFAULT, unknown=unknown)) is shown


def test_nothing_is_created_while_several_phones_ring() -> None:
    assert show("ring", "nobody", replace(DEFAULT, unknown="create"), several=True) is Show.CARD


def test_several_records_open_the_chooser() -> None:
    assert show("ring", "several") is Show.CHOOSER


@pytest.mark.parametrize(
    ("unknown", "mode"), list(product(["off", "form", "create"], ["ring", "answer", "never"]))
)
def test_a_crm_that_could_not_be_asked_never_opens_a_form(unknown: str, mode: str) -> None:
    settings = replace(DEFAULT, unknown=unknown, open_mode=mode)
    shown = {
        show(moment, "not_asked", settings, before=before)
        for moment in ("ring", "dial", "answer")
        for before in (True, False)
    }
    assert shown <= {Show.CARD, Show.NOTHING}


@pytest.mark.parametrize(
    ("settings", "known", "shown"),
    [
        (DEFAULT, "one", Show.RECORD),
        (replace(DEFAULT, open_after=False), "one", Show.NOTHING),
        (replace(DEFAULT, journaling=False), "one", Show.NOTHING),
        (DEFAULT, "several", Show.NOTHING),
        (DEFAULT, "nobody", Show.NOTHING),
        (DEFAULT, "not_asked", Show.NOTHING),
    ],
)
def test_after_the_call_the_record_opens_only_where_it_is_wanted_and_known(
    settings: Settings, known: str, shown: Show
) -> None:
    assert show("after", known, settings) is shown


def test_whatever_is_known_there_is_an_answer_with_a_reason() -> None:
    for moment, known, several, before in product(Moment, Known, (True, False), (True, False)):
        found, reason = decide(
            moment=moment, settings=DEFAULT, known=known, for_several=several, shown_before=before
        )
        assert isinstance(found, Show)
        assert reason
