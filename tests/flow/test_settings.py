"""Each of a user's settings is in force with the next call, without any restart."""

from __future__ import annotations

import pytest

from nutshellpbx.calls.models import Call, Pop
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab import phone_calls
from nutshellpbx.lab.phone_system import ToldCall
from nutshellpbx.people.models import Company
from tests.flow.conftest import Stage, until

UNKNOWN = "+12125550187"


def reasons_of(told: ToldCall) -> dict[str, str]:
    """Why each moment of the call's one leg showed what it showed."""
    pops = until(lambda: _settled(told))
    return {pop.moment: pop.reason for pop in pops}


def _settled(told: ToldCall) -> list[Pop]:
    pops = list(Pop.objects.filter(leg__call__uid=told.id))
    return pops if pops and all(pop.settled_at for pop in pops) else []


@pytest.mark.parametrize(("mode", "pages"), [("ring", 1), ("answer", 1), ("never", 0)])
def test_contact_open_mode(stage: Stage, mode: str, pages: int) -> None:
    stage.prefer(open_mode=mode, open_after=False)
    customer = stage.customer()
    told = phone_calls.inbound_answered(system=stage.slow_system, number=customer["number"], extension="101")[
        0
    ]
    stage.entry_of(told)
    reasons = reasons_of(told)
    assert (
        reasons["ring"]
        == {"ring": "one_match", "answer": "opens_on_answer", "never": "open_mode_never"}[mode]
    )
    assert stage.opened(stage.ada, customer) == pages


def test_a_number_that_is_not_long_enough_shows_nothing_but_is_journaled(stage: Stage) -> None:
    customer = stage.customer()
    stage.prefer(longer_than=20)
    told = phone_calls.inbound_answered(system=stage.system, number=customer["number"], extension="101")[0]
    assert stage.entry_of(told).state == Entry.State.VERIFIED
    assert reasons_of(told)["ring"] == "too_short"
    assert stage.opened(stage.ada, customer) == 0


def test_enable_journaling_off(stage: Stage) -> None:
    customer = stage.customer()
    stage.prefer(journaling=False)
    told = phone_calls.inbound_answered(system=stage.system, number=customer["number"], extension="101")[0]
    call = until(lambda: Call.objects.filter(uid=told.id, ended_at__isnull=False).first())
    assert call.left_out == Call.LeftOut.JOURNALING_OFF
    assert stage.notes_of(customer) == []


def test_opening_after_the_call_off(stage: Stage) -> None:
    customer = stage.customer()
    stage.prefer(open_after=False)
    told = phone_calls.inbound_answered(system=stage.slow_system, number=customer["number"], extension="101")[
        0
    ]
    stage.entry_of(told)
    assert reasons_of(told)["after"] == "after_call_off"
    assert stage.opened(stage.ada, customer) == 1


def test_an_unknown_caller_opens_our_new_contact_page_and_the_note_waits(stage: Stage) -> None:
    told = phone_calls.inbound_answered(
        system=stage.slow_system, number=UNKNOWN, extension="101", name="R. Hale"
    )[0]
    assert stage.entry_of(told).state == Entry.State.WAITING
    assert any(address.startswith(f"{stage.office.public_url}/pop/") for address in stage.ada.opened())


def test_unknown_callers_off_shows_a_card_and_opens_nothing(stage: Stage) -> None:
    stage.prefer(unknown="off")
    before = len(stage.ada.opened())
    told = phone_calls.inbound_answered(system=stage.slow_system, number="+12125550188", extension="101")[0]
    stage.entry_of(told)
    assert reasons_of(told)["ring"] == "nobody_found"
    assert len(stage.ada.opened()) == before


def test_unknown_callers_created_at_once_are_opened_and_get_their_note(stage: Stage) -> None:
    stage.prefer(unknown="create")
    told = phone_calls.inbound_answered(
        system=stage.slow_system, number="+12125550189", extension="101", name="Rosa Hale"
    )[0]
    entry = stage.entry_of(told)
    assert (entry.state, entry.card_name) == (Entry.State.VERIFIED, "Rosa Hale")
    until(
        lambda: (
            sum(f"/person/{entry.card_id.split('-')[0]}-" in address for address in stage.ada.opened()) == 2
        )
    )
    made = [
        entry
        for entry in stage.nutshell.requests()
        if entry["method"] == "POST" and entry["path"] == "/rest/contacts"
    ]
    assert len(made) == 1


def test_maximum_digit_length_to_compare_finds_the_number_by_its_end(stage: Stage) -> None:
    customer = stage.customer()
    stage.prefer(compare_digits=7, unknown="off")
    other_area = "+1212" + customer["number"][-7:]
    told = phone_calls.inbound_answered(system=stage.slow_system, number=other_area, extension="101")[0]
    assert stage.entry_of(told).card_name == customer["name"]


def test_contact_lookup_decides_which_tables_are_searched(stage: Stage) -> None:
    customer = stage.customer()
    stage.prefer(lookup="accounts", unknown="off")
    told = phone_calls.inbound_answered(system=stage.slow_system, number=customer["number"], extension="101")[
        0
    ]
    assert stage.entry_of(told).state == Entry.State.WAITING
    assert reasons_of(told)["ring"] == "nobody_found"


def test_several_records_open_the_chooser_and_the_note_waits_for_the_choice(stage: Stage) -> None:
    customer = stage.customer(kind="shared")
    before = len([address for address in stage.ada.opened() if "/pop/" in address])
    told = phone_calls.inbound_answered(system=stage.slow_system, number=customer["number"], extension="101")[
        0
    ]
    entry = stage.entry_of(told)
    assert reasons_of(told)["ring"] == "several_matches"
    assert entry.state == Entry.State.WAITING
    assert len([address for address in stage.ada.opened() if "/pop/" in address]) == before + 1


def test_a_locked_setting_counts_for_everybody(stage: Stage) -> None:
    customer = stage.customer()
    stage.prefer(open_mode="never")
    Company.objects.filter(pk=1).update(locks=["open_mode"])
    told = phone_calls.inbound_answered(system=stage.slow_system, number=customer["number"], extension="101")[
        0
    ]
    stage.entry_of(told)
    assert reasons_of(told)["ring"] == "one_match"
