"""Every story of the lab, played on a real Asterisk with sipp's phones, as the connector hears it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nutshellpbx.lab.asterisk.dialled import DIRECT
from nutshellpbx.lab.asterisk.phones import Answers, Caller
from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.stories import STORIES, play
from nutshellpbx.pbx.connector import Order, SeenExtension
from nutshellpbx.pbx.events import Cause, Direction, Kind
from tests.pbx.ear import PATIENCE_S, Ear
from tests.pbx.runs import Runs
from tests.pbx_port.asterisk.expected import EXPECTED
from tests.pbx_port.asterisk.telling import tell


@pytest.fixture(scope="module")
def listening(real_asterisk: RealAsterisk) -> Iterator[Ear]:
    with Ear(real_asterisk) as ear:
        yield ear


@pytest.fixture
def ear(listening: Ear, real_asterisk: RealAsterisk) -> Iterator[Ear]:
    listening.forget()
    yield listening
    real_asterisk.hang_up_all()


@pytest.mark.parametrize("story", STORIES)
def test_story_comes_to_what_it_must(story: str, runs: Runs) -> None:
    assert runs.of(story).told == EXPECTED[story]


def test_clean_call_is_clean_for_the_caller_too(ear: Ear, real_asterisk: RealAsterisk) -> None:
    real_asterisk.set_phone("101", Answers())
    assert real_asterisk.call(DIRECT, Caller()).wait(PATIENCE_S) == 0
    ear.wait_for(Kind.ENDED, leg=False)


def test_probe_passes(real_asterisk: RealAsterisk, ear: Ear) -> None:
    probe = ear.connector.probe()
    assert probe.ok
    assert probe.facts["version"].startswith("22.")


def test_extensions_are_found_with_their_names(ear: Ear) -> None:
    found = ear.connector.extensions()
    assert [extension.number for extension in found] == ["101", "102", "103", "104", "105", "106"]
    assert found[0] == SeenExtension("101", "Ada Practice")


def test_dialling_from_the_desk_rings_the_own_phone_then_the_customers(
    ear: Ear, real_asterisk: RealAsterisk
) -> None:
    real_asterisk.set_phone("101", Answers())
    real_asterisk.set_phone("outside", Answers(talk_ms=500))
    ear.orders.append(("o1", Order("dial", {"extension": "101", "number": "1 312 555-0142"})))
    answered = ear.wait_for(Kind.ANSWERED)
    assert (answered.extension, answered.direction, answered.number) == (
        "101",
        Direction.OUTBOUND,
        "13125550142",
    )
    ear.wait(lambda: ("o1", True, "") in ear.settled)
    ear.wait_for(Kind.ENDED, leg=False)


def test_hanging_up_from_the_desk_ends_the_call(ear: Ear, real_asterisk: RealAsterisk) -> None:
    real_asterisk.set_phone("101", Answers())
    real_asterisk.call(DIRECT, Caller(talk_ms=60_000))
    leg = ear.wait_for(Kind.ANSWERED).leg
    ear.orders.append(("o2", Order("hang_up", {"leg": leg})))
    ear.wait_for(Kind.ENDED, leg=False)


def test_listener_that_joins_in_mid_call_sees_it_and_its_end(ear: Ear, real_asterisk: RealAsterisk) -> None:
    real_asterisk.set_phone("101", Answers())
    real_asterisk.call(DIRECT, Caller(talk_ms=2_000))
    first = ear.wait_for(Kind.ANSWERED)
    with Ear(real_asterisk) as late:
        seen = late.wait_for(Kind.ANSWERED)
        assert (seen.leg, seen.call_uid) == (first.leg, first.call_uid)
        assert (seen.direction, seen.number) == (Direction.INBOUND, "13125550142")
        assert late.wait_for(Kind.ENDED).cause is Cause.HUNG_UP


def test_pbx_that_is_killed_in_mid_call_ends_it_and_the_next_call_is_heard(
    ear: Ear, real_asterisk: RealAsterisk
) -> None:
    real_asterisk.set_phone("101", Answers())
    real_asterisk.call(DIRECT, Caller(talk_ms=60_000))
    ear.wait_for(Kind.ANSWERED)
    real_asterisk.stop(at_once=True)
    real_asterisk.start()
    assert ear.wait_for(Kind.ENDED, leg=False).cause is Cause.UNKNOWN
    assert ear.states[-2:] == ["away", "connected"]
    ear.forget()
    real_asterisk.hang_up_all()
    play("inbound_answered", real_asterisk)
    ear.wait(lambda: tell(ear.events) == EXPECTED["inbound_answered"])
