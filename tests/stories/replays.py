"""The recorded stories, told to the whole flow: how a recording is replayed, and what must come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from nutshellpbx.pbx.asterisk.protocol import Message
from nutshellpbx.pbx.connector import PbxConfig, get_connector_class
from nutshellpbx.pbx.events import CallEvent, Cause, Kind
from tests.pbx_port.asterisk.telling import read_messages, read_recording
from tests.stories.stage import Clock, Stage

STEP = timedelta(milliseconds=5)
RING_S, WAIT_S, TALK_S = 12.0, 15.0, 30.0


@dataclass
class Pace:
    """Stretches a recording's seconds to an office's: phones ring 12 s until they are answered, 15 s in vain;
    who answers speaks half a minute, or as long as `talks` says by extension.
    """

    clock: Clock
    talks: Mapping[str, float] = field(default_factory=dict)
    _rang: dict[str, datetime] = field(default_factory=dict)
    _spoke: dict[str, datetime] = field(default_factory=dict)

    def wait_for(self, events: list[CallEvent]) -> None:
        """Let the time pass that lies before these events."""
        until = max([self.clock.now, *(self._due(event) for event in events)])
        self.clock.now = until

    def note(self, events: list[CallEvent]) -> None:
        for event in events:
            if event.kind is Kind.RINGING:
                self._rang.setdefault(event.leg, event.at)
            if event.kind is Kind.ANSWERED:
                self._spoke.setdefault(event.leg, event.at)

    def _due(self, event: CallEvent) -> datetime:
        if event.kind is Kind.ANSWERED and event.leg in self._rang and event.leg not in self._spoke:
            return self._rang[event.leg] + timedelta(seconds=RING_S)
        if event.kind is Kind.ENDED and event.leg in self._spoke:
            talk_s = self.talks.get(event.extension, TALK_S)
            return self._spoke[event.leg] + timedelta(seconds=talk_s)
        if event.kind is Kind.ENDED and event.leg in self._rang:
            rang_s = RING_S if event.cause is Cause.ANSWERED_ELSEWHERE else WAIT_S
            return self._rang[event.leg] + timedelta(seconds=rang_s)
        return self.clock.now


class Replay:
    """A recording on its way through the connector; `known` is what the connector knows by now."""

    def __init__(self, stage: Stage, recording: str, *, talks: Mapping[str, float] | None = None) -> None:
        config = PbxConfig(str(stage.pbx.pk), stage.pbx.name, "asterisk", {}, {})
        self.stage = stage
        self.connector: Any = get_connector_class("asterisk")(config)
        self.known = self.connector.nothing_known()
        self.messages: list[Message] = read_messages(read_recording(recording))
        self.counted = 0
        self.pace = Pace(stage.clock, talks or {})

    def hear(self, message: Message) -> list[CallEvent]:
        """What one message tells, after the time that it takes to come to it."""
        self.stage.clock.now += STEP
        _known, events, _fetches = self.connector.translate(self.known, message, self.stage.clock.now)
        self.pace.wait_for(events)
        self.known, events, _fetches = self.connector.translate(self.known, message, self.stage.clock.now)
        self.pace.note(events)
        return [self.count(event) for event in events]

    def count(self, event: CallEvent) -> CallEvent:
        """The event with its number, as the listener gives it one."""
        self.counted += 1
        return replace(event, seq=f"1-{self.counted}")

    def events(self) -> Iterator[CallEvent]:
        """All that the recording tells, each at its time."""
        for message in self.messages:
            yield from self.hear(message)

    def play(self) -> list[str]:
        """Tell it all to the office; each desk's line and the entries."""
        for event in self.events():
            self.stage.take_in(event)
        self.stage.check()
        return self.stage.story()
