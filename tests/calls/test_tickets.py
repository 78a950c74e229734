"""Tickets: one page, once, within a minute, for the desk's own user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nutshellpbx.calls import tickets
from nutshellpbx.calls.models import Call, Ticket
from nutshellpbx.crm.models import Crm
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import User

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def issued() -> tuple[Ticket, str]:
    pbx = Pbx.objects.create(kind="webhook", name="Office")
    crm = Crm.objects.create(
        kind="nutshell", name="Nutshell", settings={"address": "https://app.nutshell.com"}
    )
    user = User.objects.create_user("ada@harbor.example", name="Ada")
    call = Call.objects.create(pbx=pbx, uid="c", key="k", started_at=NOW, quiet_at=NOW)
    return tickets.issue(purpose=Ticket.Purpose.CHOOSE, user=user, call=call, crm=crm, now=NOW)


def test_a_ticket_opens_its_page_once(issued: tuple[Ticket, str]) -> None:
    ticket, token = issued
    opened, page_pass = tickets.redeem(token=token, now=NOW + timedelta(seconds=59))
    assert opened.pk == ticket.pk
    assert tickets.open_pass(page_pass=page_pass).call_id == ticket.call_id
    with pytest.raises(tickets.NoTicket):
        tickets.redeem(token=token, now=NOW + timedelta(seconds=59))


def test_a_ticket_is_too_old_after_a_minute(issued: tuple[Ticket, str]) -> None:
    with pytest.raises(tickets.NoTicket):
        tickets.redeem(token=issued[1], now=NOW + timedelta(seconds=60))


def test_a_ticket_of_somebody_who_may_no_longer_sign_in_opens_nothing(issued: tuple[Ticket, str]) -> None:
    User.objects.update(is_active=False)
    with pytest.raises(tickets.NoTicket):
        tickets.redeem(token=issued[1], now=NOW)


@pytest.mark.parametrize("page_pass", ["", "x", "00000000-0000-0000-0000-000000000000:1:abc"])
def test_a_forged_pass_opens_nothing(page_pass: str) -> None:
    with pytest.raises(tickets.NoTicket):
        tickets.open_pass(page_pass=page_pass)


def test_the_database_does_not_hold_the_token(issued: tuple[Ticket, str]) -> None:
    ticket, token = issued
    assert token not in str(Ticket.objects.filter(pk=ticket.pk).values().get())
