"""A call's page: its phones as lanes and as a table, each decision's reason, its milliseconds, its trace."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.audit.models import Act
from nutshellpbx.calls.models import Call, Heard, Leg, Pop, Step
from nutshellpbx.calls.rehearsal import rehearse
from nutshellpbx.calls.taping import tape
from nutshellpbx.calls.trace import export_trace, read_rules, read_trace
from nutshellpbx.calls.tracehouse import compare
from nutshellpbx.dashboard.callshow import times
from nutshellpbx.desktop.models import Instruction
from nutshellpbx.faults import Rejected
from nutshellpbx.journal.models import Entry
from nutshellpbx.people.models import User
from tests.dashboard.conftest import signed_in
from tests.dashboard.office import Office, make_user
from tests.dashboard.test_events import words_of
from tests.stories.conftest import clock, make_stage
from tests.stories.outcomes import OUTCOMES
from tests.stories.replays import Replay
from tests.stories.stage import GRACE, PEOPLE

__all__ = ["clock", "make_stage"]


def page_of(call: Call, client: Client) -> Any:
    return client.get(reverse("call", args=[call.pk]))


def table_of(answer: Any) -> str:
    table = answer.content.decode().partition("The phones of this call")[2].partition("</table>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", table).split())


# --- lanes, story, steps in milliseconds ------------------------------------------------------------


def test_the_lanes_stand_there_as_a_table_too(office: Office, as_admin: Client) -> None:
    call = office.calls["known"]
    leg = call.legs.get()
    assert leg.answered_at is not None
    for kind, seconds in (("held", 60), ("resumed", 90)):
        at = leg.answered_at + timedelta(seconds=seconds)
        Heard.objects.create(
            call=call, pbx=office.pbx, kind=kind, leg_uid=leg.uid, number="204", at=at, taken_at=at
        )
    Leg.objects.filter(pk=leg.pk).update(cause="hung_up", via="queue", via_name="Service")
    said = table_of(page_of(call, as_admin))
    assert "Mara Lindqvist 204 Service" in said
    assert "9 s" in said and "8 min 20 s" in said and "30 s" in said and "hung up" in said


def test_each_decision_says_whose_desk_whose_entry_and_why(office: Office, as_admin: Client) -> None:
    call = office.calls["known"]
    facts = {"crm": office.crm.name, "who": "Mara Lindqvist (204)", "why": "owner_longest"}
    Step.objects.filter(call=call, what="entry_made").update(facts=facts)
    said = words_of(page_of(call, as_admin))
    assert "It is Mara Lindqvist (204)’s: who spoke longest keeps the call." in said
    assert "One record has this number. At Mara Lindqvist (204)." in said


def test_what_a_desk_never_fetched_is_said(office: Office, as_admin: Client) -> None:
    call = office.calls["known"]
    Instruction.objects.filter(call_key=call.key).update(outcome="", outcome_at=None)
    assert "Mara-PC was not there and never fetched it" in words_of(page_of(call, as_admin))


def test_events_stand_in_the_order_in_which_they_came_whatever_clock_the_sender_has(
    office: Office, as_admin: Client
) -> None:
    call = office.calls["known"]
    ring = call.heard.get(kind="ringing")
    Heard.objects.filter(pk=ring.pk).update(at=ring.at + timedelta(seconds=5))
    said = words_of(page_of(call, as_admin)).partition("What happened, and why")[2]
    assert said.index("It rings at") < said.index("knows the caller")


def timed(office: Office, **late: float) -> Call:
    """The known call with a pop whose steps took these milliseconds (`late` changes single ones)."""
    took = {"received": 12, "taken_up": 8, "looked": 3, "written": 21, "fetched": 40, "opened": 88} | late
    call = office.calls["known"]
    start = call.started_at
    leg = call.legs.get()
    Heard.objects.filter(call=call, kind="ringing").update(
        taken_at=start + timedelta(milliseconds=took["received"])
    )
    made = start + timedelta(milliseconds=took["received"])
    claimed = made + timedelta(milliseconds=took["taken_up"])
    written = claimed + timedelta(milliseconds=took["looked"] + took["written"])
    fetched = written + timedelta(milliseconds=took["fetched"])
    Pop.objects.create(
        leg=leg,
        user=office.owner,
        crm=office.crm,
        moment="ring",
        state="shown",
        verb="open",
        created_at=made,
        claimed_at=claimed,
        settled_at=written + timedelta(milliseconds=2),
    )
    call.answers.update(created_at=claimed, took_ms=took["looked"])
    Instruction.objects.filter(call_key=call.key).update(
        created_at=written,
        delivered_at=fetched,
        took_ms=took["opened"],
        outcome_at=fetched + timedelta(milliseconds=took["opened"]),
    )
    return call


def test_each_step_has_its_milliseconds_from_the_event_to_the_page(office: Office, as_admin: Client) -> None:
    call = timed(office)
    (shown, note) = times.times_of(call, now=timezone.now())
    assert [(stage.what, round(stage.ms or 0)) for stage in shown.stages] == [
        ("Event received", 12),
        ("Taken up by a worker", 8),
        ("Looked up in the index", 3),
        ("Decided, instruction written", 21),
        ("Fetched by Mara-PC", 40),
        ("Page opened", 88),
    ]
    assert shown.whole is not None and round(shown.whole.ms or 0) == 8 + 3 + 21 + 40 + 88
    assert shown.slow_count == 0
    assert note.title == "The note in Nutshell Europe"
    said = words_of(page_of(call, as_admin))
    assert "Nutshell Europe, when it rang at Mara Lindqvist (204)" in said and "88 ms" in said
    assert "slow" not in said


def test_what_was_slow_is_marked_with_its_limit(office: Office, as_admin: Client) -> None:
    call = timed(office, looked=1_700, fetched=4_000)
    said = words_of(page_of(call, as_admin))
    assert "2 slow steps" in said
    assert "1,700 ms slow: over 50 ms" in said and "4,000 ms slow: over 500 ms" in said


def test_the_note_s_steps_are_timed_from_the_hang_up(office: Office) -> None:
    call = office.calls["known"]
    end = call.ended_at
    assert end is not None
    Heard.objects.filter(call=call, kind="ended").update(leg_uid="", taken_at=end)
    Entry.objects.filter(call_key=call.key).update(
        created_at=end + timedelta(milliseconds=15),
        written_at=end + timedelta(milliseconds=1_015),
        verified_at=end + timedelta(milliseconds=61_015),
    )
    (note,) = times.times_of(call, now=timezone.now())
    assert [(stage.what, round(stage.ms or 0), stage.is_slow) for stage in note.stages] == [
        ("Hang-up received", 0, False),
        ("Entry made", 15, False),
        ("Note written", 1_000, False),
        ("Found again, proven", 60_000, True),
    ]
    assert note.whole is not None and round(note.whole.ms or 0) == 61_015


@pytest.mark.parametrize("name", ["missed", "several", "parked", "hostile", "live", "out"])
def test_a_step_that_did_not_happen_says_why_instead_of_a_number(
    name: str, office: Office, as_admin: Client
) -> None:
    call = office.calls[name]
    Pop.objects.create(
        leg=call.legs.get(),
        user=office.owner,
        crm=office.crm,
        moment="ring",
        created_at=call.started_at,
    )
    chains = times.times_of(call, now=timezone.now())
    for chain in chains:
        for stage in chain.stages:
            assert (stage.ms is None) == bool(stage.note), stage
    assert page_of(call, as_admin).status_code == 200
    if name == "missed":
        assert "waits for a contact" in words_of(page_of(call, as_admin))


def test_a_sender_with_another_clock_gives_no_number(office: Office) -> None:
    call = timed(office)
    ring = call.heard.get(kind="ringing")
    Heard.objects.filter(pk=ring.pk).update(at=ring.at - timedelta(hours=1))
    shown, _note = times.times_of(call, now=timezone.now())
    assert (shown.stages[0].ms, shown.stages[0].note) == (None, "its clock and ours differ")


def test_the_owner_s_own_page_has_the_steps_and_no_trace(office: Office, as_owner: Client) -> None:
    call = timed(office)
    said = words_of(as_owner.get(reverse("my_call", args=[call.pk])))
    assert "How long each step took" in said and "Download trace" not in said


# --- the trace --------------------------------------------------------------------------------------


def download(call: Call, client: Client) -> str:
    answer = client.post(reverse("call_trace", args=[call.pk]))
    assert answer.status_code == 200
    name = answer["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="trace-[\d-]+-[0-9a-f]{6}\.jsonl"', name)
    return answer.content.decode()


def replay(trace: str, folder: Path, *options: str) -> str:
    path = folder / "call.jsonl"
    path.write_text(trace, encoding="utf-8")
    out = StringIO()
    call_command("replay", str(path), "--check", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def boss(db: None) -> User:
    return make_user("Nadia Karim", role="supervisor")


@pytest.mark.django_db(databases=["default", "index"])
@pytest.mark.parametrize("name", OUTCOMES)
def test_every_recorded_story_is_downloaded_and_replayed_to_the_same_outcome(
    name: str, make_stage: Any, boss: User, tmp_path: Path
) -> None:
    outcome = OUTCOMES[name]
    talks = {extension: float(text) for extension, text in outcome.setup_of("talks").items()}
    stage = make_stage(owners=outcome.setup_of("owners"))
    for person in stage.users:
        stage.set_up(person, **outcome.setup_of("prefer"))
    stage.rule(**outcome.setup_of("rule") or {"country": "US"})
    Replay(stage, outcome.recording, talks=talks).play()
    client = signed_in(boss)
    calls = Call.objects.filter(state=Call.State.ENDED)
    assert calls
    for call in calls:
        trace = download(call, client)
        secrets = [GRACE, GRACE.removeprefix("+1"), "Grace", *PEOPLE.values(), call.uid, str(stage.pbx.pk)]
        assert not [secret for secret in secrets if secret in trace]
        assert replay(trace, tmp_path).strip().endswith("The outcome is the one that was recorded.")


@pytest.mark.django_db(databases=["default", "index"])
def test_a_replay_under_another_rule_says_what_differs_and_fails_when_it_is_checked(
    make_stage: Any, boss: User, tmp_path: Path
) -> None:
    stage = make_stage()
    Replay(stage, "inbound_answered").play()
    trace = download(Call.objects.get(), signed_in(boss))
    with pytest.raises(CommandError, match="not the one"):
        replay(trace, tmp_path, "--open-mode", "never")
    path = tmp_path / "call.jsonl"
    out = StringIO()
    call_command("replay", str(path), "--open-mode", "never", stdout=out)
    assert "recorded, not in this replay: record person-1 crm-1 ring" in out.getvalue()
    assert "in this replay, not recorded: card person-1 crm-1 ring" in out.getvalue()
    rules = read_rules(trace)
    assert rules is not None
    assert not compare(rules.outcome, rehearse(read_trace(trace), rules.house)).is_any


@pytest.mark.django_db(databases=["default", "index"])
def test_who_had_no_desktop_is_no_difference(make_stage: Any, boss: User, tmp_path: Path) -> None:
    stage = make_stage()
    for device in stage.devices.values():
        device.delete()
    stage.devices.clear()
    Replay(stage, "inbound_answered").play()
    told = replay(download(Call.objects.get(), signed_in(boss)), tmp_path)
    assert "the circumstances counted, not the rules: no_desktop" in told


def test_a_line_that_is_called_by_a_person_s_name_is_not_in_the_trace(office: Office) -> None:
    call = office.calls["known"]
    call.heard.update(number="Mara Lindqvist")
    call.heard.filter(kind="ringing").update(said={"via": "queue", "via_name": "+44 20 7946 0100"})
    trace = export_trace(call=call)
    assert "Mara" not in trace and "7946" not in trace
    (line,) = {event.extension for event in read_trace(trace)}
    assert line.startswith("line-")


def test_the_download_is_recorded_and_the_page_says_what_is_in_it(office: Office, as_admin: Client) -> None:
    call = office.calls["known"]
    said = words_of(page_of(call, as_admin))
    assert "Download trace" in said and "Not in it numbers and names of callers" in said
    head = json.loads(download(call, as_admin).splitlines()[0])
    assert head["house"]["desks"]["204"]["owner"].startswith("person-")
    assert "Mara" not in json.dumps(head) and office.crm.name not in json.dumps(head)
    assert Act.objects.get(act="call.traced").what == f"call:{call.pk}"


def test_a_call_that_goes_on_has_no_trace_yet(office: Office, as_admin: Client) -> None:
    call = office.calls["live"]
    assert "When the call is over" in words_of(page_of(call, as_admin))
    assert as_admin.post(reverse("call_trace", args=[call.pk])).status_code == 404


@pytest.mark.parametrize(
    "spoil",
    [
        lambda head: head["house"].pop("desks"),
        lambda head: head["house"].update(known="perhaps"),
        lambda head: head["house"]["desks"].update({"204": {}}),
        lambda head: head["house"].update(is_private="no"),
        lambda head: head["house"].update(desks=[]),
        lambda head: head["outcome"].update(seen=[["card"]]),
        lambda head: head.pop("outcome"),
        lambda head: head["house"]["desks"]["204"].update(zone="Nowhere/Town"),
        lambda head: head["house"].update(group_policy="x" * 500),
    ],
)
def test_spoilt_rules_are_refused_with_their_line(spoil: Any, office: Office) -> None:
    first, *rest = tape(call=office.calls["known"]).splitlines()
    head = json.loads(first)
    spoil(head)
    with pytest.raises(Rejected, match="Line 1"):
        read_rules("\n".join([json.dumps(head), *rest]))


def test_users_may_not_download(office: Office, as_owner: Client) -> None:
    assert as_owner.post(reverse("call_trace", args=[office.calls["known"].pk])).status_code == 403
