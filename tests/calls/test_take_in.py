"""The flow up to its rows: what each story of a call leaves for the desks and for the journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from nutshellpbx.calls import flow
from nutshellpbx.calls.models import Call, Heard, Leg, Pop, Step
from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind, Via
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, Preferences, User

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CUSTOMER = "+13125550142"


class Office:
    """An office with two granted lines, told events by short words."""

    def __init__(self) -> None:
        Company.objects.create(pk=1, name="Harbor Tools", country="US", own_numbers=["+1 312 555 0100"])
        self.pbx = Pbx.objects.create(kind="webhook", name="Office")
        self.crm = Crm.objects.create(
            kind="nutshell", name="Nutshell", settings={"address": "https://app.nutshell.com"}
        )
        self.owner = User.objects.create_user("owner@harbor.example", name="Olga Owner")
        self.colleague = User.objects.create_user("colleague@harbor.example", name="Carl Colleague")
        self.lines = {
            number: Extension.objects.create(pbx=self.pbx, number=number, owner=owner)
            for number, owner in (("101", self.owner), ("102", self.colleague))
        }
        for line in self.lines.values():
            Grant.objects.create(extension=line, crm=self.crm, granted_at=START)
        self.count = 0

    def say(
        self, kind: Kind, extension: str = "", *, s: float = 0, call: str = "c-1", **more: object
    ) -> Call | None:
        self.count += 1
        values: dict[str, object] = {
            "pbx": str(self.pbx.pk),
            "call_uid": call,
            "kind": kind,
            "at": START + timedelta(seconds=s),
            "leg": f"{call}/{extension}" if extension else "",
            "extension": extension,
            "direction": Direction.INBOUND,
            "number": CUSTOMER,
            "raw_id": f"evt-{self.count}",
        }
        event = CallEvent(**{**values, **more})  # type: ignore[arg-type]
        return flow.take_in(event=event, now=START + timedelta(seconds=s))


@pytest.fixture
def office() -> Office:
    return Office()


def pops() -> list[tuple[str, str]]:
    return [(pop.leg.number, pop.moment) for pop in Pop.objects.order_by("pk")]


def why_left_out() -> str:
    return Call.objects.get().left_out


def test_an_answered_call_is_shown_on_ring_on_answer_and_after_and_makes_one_entry(office: Office) -> None:
    office.say(Kind.RINGING, "101")
    office.say(Kind.ANSWERED, "101", s=5)
    office.say(Kind.ENDED, "101", s=156)
    office.say(Kind.ENDED, s=156)
    assert pops() == [("101", "ring"), ("101", "answer"), ("101", "after")]
    entry = Entry.objects.get()
    assert (entry.user, entry.number, entry.crm) == (office.owner, CUSTOMER, office.crm)
    assert "Answered incoming call from +1 312-555-0142 to Olga Owner (101) (2:31)" in entry.text


def test_a_caller_who_gives_up_leaves_one_missed_call_and_opens_nothing_afterwards(office: Office) -> None:
    office.say(Kind.RINGING, "101")
    office.say(Kind.ENDED, "101", s=12, cause=Cause.GAVE_UP)
    office.say(Kind.ENDED, s=12)
    assert pops() == [("101", "ring")]
    assert "Missed call from +1 312-555-0142 to Olga Owner (101)" in Entry.objects.get().text


def test_only_the_one_who_answered_keeps_the_call_of_a_group(office: Office) -> None:
    office.say(Kind.RINGING, "101", via=Via.GROUP, via_name="Sales")
    office.say(Kind.RINGING, "102", via=Via.GROUP, via_name="Sales")
    office.say(Kind.ANSWERED, "102", s=6)
    office.say(Kind.ENDED, "101", s=6, cause=Cause.ANSWERED_ELSEWHERE)
    office.say(Kind.ENDED, s=60)
    entry = Entry.objects.get()
    assert entry.user == office.colleague
    assert "rang in the group Sales 6 s; Olga Owner (101) rang 6 s, a colleague answered; Carl" in entry.text
    assert Pop.objects.get(leg__number="101").state == Pop.State.WITHDRAWN


def test_a_group_that_nobody_answers_is_one_missed_call(office: Office) -> None:
    for extension in ("101", "102"):
        office.say(Kind.RINGING, extension, via=Via.GROUP)
    office.say(Kind.ENDED, s=20, cause=Cause.NO_ANSWER)
    assert Entry.objects.count() == 1


def test_an_outbound_call_is_shown_and_kept_too(office: Office) -> None:
    office.say(Kind.DIALING, "101", direction=Direction.OUTBOUND)
    office.say(Kind.ANSWERED, "101", s=8, direction=Direction.OUTBOUND)
    office.say(Kind.ENDED, s=68, direction=Direction.OUTBOUND)
    assert pops() == [("101", "dial"), ("101", "answer"), ("101", "after")]
    assert (
        "Answered outgoing call from Olga Owner (101) to +1 312-555-0142 (1:00)" in Entry.objects.get().text
    )


def test_an_outbound_call_that_nobody_answers_says_so(office: Office) -> None:
    office.say(Kind.DIALING, "101", direction=Direction.OUTBOUND)
    office.say(Kind.ENDED, s=30, direction=Direction.OUTBOUND, cause=Cause.NO_ANSWER)
    assert "Unanswered outgoing call" in Entry.objects.get().text


def test_an_internal_call_shows_and_keeps_nothing(office: Office) -> None:
    office.say(Kind.RINGING, "101", direction=Direction.INTERNAL, number="102")
    office.say(Kind.ENDED, s=9, direction=Direction.INTERNAL)
    assert pops() == []
    assert why_left_out() == Call.LeftOut.INTERNAL


@pytest.mark.parametrize(
    "number", ["", "anonymous", "<unknown>", "+1 312 555 0100", "911", "Robert'); DROP TABLE"]
)
def test_a_number_that_is_never_matched_is_left_out_of_the_journal(office: Office, number: str) -> None:
    office.say(Kind.RINGING, "101", number=number)
    office.say(Kind.ENDED, s=9, number=number)
    assert why_left_out() == Call.LeftOut.NEVER_LOG
    assert not Entry.objects.exists()


def test_every_event_twice_changes_nothing(office: Office) -> None:
    for kind, s in ((Kind.RINGING, 0), (Kind.ANSWERED, 4), (Kind.ENDED, 30)):
        office.say(kind, "101", s=s)
        office.count -= 1
        assert office.say(kind, "101", s=s) is None
    office.say(Kind.ENDED, s=30)
    assert (Entry.objects.count(), Heard.objects.count()) == (1, 4)


def test_events_out_of_order_end_the_call_with_one_entry_and_no_late_pop(office: Office) -> None:
    office.say(Kind.ANSWERED, "102", s=6)
    office.say(Kind.RINGING, "101", s=1)
    office.say(Kind.ENDED, s=40)
    office.say(Kind.ENDED, "102", s=40)
    office.say(Kind.RINGING, "102", s=1)
    assert pops() == [("102", "answer"), ("102", "after")]
    assert Entry.objects.get().user == office.colleague


@pytest.mark.parametrize(
    ("missing", "what", "left_out"),
    [("owner", "no_owner", Call.LeftOut.NO_OWNER), ("grant", "no_grant", Call.LeftOut.NO_GRANT)],
)
def test_the_call_page_says_what_is_missing(office: Office, missing: str, what: str, left_out: str) -> None:
    if missing == "owner":
        Extension.objects.filter(number="101").update(owner=None)
    else:
        Grant.objects.filter(extension__number="101").delete()
    office.say(Kind.RINGING, "101")
    office.say(Kind.ENDED, s=5)
    assert pops() == []
    assert Step.objects.filter(what=what).exists()
    assert why_left_out() == left_out


def test_a_call_for_an_extension_that_nobody_entered_is_left_out(office: Office) -> None:
    office.say(Kind.RINGING, "999")
    office.say(Kind.ENDED, s=5)
    assert why_left_out() == Call.LeftOut.NO_EXTENSION


def test_journaling_off_leaves_the_call_out_from_the_next_call_on(office: Office) -> None:
    Preferences.objects.create(user=office.owner, journaling=False)
    office.say(Kind.RINGING, "101")
    office.say(Kind.ENDED, s=5)
    assert why_left_out() == Call.LeftOut.JOURNALING_OFF
    Preferences.objects.update(journaling=True)
    office.say(Kind.RINGING, "101", s=10, call="c-2")
    office.say(Kind.ENDED, s=15, call="c-2")
    assert Entry.objects.count() == 1


def test_ids_that_start_again_after_a_restart_are_a_new_call(office: Office) -> None:
    office.say(Kind.RINGING, "101")
    office.say(Kind.ENDED, s=5)
    office.say(Kind.RINGING, "101", s=3600)
    office.say(Kind.ENDED, s=3605)
    assert Call.objects.count() == Entry.objects.count() == 2


def test_a_call_that_becomes_part_of_another_leaves_one_entry(office: Office) -> None:
    office.say(Kind.ANSWERED, "101", s=1)
    office.say(Kind.ANSWERED, "102", s=30, call="c-2", direction=Direction.INTERNAL, number="101")
    office.say(Kind.JOINED, s=40, call="c-2", joins="c-1")
    office.say(Kind.ENDED, "101", s=41)
    office.say(Kind.ENDED, "102", s=300, call="c-2", direction=Direction.INTERNAL)
    office.say(Kind.ENDED, s=300)
    assert Entry.objects.get().user == office.colleague
    assert ("102", "answer") in pops()
    assert Call.objects.get(uid="c-2").left_out == Call.LeftOut.JOINED


def test_a_call_that_never_ends_is_ended_by_us(office: Office) -> None:
    office.say(Kind.RINGING, "101")
    assert flow.end_silent_calls(now=START + timedelta(minutes=5)) == 0
    assert flow.end_silent_calls(now=START + timedelta(minutes=11)) == 1
    assert flow.end_silent_calls(now=START + timedelta(minutes=12)) == 0
    assert Entry.objects.count() == 1
    assert Leg.objects.get().state == Leg.State.OVER


def test_a_later_change_of_owner_moves_no_call(office: Office) -> None:
    office.say(Kind.RINGING, "101")
    Extension.objects.filter(number="101").update(owner=office.colleague)
    office.say(Kind.ENDED, s=5)
    assert Entry.objects.get().user == office.owner


#: The end says neither whose it is nor who called.
TOLD: tuple[tuple[Kind, str, int, dict[str, Any]], ...] = (
    (Kind.RINGING, "101", 0, {}),
    (Kind.ANSWERED, "101", 6, {}),
    (Kind.ENDED, "", 66, {"number": "", "direction": Direction.UNKNOWN}),
)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_call_whose_events_come_in_any_order_is_one_answered_call(
    office: Office, order: tuple[int, ...]
) -> None:
    for place in order:
        kind, extension, s, more = TOLD[place]
        office.say(kind, extension, s=s, **more)
    flow.end_silent_calls(now=START + timedelta(seconds=120))
    entry = Entry.objects.get()
    assert (entry.user, entry.number) == (office.owner, CUSTOMER)
    assert "Answered incoming call from +1 312-555-0142 to Olga Owner (101) (1:00)" in entry.text
    assert (Call.objects.get().state, Call.objects.get().left_out) == (Call.State.ENDED, "")


def test_an_end_that_comes_first_shows_nothing_of_what_comes_after_it(office: Office) -> None:
    office.say(Kind.ENDED, s=66, number="")
    office.say(Kind.RINGING, "101")
    office.say(Kind.ANSWERED, "101", s=6)
    assert pops() == []


def test_a_call_that_is_told_minutes_after_its_end_is_kept_all_the_same(office: Office) -> None:
    office.say(Kind.ENDED, s=66, number="")
    assert flow.end_silent_calls(now=START + timedelta(seconds=90)) == 1
    assert why_left_out() == Call.LeftOut.NEVER_LOG
    office.say(Kind.RINGING, "101")
    assert "Missed call from +1 312-555-0142 to Olga Owner (101)" in Entry.objects.get().text
    office.say(Kind.ANSWERED, "101", s=6)
    assert "to Olga Owner (101) (1:00)" in Entry.objects.get().text
    assert (Call.objects.count(), why_left_out(), pops()) == (1, "", [])


def test_a_call_that_is_told_late_and_concerns_nobody_says_why(office: Office) -> None:
    office.say(Kind.ENDED, s=66, number="")
    flow.end_silent_calls(now=START + timedelta(seconds=90))
    office.say(Kind.RINGING, "999")
    assert why_left_out() == Call.LeftOut.NO_EXTENSION


def test_an_id_that_starts_again_while_an_empty_call_waits_is_a_new_call(office: Office) -> None:
    office.say(Kind.ENDED, s=0, number="")
    office.say(Kind.RINGING, "101", s=61)
    assert Call.objects.count() == 2
    assert pops() == [("101", "ring")]
