"""Whatever a phone system says, in whatever order: what must hold of every call, driven by Hypothesis.

The nightly share (`make nightly`) drives at least 200,000 steps, says at its end how many it drove, and fails
when there were fewer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nutshellpbx.calls.decide import Known
from nutshellpbx.calls.policy import EntryOwner, Policy
from nutshellpbx.calls.rehearsal import PAGES, Desk, House, Line, Rehearsal, What
from nutshellpbx.calls.states import LegState
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind, Via

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CRMS = ("crm-a", "crm-b")
OWNERS = {"101": "Ada", "102": "Ben", "103": "Ada", "104": ""}
IS_NIGHTLY = settings().max_examples > 1000
NIGHTLY_STEPS = 200_000
#: What was driven in this run: steps of the machine, and events in them (a step may tell one twice).
DRIVEN: Counter[str] = Counter()


class AnyCalls(RuleBasedStateMachine):
    """Two lines of Ada, one of Ben, one of nobody, one that is unknown; up to four calls at once."""

    def __init__(self) -> None:
        super().__init__()
        self.rehearsal = Rehearsal(House(desks={}))
        self.lines: list[Line] = []
        self.now = START
        self.count = 0

    @initialize(
        open_mode=st.sampled_from(["ring", "answer", "never"]),
        unknown=st.sampled_from(["off", "form", "create"]),
        known=st.sampled_from(Known),
        group_policy=st.sampled_from(["card", "open"]),
        entry_owner=st.sampled_from(EntryOwner),
        journaling=st.booleans(),
    )
    def set_up(
        self,
        open_mode: str,
        unknown: str,
        known: Known,
        group_policy: str,
        entry_owner: EntryOwner,
        journaling: bool,
    ) -> None:
        desks = {
            number: Desk(owner, CRMS, open_mode=open_mode, unknown=unknown, journaling=journaling)
            for number, owner in OWNERS.items()
        }
        policy = Policy(group_policy=group_policy, entry_owner=entry_owner)
        self.rehearsal = Rehearsal(House(desks=desks, policy=policy, known=known))

    @rule(
        call=st.sampled_from(["c1", "c2", "c3", "c4"]),
        kind=st.sampled_from([kind for kind in Kind if kind is not Kind.JOINED]),
        leg=st.sampled_from(["", *OWNERS, "999", "101b"]),
        passed_s=st.integers(-30, 90),
        direction=st.sampled_from(Direction),
        number=st.sampled_from(["", "+13125550142", "102", "<script>"]),
        via=st.sampled_from([None, *Via]),
        cause=st.sampled_from([None, *Cause]),
        again=st.booleans(),
    )
    def say(self, call: str, kind: Kind, leg: str, passed_s: int, again: bool, **more: Any) -> None:
        self.now += timedelta(seconds=passed_s)
        self._step()
        event = CallEvent(
            pbx="p",
            call_uid=call,
            kind=kind,
            at=self.now,
            leg=leg,
            extension=leg.rstrip("b"),
            seq=f"1-{self.count}",
            **more,
        )
        self._hear(event)
        if again:
            before = len(self.lines)
            self._hear(event)
            assert len(self.lines) == before, "a repeat did something"

    @rule(call=st.sampled_from(["c1", "c2"]), cause=st.sampled_from(Cause))
    def end(self, call: str, cause: Cause) -> None:
        self._step()
        self._hear(
            CallEvent(
                pbx="p", call_uid=call, kind=Kind.ENDED, at=self.now, cause=cause, seq=f"1-{self.count}"
            )
        )

    @rule(call=st.sampled_from(["c1", "c2", "c3"]), into=st.sampled_from(["c1", "c2", "c4"]))
    def join(self, call: str, into: str) -> None:
        self._step()
        self._hear(
            CallEvent(
                pbx="p", call_uid=call, kind=Kind.JOINED, at=self.now, joins=into, seq=f"1-{self.count}"
            )
        )

    @rule(minutes=st.integers(1, 800))
    def be_silent(self, minutes: int) -> None:
        self._step()
        silence = timedelta(minutes=minutes)
        self.now += silence
        self._note(self.rehearsal.let_pass(silence))

    def _step(self) -> None:
        self.count += 1
        DRIVEN["steps"] += 1

    def _hear(self, event: CallEvent) -> None:
        DRIVEN["events"] += 1
        self._note(self.rehearsal.hear(event))

    def _note(self, lines: list[Line]) -> None:
        self.lines += lines

    @invariant()
    def no_card_is_left_after_the_end(self) -> None:
        for stand in self.rehearsal.stands:
            if not stand.call.is_live:
                assert not any(stand.cards.values()), stand
                assert all(leg.state is LegState.OVER for leg in stand.call.legs)

    @invariant()
    def nobody_sees_two_pages_of_a_call(self) -> None:
        pages = Counter(
            (line.call, line.who) for line in self.lines if line.what in PAGES and line.moment != "after"
        )
        assert not pages or max(pages.values()) == 1, pages

    @invariant()
    def nobody_has_two_entries_of_a_call(self) -> None:
        first = [line for line in self.lines if line.what is What.KEPT and line.why != "answered_after_all"]
        entries = Counter((line.call, line.crm) for line in first)
        assert not entries or max(entries.values()) == 1, entries

    def teardown(self) -> None:
        self._note(self.rehearsal.let_pass(timedelta(days=2)))
        for stand in self.rehearsal.stands:
            assert stand.joined or not stand.call.is_live, f"{stand} never ended"
            if not stand.joined:
                said = [line for line in self.lines if line.call == stand.uid]
                ended = {line.what for line in said} & {What.KEPT, What.LEFT_OUT}
                assert ended, f"nobody says what became of {stand}"
        self.no_card_is_left_after_the_end()


TestAnyCalls = AnyCalls.TestCase
TestAnyCalls.settings = settings(
    max_examples=settings().max_examples if IS_NIGHTLY else 150,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Told:
    """Says at the end of pytest's own words how much was driven."""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(
            f"any sequence of events: {DRIVEN['steps']:,} steps were driven ({DRIVEN['events']:,} events)"
        )


@pytest.fixture(scope="module", autouse=True)
def driven(pytestconfig: pytest.Config) -> Iterator[None]:
    yield
    pytestconfig.pluginmanager.register(Told())
    if IS_NIGHTLY and DRIVEN["steps"] < NIGHTLY_STEPS:
        pytest.fail(f"only {DRIVEN['steps']:,} steps were driven, {NIGHTLY_STEPS:,} are owed")
