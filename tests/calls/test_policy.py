"""The company's policies: hours, lists, lines, and whose entry a call is."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError

from nutshellpbx import phone
from nutshellpbx.calls import rules
from nutshellpbx.calls.decide import Known, Moment, Settings, Show, decide
from nutshellpbx.calls.linerules import CallRule
from nutshellpbx.calls.models import Call, Pop
from nutshellpbx.calls.policy import Candidate, EntryOwner, Hours, LineRule, Policy, Quiet, keepers_of
from nutshellpbx.crm.models import Crm
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.events import Kind, Via
from nutshellpbx.people.models import Company, Preferences
from tests.calls.test_take_in import Office

MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NIGHT = Hours(frozenset({0}), time(18), time(8))


@pytest.fixture
def office(db: None) -> Office:
    return Office()


def at(hour: int, *, day: int = 0) -> datetime:
    return MONDAY.replace(hour=hour) + timedelta(days=day)


@pytest.mark.parametrize(
    ("local", "is_quiet"),
    [(at(17), False), (at(18), True), (at(23), True), (at(7, day=1), True), (at(8, day=1), False)],
)
def test_quiet_hours_over_midnight_belong_to_the_day_they_begin_on(local: datetime, is_quiet: bool) -> None:
    assert NIGHT.has(local) is is_quiet
    assert not NIGHT.has(local + timedelta(days=3))


def test_hours_within_a_day_end_on_it() -> None:
    lunch = Hours(frozenset({0}), time(12), time(13))
    assert [lunch.has(at(hour)) for hour in (11, 12, 13)] == [False, True, False]


@pytest.mark.parametrize(
    ("quiet", "moment", "shown"),
    [
        (Quiet.CARD, Moment.RING, Show.CARD),
        (Quiet.CARD, Moment.AFTER, Show.NOTHING),
        (Quiet.NOTHING, Moment.RING, Show.NOTHING),
        (Quiet.NO, Moment.RING, Show.RECORD),
    ],
)
def test_no_page_opens_in_quiet_hours(quiet: Quiet, moment: Moment, shown: Show) -> None:
    settings = Settings(open_mode="ring", unknown="form", open_after=True, journaling=True)
    show, _why = decide(
        moment=moment,
        settings=settings,
        known=Known.ONE,
        for_several=False,
        shown_before=False,
        quiet=quiet,
    )
    assert show is shown


def test_quiet_hours_follow_the_users_own_clock(office: Office) -> None:
    Company.objects.update(quiet_hours=[{"days": [0], "from": "18:00", "to": "23:00"}], time_zone="UTC")
    company, policy = Company.get(), Policy()
    in_new_york = office.owner
    in_new_york.time_zone = "America/New_York"
    quiet = {
        user.name: rules.quiet_now(policy=policy, user=user, company=company, now=at(20))
        for user in (in_new_york, office.colleague)
    }
    assert quiet == {"Olga Owner": Quiet.NO, "Carl Colleague": Quiet.CARD}
    Preferences.objects.create(user=office.colleague, quiet_hours=[])
    assert not rules.quiet_now(policy=policy, user=office.colleague, company=company, now=at(20))


@pytest.mark.parametrize(
    ("listed", "number", "is_on"),
    [
        ("+1 312 555 0142", "(312) 555-0142", True),
        ("+1 312*", "+13125550142", True),
        ("0013 12*", "+13125550142", True),
        ("+1 313*", "+13125550142", False),
        ("+1 312 555 0142", "+13125550143", False),
    ],
)
def test_a_list_has_numbers_and_beginnings_of_numbers(listed: str, number: str, is_on: bool) -> None:
    numbers = rules.number_list([listed], country="US")
    assert numbers.has(phone.read(number, country="US")) is is_on


@pytest.mark.parametrize("line", ["alarm", "*", "+1*", "312*", "+1 3*12", "+" + "1" * 60])
def test_what_is_no_number_is_refused_with_the_line(line: str) -> None:
    with pytest.raises(ValidationError, match="is no number"):
        rules.read_numbers([line], country="US")


def test_entered_numbers_are_kept_once_and_without_blanks() -> None:
    assert rules.read_numbers([" +1 312* ", "", "+1 312*"], country="US") == ["+1 312*"]


@pytest.mark.parametrize(
    "rows",
    [None, [{}], [{"days": [7], "from": "8:00", "to": "9:00"}], [{"days": [0], "from": "x", "to": "y"}]],
)
def test_bad_quiet_hours_are_refused(rows: object) -> None:
    with pytest.raises(ValidationError):
        rules.read_hours(rows)


def test_good_quiet_hours_are_kept_in_one_form() -> None:
    rows = [{"days": ["4", 0, 0], "from": "08:00:30", "to": "09:00"}]
    assert rules.read_hours(rows) == [{"days": [0, 4], "from": "08:00", "to": "09:00"}]


def spoke(leg: str, start_s: int, end_s: int, **more: object) -> Candidate:
    start = MONDAY + timedelta(seconds=start_s)
    values: dict[str, object] = {
        "owner": leg,
        "crms": ("crm",),
        "started_at": start,
        "answered_at": start,
        "ended_at": MONDAY + timedelta(seconds=end_s),
    }
    return Candidate(leg, leg, **{**values, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry_owner", "keeper"),
    [(EntryOwner.LONGEST, "102"), (EntryOwner.FIRST, "101"), (EntryOwner.LAST, "103")],
)
def test_the_entry_belongs_to_whom_the_company_says(entry_owner: EntryOwner, keeper: str) -> None:
    legs = [spoke("101", 0, 30), spoke("102", 30, 100), spoke("103", 100, 120)]
    assert keepers_of(legs, entry_owner) == ({"crm": keeper}, "")


def test_who_spoke_in_two_parts_spoke_as_long_as_both() -> None:
    legs = [spoke("101", 0, 40), spoke("102", 40, 100), spoke("103", 100, 140, owner="101")]
    assert keepers_of(legs, EntryOwner.LONGEST)[0] == {"crm": "101"}


def test_the_next_who_spoke_keeps_it_where_the_first_has_no_grant() -> None:
    legs = [spoke("101", 0, 90, crms=()), spoke("102", 90, 100)]
    assert keepers_of(legs, EntryOwner.LONGEST) == ({"crm": "102"}, "")


def test_who_was_only_rung_keeps_nothing_when_a_colleague_without_a_line_of_ours_spoke() -> None:
    legs = [spoke("101", 0, 90, is_ours=False), spoke("102", 0, 5, answered_at=None)]
    assert keepers_of(legs, EntryOwner.LONGEST) == ({}, "no_extension")


@pytest.mark.parametrize(
    ("rang", "keeper"),
    [
        ((("102", 0.0, 20), ("101", 0.4, 20)), "101"),  # at once: the lowest, whichever is told first
        ((("100", 0.0, 20), ("99", 0.0, 20)), "99"),
        ((("102", 0.0, 20), ("101", 5.0, 20)), "102"),
        ((("102", 0.0, 0.2), ("101", 0.3, 20)), "102"),  # forwarded, as the first was busy
    ],
)
def test_a_missed_call_is_the_firsts_who_was_rung_and_the_lowest_numbers_of_a_group(
    rang: tuple[tuple[str, float, float], ...], keeper: str
) -> None:
    legs = [
        Candidate(
            leg=f"{place}-{number}",
            number=number,
            owner=number,
            crms=("crm",),
            started_at=MONDAY + timedelta(seconds=start_s),
            ended_at=MONDAY + timedelta(seconds=end_s),
        )
        for place, (number, start_s, end_s) in enumerate(rang)
    ]
    kept, _why = keepers_of(legs, EntryOwner.LONGEST)
    assert kept["crm"].endswith(f"-{keeper}")
    assert keepers_of(legs[::-1], EntryOwner.LONGEST)[0] == kept


def test_the_rule_for_a_queue_goes_before_the_rule_for_the_dialled_number() -> None:
    policy = Policy(lines=(LineRule("dialled", "13125550100"), LineRule("queue", "Sales")))
    found = policy.rule_of(via="queue", via_name="sales", dialled="13125550100")
    assert found is not None
    assert found.kind == "queue"
    assert policy.rule_of(via="", via_name="", dialled="13125550199") is None


def test_a_queues_rule_says_which_crm_and_whether_it_is_journaled(office: Office) -> None:
    rule = CallRule.objects.create(kind="queue", match="Support", journaling=False)
    office.say(Kind.RINGING, "101", via=Via.QUEUE, via_name="support")
    office.say(Kind.ENDED, s=9)
    assert Call.objects.get().left_out == Call.LeftOut.JOURNALING_OFF
    rule.crms.add(
        Crm.objects.create(kind="nutshell", name="Other", settings={"address": "https://x.example"})
    )
    office.say(Kind.RINGING, "101", s=20, call="c-2", via=Via.QUEUE, via_name="support")
    assert not Pop.objects.filter(leg__call__uid="c-2").exists()


def test_a_dialled_numbers_rule_is_compared_in_the_normal_form(office: Office) -> None:
    CallRule.objects.create(kind="dialled", match="(312) 555-0100", journaling=False)
    office.say(Kind.RINGING, "101", dialled="+13125550100")
    office.say(Kind.ENDED, s=9)
    assert Call.objects.get().left_out == Call.LeftOut.JOURNALING_OFF


def test_a_number_that_is_never_journaled_still_pops(office: Office) -> None:
    Company.objects.update(never_log_numbers=["+1 312 555*"])
    office.say(Kind.RINGING, "101")
    office.say(Kind.ENDED, s=9)
    assert Call.objects.get().left_out == Call.LeftOut.NEVER_LOG
    assert Pop.objects.count() == 1
    assert not Entry.objects.exists()


def test_an_answer_that_is_heard_of_late_gives_the_unsent_entry_to_who_spoke(office: Office) -> None:
    for extension in ("101", "102"):
        office.say(Kind.RINGING, extension, via=Via.GROUP, via_name="Sales")
    office.say(Kind.ENDED, s=60)
    assert Entry.objects.get().user == office.owner
    office.say(Kind.ANSWERED, "102", s=6)
    entry = Entry.objects.get()
    assert (entry.user, entry.extension_number) == (office.colleague, "102")
    assert "Answered incoming call from +1 312-555-0142 to Carl Colleague (102) (0:54)" in entry.text


def test_an_entry_that_may_be_in_the_crm_stays_and_the_call_says_why(office: Office) -> None:
    office.say(Kind.RINGING, "101")
    office.say(Kind.ENDED, s=60)
    Entry.objects.update(outcome="written", state="written", marker="[npbx 1]", ref_id="1")
    before = Entry.objects.get().text
    office.say(Kind.ANSWERED, "102", s=6)
    assert (Entry.objects.get().text, Entry.objects.get().user) == (before, office.owner)
    assert Call.objects.get().steps.filter(what="entry_left").exists()


def test_a_late_answer_that_was_given_after_the_end_changes_nothing(office: Office) -> None:
    office.say(Kind.RINGING, "101")
    office.say(Kind.ENDED, s=60)
    office.say(Kind.ANSWERED, "101", s=61)
    assert "Missed call" in Entry.objects.get().text
