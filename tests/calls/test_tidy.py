"""Old rows go, in small steps; nothing is written while nothing is old; calls stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nutshellpbx.calls.models import Call, ContactRequest, Ticket
from nutshellpbx.calls.tidy import MOST, tidy
from nutshellpbx.crm.models import Crm
from nutshellpbx.pbx.models import Command, Pbx, Received
from nutshellpbx.people.models import User

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def call() -> Call:
    pbx = Pbx.objects.create(kind="webhook", name="Office")
    Crm.objects.create(kind="nutshell", name="Nutshell")
    User.objects.create_user("ada@example.com", name="Ada")
    at = NOW - timedelta(days=400)
    return Call.objects.create(
        pbx=pbx, uid="c", key="k", started_at=at, quiet_at=at, ended_at=at, state="ended"
    )


def received(call: Call, *, state: str, days: float, count: int = 1) -> None:
    at = NOW - timedelta(days=days)
    start = Received.objects.count()
    Received.objects.bulk_create(
        Received(pbx=call.pbx, raw_id=f"r-{start + n}", body="{}", state=state, received_at=at)
        for n in range(count)
    )


@pytest.mark.parametrize(
    ("state", "days", "left"),
    [("taken", 6.9, 1), ("taken", 7.1, 0), ("kept", 29.9, 1), ("kept", 30.1, 0), ("failed", 29.9, 1)],
)
def test_stored_posts_go_after_a_week_and_those_not_understood_after_a_month(
    call: Call, state: str, days: float, left: int
) -> None:
    received(call, state=state, days=days)
    assert tidy(now=NOW) == 1 - left
    assert Received.objects.count() == left


def test_one_go_removes_a_small_step_and_the_next_go_the_rest(call: Call) -> None:
    received(call, state="taken", days=8, count=MOST + 5)
    assert [tidy(now=NOW) for _ in range(3)] == [MOST, 5, 0]


def test_nothing_is_written_while_nothing_is_old(call: Call) -> None:
    received(call, state="taken", days=1)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert tidy(now=NOW) == 0
    assert queries.captured_queries
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)


def test_tickets_go_a_day_and_orders_a_week_after_their_end(call: Call) -> None:
    whose = {"user": User.objects.get(), "call": call, "crm": Crm.objects.get(), "purpose": "choose"}
    for name, hours in (("old", 25), ("new", 23)):
        Ticket.objects.create(token_hash=name, expires_at=NOW - timedelta(hours=hours), **whose)
    for name, days in (("old", 8), ("new", 6)):
        at = NOW - timedelta(days=days)
        Command.objects.create(pbx=call.pbx, verb=name, created_at=at, expires_at=at)
    assert tidy(now=NOW) == 2
    assert (Ticket.objects.get().token_hash, Command.objects.get().verb) == ("new", "new")


@pytest.mark.parametrize(
    ("state", "days", "left"),
    [
        ("done", 91, 0),
        ("failed", 91, 0),
        ("unclear", 91, 0),
        ("done", 89, 1),
        ("waiting", 91, 1),
        ("doing", 91, 1),
    ],
)
def test_requests_for_contacts_go_three_months_later_when_they_came_to_an_end(
    call: Call, state: str, days: int, left: int
) -> None:
    ContactRequest.objects.create(
        call=call,
        crm=Crm.objects.get(),
        user=User.objects.get(),
        name="Rosa Hale",
        number="+12125550123",
        state=state,
        created_at=NOW - timedelta(days=days),
    )
    tidy(now=NOW)
    assert ContactRequest.objects.count() == left


def test_calls_stay_however_old(call: Call) -> None:
    tidy(now=NOW)
    assert Call.objects.filter(pk=call.pk).exists()
