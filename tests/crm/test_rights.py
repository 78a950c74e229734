"""Whether an extension may use a CRM: each thing that can be missing is named."""

from __future__ import annotations

import pytest

from nutshellpbx.crm.rights import RightState, find_credential, may_read, right_of
from tests.crm.conftest import House

KEY = "k" * 40


def test_everything_in_place_may_and_brings_the_sign_in(house: House):
    house.grant()
    credential = house.credential(user=house.owner, key=KEY)
    right = right_of(extension=house.line, crm=house.crm)
    assert right.is_ok
    assert right.credential == credential
    assert right.user == house.owner
    assert may_read(extension=house.line.pk, crm=house.crm.pk)


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (lambda h: h.crm.__class__.objects.update(is_enabled=False), RightState.CRM_OFF),
        (lambda h: h.line.__class__.objects.update(owner=None), RightState.NO_OWNER),
        pytest.param(
            lambda h: h.owner.__class__.objects.update(is_active=False), RightState.NO_OWNER, id="left"
        ),
        (lambda h: h.crm.grants.all().delete(), RightState.NO_GRANT),
        (lambda h: h.crm.credentials.all().delete(), RightState.NO_KEY),
        pytest.param(
            lambda h: h.crm.credentials.update(state="candidate"), RightState.NO_KEY, id="unchecked"
        ),
        (lambda h: h.crm.credentials.update(state="refused"), RightState.KEY_REFUSED),
        pytest.param(
            lambda h: h.crm.credentials.update(state="enter_again"), RightState.KEY_REFUSED, id="enter_again"
        ),
        pytest.param(lambda h: h.crm.credentials.update(state="paused"), RightState.KEY_REFUSED, id="paused"),
    ],
)
def test_what_is_missing_is_named_and_counts_at_once(house: House, spoil, state):
    house.grant()
    house.credential(user=house.owner, key=KEY)
    assert right_of(extension=house.line, crm=house.crm).is_ok
    spoil(house)
    right = right_of(extension=house.line, crm=house.crm)
    assert right.state == state
    assert right.credential is None
    assert right.title and right.next_step
    assert not may_read(extension=house.line, crm=house.crm)


def test_a_personal_key_goes_before_the_companys(house: House):
    house.grant()
    company = house.credential(user=None, key=KEY)
    assert right_of(extension=house.line, crm=house.crm).credential == company
    personal = house.credential(user=house.owner, key=KEY)
    assert right_of(extension=house.line, crm=house.crm).credential == personal
    assert find_credential(user=house.colleague, crm=house.crm) == company


def test_a_refused_personal_key_is_not_replaced_behind_its_owners_back(house: House):
    house.grant()
    house.credential(user=None, key=KEY)
    house.credential(
        user=house.owner, key=KEY, state="refused", problem_title="Nutshell refused this e-mail and key"
    )
    right = right_of(extension=house.line, crm=house.crm)
    assert right.state == RightState.KEY_REFUSED
    assert right.title == "Nutshell refused this e-mail and key"


def test_a_colleagues_key_is_not_the_owners(house: House):
    house.grant()
    house.credential(user=house.colleague, key=KEY)
    assert right_of(extension=house.line, crm=house.crm).state == RightState.NO_KEY


def test_an_extension_that_is_gone_has_no_owner(house: House):
    house.grant()
    line_id = house.line.pk
    house.line.delete()
    assert right_of(extension=line_id, crm=house.crm).state == RightState.NO_OWNER


@pytest.mark.parametrize(
    ("spoil", "page"),
    [
        (lambda h: h.crm.grants.all().delete(), "under Extensions"),
        (lambda h: h.crm.credentials.all().delete(), "under CRM key"),
        (lambda h: h.crm.credentials.update(state="refused"), "under CRM key"),
    ],
)
def test_the_next_step_names_the_page_as_it_is_called(house: House, spoil, page):
    house.grant()
    house.credential(user=house.owner, key=KEY)
    spoil(house)
    assert page in right_of(extension=house.line, crm=house.crm).next_step
