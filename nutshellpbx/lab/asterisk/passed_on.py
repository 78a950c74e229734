"""Stories in which a call is passed on: transferred, picked up, forwarded, parked."""

from __future__ import annotations

from nutshellpbx.lab.asterisk.dialled import (
    ABROAD,
    DIRECT,
    FORWARDED_ALWAYS,
    FORWARDED_INSIDE,
    FORWARDED_OUTSIDE,
    RINGS_MS,
    TALKS_MS,
)
from nutshellpbx.lab.asterisk.phones import BUSY, NEVER_ANSWERS, Answers, Caller, Refuses
from nutshellpbx.lab.asterisk.stage import STAYS_MS, Stage


def blind_transfer(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers(talk_ms=TALKS_MS))
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    on.both_talking()
    on.manager.act("BlindTransfer", Channel=on.talking("101")["Channel"], Context="lines", Exten="102")


def blind_transfer_comes_back(on: Stage) -> None:
    on.phones(p101=Answers(), p102=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(talk_ms=4000))
    on.both_talking()
    on.manager.act(
        "BlindTransfer", Channel=on.talking("101")["Channel"], Context="lines-and-back", Exten="102"
    )


def attended_transfer(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers(after_ms=200, talk_ms=2 * TALKS_MS))
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    on.both_talking()
    channel = on.talking("101")["Channel"]
    on.manager.act("Atxfer", Channel=channel, Context="lines", Exten="102")
    on.talking("102")
    on.manager.act("Hangup", Channel=channel)


def attended_transfer_cancelled(on: Stage) -> None:
    on.phones(p101=Answers(talk_ms=TALKS_MS), p102=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    on.both_talking()
    channel = on.talking("101")["Channel"]
    on.manager.act("Atxfer", Channel=channel, Context="lines", Exten="102")
    on.ringing("102")
    on.manager.act("CancelAtxfer", Channel=channel)


def attended_transfer_of_two_calls(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers(after_ms=100, talk_ms=2 * TALKS_MS))
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    customer = on.both_talking()["Channel"]
    since = on.manager.mark()
    on.inside("101", "102", talk_ms=STAYS_MS)
    on.manager.wait_event("BridgeEnter", since=since, BridgeNumChannels="2")
    on.manager.act("Bridge", Channel1=customer, Channel2=on.talking("102")["Channel"], Tone="no")


def transfer_to_queue(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers(after_ms=RINGS_MS, talk_ms=TALKS_MS), p103=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    on.both_talking()
    on.manager.act("BlindTransfer", Channel=on.talking("101")["Channel"], Context="queues", Exten="704")


def pick_up(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(talk_ms=2000))
    on.ringing("101")
    on.inside("102", "*8", talk_ms=STAYS_MS)


def forwarded_inside_by_the_phone(on: Stage) -> None:
    on.phones(p101=Refuses("302 Moved Temporarily", "102@127.0.0.1"), p102=Answers())
    on.caller(DIRECT)


def forwarded_outside_by_the_phone(on: Stage) -> None:
    on.phones(p101=Refuses("302 Moved Temporarily", f"{ABROAD}@127.0.0.1"), outside=Answers())
    on.caller(DIRECT)


def forwarded_outside_always(on: Stage) -> None:
    on.phones(outside=Answers())
    on.caller(FORWARDED_ALWAYS)


def forwarded_inside_on_busy(on: Stage) -> None:
    on.phones(p101=BUSY, p102=Answers())
    on.caller(FORWARDED_INSIDE)


def forwarded_inside_on_no_answer(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=Answers())
    on.caller(FORWARDED_INSIDE)


def forwarded_outside_on_busy(on: Stage) -> None:
    on.phones(p101=BUSY, outside=Answers())
    on.caller(FORWARDED_OUTSIDE)


def forwarded_outside_on_no_answer(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, outside=Answers())
    on.caller(FORWARDED_OUTSIDE)


def parked_and_retrieved(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT, Caller(talk_ms=2500))
    customer = on.both_talking()["Channel"]
    on.manager.act("Park", Channel=customer, TimeoutChannel=on.talking("101")["Channel"])
    place = on.manager.wait_event("ParkedCall")["ParkingSpace"]
    on.inside("103", place, talk_ms=STAYS_MS)
