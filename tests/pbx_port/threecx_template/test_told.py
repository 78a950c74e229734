"""The same call through two channels is one call and one entry, whichever comes first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.utils import timezone

from nutshellpbx.calls import flow
from nutshellpbx.calls.models import Call, Leg, Pop, Step
from nutshellpbx.crm.models import Grant
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Extension
from tests.pbx_port.threecx_template.conftest import NUMBER, House, ThroughClient, seconds_ago

pytestmark = pytest.mark.django_db(databases=["default", "index"])
System = Callable[..., ThroughClient]
TALKED = timedelta(seconds=40)


@pytest.fixture
def live(house: House) -> Pbx:
    """The same phone system, also heard in real time: its lines are entered there."""
    pbx = Pbx.objects.create(kind="webhook", name="3CX live")
    for line in list(Extension.objects.filter(pbx=house.pbx)):
        other = Extension.objects.create(pbx=pbx, number=line.number, owner=line.owner)
        Grant.objects.create(extension=other, crm=house.crm, granted_at=timezone.now())
    Pbx.objects.filter(pk=house.pbx.pk).update(settings={"same_as": str(pbx.pk)})
    house.pbx.refresh_from_db()
    return pbx


class Line:
    """What the phone system says in real time of one call."""

    def __init__(self, pbx: Pbx, uid: str, start: datetime) -> None:
        self.pbx, self.uid, self.start = pbx, uid, start

    def say(self, kind: Kind, extension: str = "", *, s: float, **more: Any) -> None:
        values: dict[str, Any] = {
            "pbx": str(self.pbx.pk),
            "call_uid": self.uid,
            "kind": kind,
            "at": self.start + timedelta(seconds=s),
            "leg": f"L{extension}" if extension else "",
            "extension": extension,
            "direction": Direction.INBOUND,
            "number": NUMBER,
            "raw_id": f"{self.uid}-{kind}-{extension}",
            **more,
        }
        flow.take_in(event=CallEvent(**values), now=timezone.now())

    def whole(self, extension: str = "101") -> None:
        self.say(Kind.RINGING, extension, s=0)
        self.say(Kind.ANSWERED, extension, s=5)
        self.say(Kind.ENDED, s=45, cause=Cause.HUNG_UP)


def settle() -> None:
    """Reports of one call are gathered for a little while; then it is over."""
    flow.end_silent_calls(now=timezone.now() + timedelta(seconds=30))


def told(system: System, start: datetime, agent: str = "101", call_type: str = "Inbound", **more: Any) -> Any:
    phone = system(more.pop("version", 20))
    phone.report(
        call_type=call_type,
        number=more.pop("number", NUMBER),
        agent=agent,
        start=start,
        talked=more.pop("talked", TALKED if call_type in {"Inbound", "Outbound"} else timedelta(0)),
        **more,
    )
    assert phone.log == []
    return phone.asked[-1].answer


@pytest.mark.parametrize("version", [16, 18, 20])
def test_a_report_alone_is_one_call_with_its_times_and_one_entry(
    version: int, system: System, house: House
) -> None:
    start = seconds_ago(60)
    assert told(system, start, version=version)["taken"] == 1
    settle()
    call = Call.objects.get()
    leg = call.legs.get()
    assert (call.started_at, call.ended_at) == (start, start + timedelta(seconds=45))
    assert (leg.owner, leg.answered_at) == (house.ada, start + timedelta(seconds=5))
    entry = Entry.objects.get()
    assert "Answered incoming call" in entry.text
    assert entry.user == house.ada


def test_nothing_rings_a_desk_for_a_call_that_is_over(system: System) -> None:
    told(system, seconds_ago(60))
    settle()
    assert not Pop.objects.exclude(moment=Pop.Moment.AFTER).exclude(state="withdrawn").exists()


@pytest.mark.parametrize(
    ("call_type", "words"),
    [
        ("Missed", "Missed call from"),
        ("Outbound", "Answered outgoing call"),
        ("Notanswered", "Unanswered outgoing call"),
    ],
)
def test_each_type_of_call_leaves_its_own_words(call_type: str, words: str, system: System) -> None:
    told(system, seconds_ago(60), call_type=call_type)
    settle()
    assert words in Entry.objects.get().text


def test_a_report_that_comes_again_changes_nothing(system: System) -> None:
    start = seconds_ago(60)
    told(system, start)
    assert told(system, start) == {"taken": 0, "repeated": 1, "kept": 0}
    settle()
    assert told(system, start)["repeated"] == 1
    assert Entry.objects.count() == 1


def test_events_first_then_the_report(system: System, live: Pbx) -> None:
    start = seconds_ago(60)
    Line(live, "c-1", start).whole()
    told(system, start + timedelta(seconds=3))
    settle()
    assert Call.objects.count() == Entry.objects.count() == 1
    assert Step.objects.filter(what="confirmed").count() == 1
    assert Leg.objects.count() == 1


def test_the_report_first_then_the_events(system: System, live: Pbx) -> None:
    start = seconds_ago(60)
    told(system, start + timedelta(seconds=3))
    Line(live, "c-1", start).whole()
    settle()
    call = Call.objects.get()
    assert (call.uid, call.pbx) == ("c-1", live)
    assert Entry.objects.count() == Leg.objects.count() == 1


def test_the_report_long_before_the_events(system: System, live: Pbx) -> None:
    start = seconds_ago(60)
    told(system, start)
    settle()
    Line(live, "c-1", start).whole()
    settle()
    assert Call.objects.count() == Entry.objects.count() == Leg.objects.count() == 1


def test_the_report_in_the_midst_of_the_events(system: System, live: Pbx) -> None:
    start = seconds_ago(60)
    line = Line(live, "c-1", start)
    line.say(Kind.RINGING, "101", s=0)
    line.say(Kind.ANSWERED, "101", s=5)
    told(system, start)
    line.say(Kind.ENDED, s=45, cause=Cause.HUNG_UP)
    settle()
    assert Call.objects.count() == Entry.objects.count() == 1


def test_an_answer_that_the_events_lost_is_learned_from_the_report(system: System, live: Pbx) -> None:
    start = seconds_ago(60)
    line = Line(live, "c-1", start)
    line.say(Kind.RINGING, "101", s=0)
    line.say(Kind.ENDED, s=45, cause=Cause.UNKNOWN)
    assert "Missed" in Entry.objects.get().text
    told(system, start)
    assert "Answered incoming call" in Entry.objects.get().text


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_reports_of_one_call_from_three_phones_are_one_entry_of_who_answered(
    order: tuple[int, ...], system: System, house: House
) -> None:
    start = seconds_ago(60)
    line = Extension.objects.create(pbx=house.pbx, number="103")
    Grant.objects.create(extension=line, crm=house.crm, granted_at=timezone.now())
    rings = timedelta(seconds=15)
    reports = [
        lambda: told(system, start, "101", "Missed", rang=rings),
        lambda: told(system, start, "103", "Missed", rang=rings),
        lambda: told(system, start, "102", "Inbound", rang=rings),
    ]
    for place in order:
        reports[place]()
    settle()
    assert Call.objects.count() == 1
    entry = Entry.objects.get()
    assert (entry.user, "Answered incoming call" in entry.text) == (house.ben, True)


def test_a_call_that_was_passed_on_is_one_entry(system: System, house: House) -> None:
    start = seconds_ago(200)
    told(system, start, "101", talked=timedelta(seconds=30))
    told(
        system, start + timedelta(seconds=35), "102", rang=timedelta(seconds=1), talked=timedelta(seconds=90)
    )
    settle()
    assert Call.objects.count() == Entry.objects.count() == 1
    assert Entry.objects.get().user == house.ben  # who spoke longest
    assert Call.objects.get().ended_at == start + timedelta(seconds=126)


def test_two_people_behind_one_number_who_call_at_once_are_two_calls(system: System) -> None:
    start = seconds_ago(200)
    told(system, start, "101", talked=timedelta(seconds=90))
    told(system, start + timedelta(seconds=20), "102", talked=timedelta(seconds=90))
    settle()
    assert Call.objects.count() == Entry.objects.count() == 2


@pytest.mark.parametrize("late_first", [True, False])
def test_a_caller_who_tries_again_within_ten_seconds_is_two_calls(
    late_first: bool, system: System, live: Pbx
) -> None:
    first, second = seconds_ago(60), seconds_ago(52)
    one, two = Line(live, "c-1", first), Line(live, "c-2", second)
    one.say(Kind.RINGING, "101", s=0)
    one.say(Kind.ENDED, s=4, cause=Cause.GAVE_UP)
    two.whole()
    reports = [
        lambda: told(system, first, call_type="Missed", rang=timedelta(seconds=4)),
        lambda: told(system, second),
    ]
    for report in reversed(reports) if late_first else reports:
        report()
    settle()
    assert Call.objects.count() == Entry.objects.count() == 2
    texts = sorted(entry.text for entry in Entry.objects.all())
    assert sum("Missed" in text for text in texts) == 1


def test_two_reports_of_one_line_within_ten_seconds_are_two_calls(system: System) -> None:
    told(system, seconds_ago(60), call_type="Missed", rang=timedelta(seconds=4))
    told(system, seconds_ago(52))
    settle()
    assert Call.objects.count() == Entry.objects.count() == 2


def test_a_report_without_times_or_with_a_broken_clock_is_taken_as_of_now(system: System) -> None:
    phone = system()
    phone.report(call_type="Inbound", number=NUMBER, agent="101", start=datetime(1999, 1, 1), talked=TALKED)
    assert phone.asked[-1].status == 202
    assert timezone.now() - Call.objects.get().started_at < timedelta(minutes=2)


def test_an_agent_that_is_not_entered_here_is_said_and_blocks_nobody(system: System) -> None:
    told(system, seconds_ago(60), "999")
    settle()
    assert Call.objects.get().left_out == Call.LeftOut.NO_EXTENSION
    told(system, seconds_ago(30))
    settle()
    assert Entry.objects.count() == 1


def test_the_other_phone_system_that_is_gone_costs_nothing(system: System, house: House, live: Pbx) -> None:
    live.delete()
    told(system, seconds_ago(60))
    settle()
    assert Entry.objects.count() == 1
