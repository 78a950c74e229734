"""A call that its user calls private: no note, its number masked, nothing more looked up; by him alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from nutshellpbx.audit.models import Act
from nutshellpbx.calls import actions, callers
from nutshellpbx.calls.models import Call, Pop
from nutshellpbx.calls.policy import Policy
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.events import Direction, Kind
from nutshellpbx.people.models import Company, User
from tests.calls.test_take_in import CUSTOMER
from tests.calls.test_take_in import Office as Lines
from tests.dashboard.conftest import signed_in
from tests.dashboard.office import make_answer, make_card, make_user

NOW = datetime(2026, 11, 22, 9, 1, tzinfo=UTC)


@pytest.fixture
def live(office) -> Call:
    """The owner's call that is going on, of somebody who is known."""
    call = office.calls["live"]
    make_answer(office, call, [make_card("41-contacts", "Joost van Aerden")])
    return call


@pytest.mark.parametrize("page", ["my_calls", "my_call"])
def test_user_calls_a_call_private_while_it_lives(page, live, as_owner, office):
    address = reverse("my_call_private", args=[live.pk])
    shown = as_owner.get(reverse(page, args=[live.pk] if page == "my_call" else [])).content.decode()
    assert f'action="{address}"' in shown
    as_owner.post(address)
    live.refresh_from_db()
    assert live.is_private
    act = Act.objects.get(act="call.private")
    assert (act.by_email, act.what) == (office.owner.email, f"call:{live.pk}")
    again = as_owner.get(reverse(page, args=[live.pk] if page == "my_call" else [])).content.decode()
    assert f'action="{address}"' not in again


def test_private_call_shows_its_number_and_caller_to_nobody(live, office, as_owner, as_admin):
    Call.objects.filter(pk=live.pk).update(number="02079460555", e164="+442079460555", name="J. van Aerden")
    as_owner.post(reverse("my_call_private", args=[live.pk]))
    supervisor = signed_in(make_user("Nadia Karim", role=User.Role.SUPERVISOR))
    pages = [reverse("call", args=[live.pk]), reverse("calls") + "?show=live", reverse("home")]
    for client, address in [
        (as_owner, reverse("my_call", args=[live.pk])),
        (as_owner, reverse("my_calls")),
        *[(client, page) for client in (as_admin, supervisor) for page in pages],
    ]:
        body = client.get(address).content.decode()
        for hint in ("7946 0555", "79460555", "Aerden"):
            assert hint not in body, (address, hint)
    assert "Private call" in as_admin.get(pages[0]).content.decode()


@pytest.mark.parametrize("text", ["79460555", "Aerden"])
def test_private_call_is_not_found_by_its_number_or_name(text, live, as_admin, as_owner):
    Call.objects.filter(pk=live.pk).update(number="02079460555", e164="+442079460555", name="J. van Aerden")
    assert [line.call for line in as_admin.get(reverse("calls"), {"q": text}).context["lines"]] == [live]
    as_owner.post(reverse("my_call_private", args=[live.pk]))
    assert as_admin.get(reverse("calls"), {"q": text}).context["lines"] == []


def test_call_that_is_over_cannot_be_called_private_any_more(office, as_owner):
    call = office.calls["known"]
    shown = as_owner.get(reverse("my_call", args=[call.pk])).content.decode()
    assert reverse("my_call_private", args=[call.pk]) not in shown
    answer = as_owner.post(reverse("my_call_private", args=[call.pk]), follow=True)
    assert "The call is over" in answer.content.decode()
    call.refresh_from_db()
    assert not call.is_private and not Act.objects.filter(act="call.private").exists()


def test_colleague_cannot_call_my_call_private(live, as_stranger):
    assert as_stranger.post(reverse("my_call_private", args=[live.pk])).status_code == 404
    live.refresh_from_db()
    assert not live.is_private


# ---- what follows, in the house


@pytest.fixture
def lines(db) -> Lines:
    return Lines()


def test_private_call_leaves_no_entry_and_says_why(lines):
    lines.say(Kind.RINGING, "101")
    lines.say(Kind.ANSWERED, "101", s=5)
    actions.call_private(call=Call.objects.get(), user=lines.owner, now=NOW)
    lines.say(Kind.ENDED, "101", s=90)
    lines.say(Kind.ENDED, s=90)
    assert not Entry.objects.exists()
    assert Call.objects.get().left_out == Call.LeftOut.PRIVATE
    assert not Pop.objects.filter(moment=Pop.Moment.AFTER).exists()


def test_private_call_is_never_matched_any_more(lines):
    lines.say(Kind.RINGING, "101")
    call, company = Call.objects.get(), Company.get()
    assert callers.find_never_reason(call=call, company=company, policy=Policy()) == ""
    actions.call_private(call=call, user=lines.owner, now=NOW)
    call.refresh_from_db()
    assert callers.find_never_reason(call=call, company=company, policy=Policy()) == "private"


@pytest.mark.parametrize("called_private", ["c-1", "c-2"])
def test_call_stays_private_when_it_becomes_part_of_another(called_private, lines):
    lines.say(Kind.ANSWERED, "101", s=1)
    lines.say(Kind.ANSWERED, "102", s=30, call="c-2", direction=Direction.INTERNAL, number="101")
    actions.call_private(call=Call.objects.get(uid=called_private), user=lines.owner, now=NOW)
    lines.say(Kind.JOINED, s=40, call="c-2", joins="c-1")
    lines.say(Kind.ENDED, s=300)
    assert not Entry.objects.exists()
    assert Call.objects.get(uid="c-1").left_out == Call.LeftOut.PRIVATE
    assert Call.objects.get(uid="c-1").number == CUSTOMER, "it is masked, not forgotten"
