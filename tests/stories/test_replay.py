"""Every recorded story, from the phone system's own frames through the whole flow: what the desks saw, what
was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nutshellpbx.calls import flow
from nutshellpbx.calls.models import Call
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.events import CallEvent
from tests.pbx_port.asterisk.expected import EXPECTED
from tests.stories import book
from tests.stories.outcomes import OUTCOMES, Outcome
from tests.stories.replays import Replay
from tests.stories.stage import Stage

pytestmark = pytest.mark.django_db(databases=["default", "index"])
MakeStage = Callable[..., Stage]


def set_up(make_stage: MakeStage, outcome: Outcome) -> Stage:
    stage = make_stage(owners=outcome.setup_of("owners"))
    for name in stage.users:
        stage.set_up(name, **outcome.setup_of("prefer"))
    stage.rule(**outcome.setup_of("rule") or {"country": "US"})
    return stage


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.story(each.story, "replay")) for name, each in OUTCOMES.items()],
)
def test_recorded_story_comes_to_what_it_must(name: str, make_stage: MakeStage) -> None:
    outcome = OUTCOMES[name]
    talks = {extension: float(text) for extension, text in outcome.setup_of("talks").items()}
    stage = set_up(make_stage, outcome)
    assert Replay(stage, outcome.recording, talks=talks).play() == outcome.lines


def test_every_recording_of_a_story_is_replayed() -> None:
    told_elsewhere = {"inbound_answered_by_the_third", "inbound_answered_by_the_fourth"}
    assert {outcome.recording for outcome in OUTCOMES.values()} | told_elsewhere >= set(EXPECTED)


@pytest.mark.story(36, "replay")
@pytest.mark.parametrize("recording", ["inbound_answered", "queue_all_ring", "blind_transfer"])
def test_every_event_twice_is_as_if_it_came_once(recording: str, make_stage: MakeStage) -> None:
    stage = make_stage()
    for event in Replay(stage, recording, talks={"102": 245} if "transfer" in recording else {}).events():
        assert stage.take_in(event) is not None
        assert stage.take_in(event) is None
    stage.check()
    assert stage.story() == OUTCOMES[recording].lines


@pytest.mark.story(35, "replay")
def test_an_answer_that_overtakes_the_ring_opens_once_and_the_late_ring_shows_nothing(
    make_stage: MakeStage,
) -> None:
    stage = make_stage()
    events = list(Replay(stage, "inbound_answered").events())
    ring, answer, *rest = events
    for event in (answer, ring, *rest):
        stage.take_in(event)
    stage.check()
    assert stage.story() == OUTCOMES["inbound_answered"].lines


@pytest.mark.story(35, "replay")
def test_an_answer_that_is_heard_of_after_the_end_corrects_the_entry(make_stage: MakeStage) -> None:
    stage = make_stage()
    events = list(Replay(stage, "queue_all_ring").events())
    answers = [event for event in events if event.kind == "answered"]
    for event in (*(event for event in events if event not in answers), *answers):
        stage.take_in(event)
    stage.check()
    text = stage.text()
    assert "Answered incoming call from +1 312-555-0142 to Ben (102) (0:30)" in text
    assert Entry.objects.get().user == stage.users["Ben"]
    assert "page" not in {what for _who, what, _title, _at in stage.seen}
    assert Call.objects.get().steps.filter(what="entry_amended").exists()


@pytest.mark.story(37, "replay")
@pytest.mark.parametrize("recording", ["inbound_answered", "group_of_two_one_answers", "hold_and_resume"])
def test_a_call_that_ends_while_the_listener_is_away_ends_when_it_is_back(
    recording: str, make_stage: MakeStage
) -> None:
    stage = make_stage()
    replay = Replay(stage, recording)
    for message in replay.messages:
        events = replay.hear(message)
        for event in events:
            stage.take_in(event)
        if any(event.kind == "answered" for event in events):
            break
    stage.clock.go_on(seconds=30)
    replay.known, events = replay.connector.resync(replay.known, [], stage.clock.now)
    for event in events:
        stage.take_in(event)
    stage.check()
    lines = OUTCOMES[recording].lines
    assert stage.story()[:-1] == lines[:-1]
    assert stage.story()[-1].partition(" |")[0] == lines[-1].partition(" |")[0]


@pytest.mark.story(38, "replay")
def test_ids_that_start_again_after_a_restart_are_new_calls_with_entries_of_their_own(
    make_stage: MakeStage,
) -> None:
    stage = make_stage()
    first = Replay(stage, "inbound_answered").play()
    stage.clock.go_on(hours=2)
    stage.seen.clear()
    again = Replay(stage, "inbound_answered")
    for event in again.events():
        stage.take_in(after_restart(event))
    stage.check()
    assert Call.objects.count() == Entry.objects.count() == 2
    assert stage.story()[0] == first[0]


def after_restart(event: CallEvent) -> CallEvent:
    """The same event as another connection counts it."""
    return replace(event, seq=f"after-{event.seq}")


@pytest.mark.story(39, "replay")
@pytest.mark.parametrize("until", ["ringing", "answered"])
def test_a_call_whose_end_never_comes_is_ended_by_us_and_leaves_no_card(
    until: str, make_stage: MakeStage
) -> None:
    stage = make_stage()
    for event in Replay(stage, "inbound_answered").events():
        stage.take_in(event)
        if event.kind == until:
            break
    stage.clock.go_on(hours=13)
    assert flow.end_silent_calls(now=stage.clock.now) == 1
    stage.work()
    stage.check()
    assert Entry.objects.count() == 1


@pytest.mark.story(40, "replay")
@pytest.mark.parametrize("jump_s", [-7200, 7200])
@pytest.mark.parametrize("recording", ["inbound_answered", "group_of_two_one_answers", "blind_transfer"])
def test_a_clock_that_jumps_in_mid_call_leaves_one_entry_and_no_card(
    recording: str, jump_s: int, make_stage: MakeStage
) -> None:
    stage = make_stage()
    for event in Replay(stage, recording).events():
        stage.take_in(event)
        if event.kind == "answered" and stage.clock.now.hour == 14:
            stage.clock.go_on(seconds=jump_s)
    stage.check()
    assert Entry.objects.count() == 1


def test_a_group_of_five_asks_the_crm_once(make_stage: MakeStage) -> None:
    stage = make_stage()
    Replay(stage, "group_nobody_answers").play()
    assert book.BOOK.asked == ["+13125550142"]
