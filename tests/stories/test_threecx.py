"""The stories that a 3CX can tell, from its own frames through the whole flow: what the desks saw, what was
kept. A story comes to what it comes to on any phone system, but for what a 3CX does not say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from nutshellpbx.calls.models import Call
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab.threecx.stories import STORIES
from nutshellpbx.pbx.connector import PbxConfig, get_connector_class
from nutshellpbx.pbx.events import CallEvent, Direction, Kind
from nutshellpbx.pbx.threecx import records
from nutshellpbx.pbx.threecx.protocol import Said
from nutshellpbx.pbx.threecx.records import Part, Record
from tests.pbx_port.threecx.telling import RECORDINGS, read_recording
from tests.stories.outcomes import OUTCOMES
from tests.stories.replays import RING_S, TALK_S, Pace, Replay
from tests.stories.stage import GRACE as GRACE_DIGITS
from tests.stories.stage import START, Stage
from tests.stories.test_replay import after_restart, set_up

pytestmark = pytest.mark.django_db(databases=["default", "index"])
MakeStage = Callable[..., Stage]

GRACE = "+1 312-555-0142"
ANSWERED = f"Answered incoming call from {GRACE} to"
CYD_OF_FOUR = (
    f"entry of Cyd: {ANSWERED} Cyd (103) (0:30) | rang in the group 600 12 s; "
    "Ada (101), Ben (102), Dan (104) rang 12 s, a colleague answered; Cyd (103) answered, 0:30"
)
BEN_PASSED_ON = (
    "entry of Ada: Answered outgoing call from Ada (101) to +1 312-555-0199 (0:30) | "
    "Ben (102) answered, 0:30; Ada (101) called, 0:30; Ben (102) passed the call on"
)
#: What comes out in another way than elsewhere, for a 3CX says less: nothing of a phone that is busy; a
#: consultation has an id of its own, so one that comes to nothing is an internal call beside the customer's;
#: who answers and who hears it are told one after the other.
OTHERWISE: Mapping[str, list[str]] = {
    "group_of_five_one_answers": [
        "Ada: card Grace, gone",
        "Ben: card Grace, gone",
        "Cyd: card Grace, page Grace, gone, page after Grace",
        "Dan: card Grace, gone",
        CYD_OF_FOUR,
    ],
    "attended_transfer_cancelled": [
        "Ada: page Grace, gone, page after Grace",
        f"entry of Ada: {ANSWERED} Ada (101) (0:30)",
        "no entry: internal",
    ],
    "internal_then_outside": ["Ada: page Second, gone, page after Second", BEN_PASSED_ON],
}
#: A 3CX names its queues and groups by their numbers.
NUMBERS = {"sales": "800", "support": "800", "billing": "800", "601": "600"}
#: The same story, told by the PBX in another way.
SAME = {"attended_transfer_keeping_its_id": "attended_transfer"}


def expected(name: str) -> list[str]:
    """What must come out of a story, in a 3CX's own numbers."""
    if name in OTHERWISE:
        return OTHERWISE[name]
    lines = OUTCOMES[SAME.get(name, name)].lines
    for other, number in NUMBERS.items():
        lines = [re.sub(rf"(queue|group) {other}\b", rf"\1 {number}", line) for line in lines]
    return lines


class ThreeCxPace(Pace):
    """The same seconds, also for who takes a call that rings at a colleague's."""

    def _due(self, event: CallEvent) -> datetime:
        is_picked_up = event.kind is Kind.ANSWERED and event.leg not in self._rang and not self._spoke
        if is_picked_up and self._rang:
            return max(self._rang.values()) + timedelta(seconds=RING_S)
        return super()._due(event)


class ThreeCxReplay(Replay):
    """A recording of a 3CX on its way through its connector; `messages` are those of its protocol."""

    messages: Any

    def __init__(self, stage: Stage, recording: str, *, talks: Mapping[str, float] | None = None) -> None:
        config = PbxConfig(str(stage.pbx.pk), stage.pbx.name, "threecx", {}, {})
        self.stage = stage
        self.connector = get_connector_class("threecx")(config)
        self.known = self.connector.nothing_known()
        self.messages = read_recording(recording)
        self.counted = 0
        self.pace = ThreeCxPace(stage.clock, talks or {})

    def hear(self, message: Any) -> list[CallEvent]:
        """As ever; but a 3CX's leg may be gone before its end is told, so the talk lasts until it is gone."""
        leg = self.known.legs.get(message.key) if message.said is Said.REMOVE else None
        if leg is not None and leg.uid in self.pace._spoke:
            talk_s = self.pace.talks.get(leg.participant.dn, TALK_S)
            until = self.pace._spoke[leg.uid] + timedelta(seconds=talk_s)
            self.stage.clock.now = max(self.stage.clock.now, until)
        return super().hear(message)


@pytest.fixture
def make(make_stage: MakeStage) -> MakeStage:
    return lambda **more: make_stage(kind="threecx", **more)


@pytest.mark.parametrize("name", STORIES)
def test_recorded_story_comes_to_what_it_must(name: str, make: MakeStage) -> None:
    outcome = OUTCOMES[SAME.get(name, name)]
    stage = set_up(make, outcome)
    talks = {extension: float(text) for extension, text in outcome.setup_of("talks").items()}
    assert ThreeCxReplay(stage, name, talks=talks).play() == expected(name)


def test_every_story_of_a_3cx_is_recorded_and_has_an_outcome() -> None:
    assert {path.stem for path in RECORDINGS.glob("*.jsonl")} == set(STORIES)
    assert all(expected(name) for name in STORIES)


@pytest.mark.parametrize("recording", ["inbound_answered", "queue_all_ring", "blind_transfer"])
def test_every_message_twice_is_as_if_it_came_once(recording: str, make: MakeStage) -> None:
    stage = make()
    replay = ThreeCxReplay(stage, recording, talks={"102": 245} if "transfer" in recording else {})
    replay.messages = [message for message in replay.messages for _time in range(2)]
    assert replay.play() == expected(recording)


@pytest.mark.parametrize("recording", ["inbound_answered", "group_of_two_one_answers"])
def test_a_call_that_ends_while_the_listener_is_away_ends_when_it_is_back(
    recording: str, make: MakeStage
) -> None:
    stage = make()
    replay = ThreeCxReplay(stage, recording)
    for message in replay.messages:
        events = replay.hear(message)
        for event in events:
            stage.take_in(event)
        if any(event.kind == "answered" for event in events):
            break
    stage.clock.go_on(seconds=30)
    replay.known, events = replay.connector.resync(replay.known, None, stage.clock.now)
    for event in events:
        stage.take_in(event)
    stage.check()
    assert stage.story()[:-1] == expected(recording)[:-1]


def test_ids_that_start_again_after_a_restart_are_new_calls_with_entries_of_their_own(
    make: MakeStage,
) -> None:
    stage = make()
    first = ThreeCxReplay(stage, "inbound_answered").play()
    stage.clock.go_on(minutes=3)
    stage.seen.clear()
    again = ThreeCxReplay(stage, "inbound_answered")
    for event in again.events():
        stage.take_in(after_restart(event))
    stage.check()
    assert Call.objects.count() == Entry.objects.count() == 2
    assert stage.story()[0] == first[0]


def test_ids_that_start_again_within_seconds_are_new_calls_too(make: MakeStage) -> None:
    stage = make()
    replay = ThreeCxReplay(stage, "inbound_answered")
    replay.play()
    stage.clock.go_on(seconds=5)
    replay.known, events = replay.connector.resync(replay.known, None, stage.clock.now)
    assert events == []
    # what is looked at a moment after its last leg is the second call now
    replay.messages = [
        replace(message, key="1.2") if message.said is Said.SETTLED else message
        for message in replay.messages
    ]
    for event in replay.events():
        stage.take_in(event)
    stage.check()
    assert Call.objects.count() == Entry.objects.count() == 2


def missed_call(direction: Direction, *, answered: bool) -> Record:
    """A call that nobody heard, as the PBX's own log has it: it rang 12 s, and they spoke half a minute."""
    rang, talked = timedelta(seconds=12), timedelta(seconds=30 if answered else 0)
    ended = START + rang + talked
    part = Part("101", START, ended, START + rang if answered else None)
    return Record("h1", direction, GRACE_DIGITS, START, ended, (part,))


@pytest.mark.parametrize(
    ("direction", "answered", "text"),
    [
        (Direction.INBOUND, True, f"{ANSWERED} Ada (101) (0:30)"),
        (Direction.INBOUND, False, f"Missed call from {GRACE} to Ada (101)"),
        (Direction.OUTBOUND, True, f"Answered outgoing call from Ada (101) to {GRACE} (0:30)"),
        (Direction.OUTBOUND, False, f"Unanswered outgoing call from Ada (101) to {GRACE}"),
    ],
)
def test_a_call_that_nobody_heard_is_noted_once_from_the_record_and_opens_no_page(
    make: MakeStage, direction: Direction, answered: bool, text: str
) -> None:
    stage = make()
    stage.clock.go_on(minutes=2)
    for _again in range(2):
        for event in records.events_of(missed_call(direction, answered=answered), pbx=str(stage.pbx.pk)):
            stage.take_in(event)
    stage.check()
    assert f"entry of Ada: {text}" in stage.story()
    assert [what for _who, what, _title, _at in stage.seen if what in {"page", "card"}] == []
    assert Entry.objects.count() == 1
