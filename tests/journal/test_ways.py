"""What each way of searching said is kept with the attempt and per CRM, in words."""

from __future__ import annotations

import pytest

from nutshellpbx.crm.adapter import WayAnswer, WayOutcome
from nutshellpbx.journal import ways
from nutshellpbx.journal.models import Attempt, Way
from nutshellpbx.journal.states import State
from tests.journal import double
from tests.journal.office import START, Office

pytestmark = pytest.mark.django_db(databases=["default", "index"])


def test_search_keeps_what_each_way_said(office: Office, mood: double.Mood) -> None:
    mood.once |= {"write": ["reset_after"], "find_written": ["unsent"]}
    entry = office.deliver_until(office.enqueue(), State.VERIFIED)
    searches = [ways.words_of(one) for one in entry.attempts.filter(kind="search")]
    assert searches[0] == ["the way: gave no answer (The CRM is away)"]
    assert searches[1] == ["the way: found it"]
    row = Way.objects.get(crm=office.crm)
    assert (row.way, row.outcome, row.unanswered) == ("the way", "found", 1)
    assert row.found >= 1
    assert row.answered_at is not None


def test_ways_are_counted_each_for_itself(office: Office) -> None:
    answers = [
        WayAnswer("events", WayOutcome.UNANSWERED, reason="HTTP 404 for key +13125550142"),
        WayAnswer("record", WayOutcome.ABSENT),
    ]
    for _time in range(2):
        ways.learn(crm_id=office.crm.pk, answers=answers, now=START)
    events, record = Way.objects.order_by("way")
    assert (events.unanswered, events.absent, events.answered_at) == (2, 0, None)
    assert (record.absent, record.answered_at) == (2, START)
    assert "5550142" not in events.reason
    assert ways.words_of(Attempt(ways=ways.kept(answers)))[1] == (
        "Notes of the record: looked everywhere, it is not there"
    )
