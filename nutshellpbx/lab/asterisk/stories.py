"""The stories of an office's calls, played on the real Asterisk: who calls, who answers, who passes it on.

Each story returns when its last channel is gone. They are recorded once (record.py) for the replay tests,
and played live by the tests with the real Asterisk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nutshellpbx.lab.asterisk.manager import Manager
from nutshellpbx.lab.asterisk.phones import (
    BUSY,
    DO_NOT_DISTURB,
    NEVER_ANSWERS,
    Answers,
    Caller,
    Refuses,
)
from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.stage import STAYS_MS, Stage

#: What was dialled in each kind of story (lab/asterisk/config/extensions.conf).
DIRECT = "12125550101"
VOICEMAIL = "12125550155"
GROUP_OF_FIVE = "12125550160"
GROUP_OF_TWO = "12125550161"
QUEUE_ALL = "12125550170"
QUEUE_ONE_AFTER_ANOTHER = "12125550171"
QUEUE_LOCAL = "12125550172"
QUEUE_OVERFLOW = "12125550173"
MENU = "12125550180"
FORWARDED_ALWAYS = "12125550190"
TWO_PHONES = "12125550196"

CUSTOMER = "13125550142"
ABROAD = "13125550199"


def inbound_answered(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT)


def caller_gives_up(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(give_up_ms=500))


def busy(on: Stage) -> None:
    on.phones(p101=BUSY)
    on.caller(DIRECT)


def do_not_disturb(on: Stage) -> None:
    on.phones(p101=DO_NOT_DISTURB)
    on.caller(DIRECT)


def phone_unplugged(on: Stage) -> None:
    on.phones(p102=Answers())
    on.caller(GROUP_OF_TWO)


def to_voicemail(on: Stage) -> None:
    on.phones(p105=NEVER_ANSWERS)
    on.caller(VOICEMAIL, Caller(talk_ms=500))


def outbound_answered(on: Stage) -> None:
    on.phones(outside=Answers())
    on.inside("101", CUSTOMER)


def outbound_with_prefix(on: Stage) -> None:
    on.phones(outside=Answers())
    on.inside("101", f"9{CUSTOMER}")


def outbound_not_answered(on: Stage) -> None:
    on.phones(outside=NEVER_ANSWERS)
    on.inside("101", CUSTOMER, give_up_ms=500)


def outbound_busy(on: Stage) -> None:
    on.phones(outside=BUSY)
    on.inside("101", CUSTOMER)


def dialled_from_the_desk(on: Stage) -> None:
    on.phones(p101=Answers(), outside=Answers(talk_ms=600))
    on.manager.act(
        "Originate",
        Channel="PJSIP/101",
        Exten=CUSTOMER,
        Context="from-phones",
        Priority="1",
        CallerID=f"{CUSTOMER} <{CUSTOMER}>",
        Async="true",
    )


def internal(on: Stage) -> None:
    on.phones(p102=Answers())
    on.inside("101", "102")


def internal_then_outside(on: Stage) -> None:
    on.phones(p102=Answers(), outside=Answers(talk_ms=500))
    on.inside("101", "102", talk_ms=STAYS_MS)
    on.both_talking()
    channel = on.talking("102")["Channel"]
    on.manager.act("BlindTransfer", Channel=channel, Context="from-phones", Exten=ABROAD)


def withheld_number(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT, Caller(number="anonymous", name="Anonymous", host="anonymous.invalid"))


def our_own_number(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT, Caller(number="12125550100", name="Practice Ltd"))


def foreign_name(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT, Caller(name="Zoë Grüße-Łódź 株式会社"))


def group_of_two_one_answers(on: Stage) -> None:
    on.phones(p101=Answers(), p102=NEVER_ANSWERS)
    on.caller(GROUP_OF_TWO)


def group_of_five_one_answers(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=NEVER_ANSWERS, p103=Answers(), p104=NEVER_ANSWERS, p105=BUSY)
    on.caller(GROUP_OF_FIVE)


def group_nobody_answers(on: Stage) -> None:
    on.phones(**{f"p{extension}": NEVER_ANSWERS for extension in range(101, 106)})
    on.caller(GROUP_OF_FIVE)


def queue_all_ring(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=Answers(talk_ms=600), p103=NEVER_ANSWERS)
    on.caller(QUEUE_ALL, Caller(talk_ms=STAYS_MS))


def queue_one_after_another(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=NEVER_ANSWERS, p103=Answers(talk_ms=600))
    on.caller(QUEUE_ONE_AFTER_ANOTHER, Caller(talk_ms=STAYS_MS))


def queue_caller_gives_up(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=NEVER_ANSWERS, p103=NEVER_ANSWERS)
    on.caller(QUEUE_ALL, Caller(talk_ms=700))


def queue_local_channels(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=Answers(talk_ms=600))
    on.caller(QUEUE_LOCAL, Caller(talk_ms=STAYS_MS))


def queue_overflow(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=NEVER_ANSWERS, p103=NEVER_ANSWERS, p105=Answers(talk_ms=600))
    on.caller(QUEUE_OVERFLOW, Caller(talk_ms=STAYS_MS))


def menu_first(on: Stage) -> None:
    on.phones(p101=Answers(talk_ms=600))
    on.caller(MENU, Caller(talk_ms=STAYS_MS))


def blind_transfer(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers(talk_ms=600))
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
    on.phones(p101=Answers(), p102=Answers(after_ms=200, talk_ms=1500))
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    on.both_talking()
    channel = on.talking("101")["Channel"]
    on.manager.act("Atxfer", Channel=channel, Context="lines", Exten="102")
    on.talking("102")
    on.manager.act("Hangup", Channel=channel)


def attended_transfer_cancelled(on: Stage) -> None:
    on.phones(p101=Answers(talk_ms=2500), p102=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    on.both_talking()
    channel = on.talking("101")["Channel"]
    on.manager.act("Atxfer", Channel=channel, Context="lines", Exten="102")
    on.ringing("102")
    on.manager.act("CancelAtxfer", Channel=channel)


def attended_transfer_of_two_calls(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers(after_ms=100, talk_ms=1500))
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    customer = on.both_talking()["Channel"]
    since = on.manager.mark()
    on.inside("101", "102", talk_ms=STAYS_MS)
    on.manager.wait_event("BridgeEnter", since=since, BridgeNumChannels="2")
    on.manager.act("Bridge", Channel1=customer, Channel2=on.talking("102")["Channel"], Tone="no")


def transfer_to_queue(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers(after_ms=400, talk_ms=600), p103=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(talk_ms=STAYS_MS))
    on.both_talking()
    on.manager.act("BlindTransfer", Channel=on.talking("101")["Channel"], Context="queues", Exten="704")


def pick_up(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(talk_ms=1200))
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


def parked_and_retrieved(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT, Caller(talk_ms=2500))
    customer = on.both_talking()["Channel"]
    on.manager.act("Park", Channel=customer, TimeoutChannel=on.talking("101")["Channel"])
    place = on.manager.wait_event("ParkedCall")["ParkingSpace"]
    on.inside("103", place, talk_ms=STAYS_MS)


def hold_and_resume(on: Stage) -> None:
    on.phones(p101=Answers(hold_ms=400))
    on.caller(DIRECT, Caller(talk_ms=1500))


def call_waiting(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT, Caller(talk_ms=2500))
    on.both_talking()
    on.caller(DIRECT, Caller(number=ABROAD, name="Second Customer"))


def three_in_a_conference(on: Stage) -> None:
    on.phones(p101=Answers(talk_ms=3000))
    on.caller(DIRECT, Caller(talk_ms=2000))
    customer = on.both_talking()["Channel"]
    on.manager.act(
        "Redirect",
        Channel=customer,
        ExtraChannel=on.talking("101")["Channel"],
        Context="conferences",
        Exten="800",
        Priority="1",
        ExtraContext="conferences",
        ExtraExten="800",
        ExtraPriority="1",
    )
    on.manager.wait_event("ConfbridgeJoin", Channel="PJSIP/101-")
    on.inside("103", "800", talk_ms=1000)


def two_phones_of_one_extension(on: Stage) -> None:
    on.phones(p106=Answers(), p106b=NEVER_ANSWERS)
    on.caller(TWO_PHONES)


def same_customer_twice(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers())
    on.caller(DIRECT)
    on.caller("12125550102")


def caller_known_later(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT, Caller(number="anonymous", name="", host="anonymous.invalid", talk_ms=1500))
    customer = on.both_talking()["Channel"]
    on.manager.act("Setvar", Channel=customer, Variable="CALLERID(num)", Value=CUSTOMER)
    on.manager.act("Setvar", Channel=customer, Variable="CALLERID(name)", Value="Grace Customer")


STORIES: Mapping[str, Callable[[Stage], None]] = {
    story.__name__: story
    for story in (
        inbound_answered,
        caller_gives_up,
        busy,
        do_not_disturb,
        phone_unplugged,
        to_voicemail,
        outbound_answered,
        outbound_with_prefix,
        outbound_not_answered,
        outbound_busy,
        dialled_from_the_desk,
        internal,
        internal_then_outside,
        withheld_number,
        our_own_number,
        foreign_name,
        group_of_two_one_answers,
        group_of_five_one_answers,
        group_nobody_answers,
        queue_all_ring,
        queue_one_after_another,
        queue_caller_gives_up,
        queue_local_channels,
        queue_overflow,
        menu_first,
        blind_transfer,
        blind_transfer_comes_back,
        attended_transfer,
        attended_transfer_cancelled,
        attended_transfer_of_two_calls,
        transfer_to_queue,
        pick_up,
        forwarded_inside_by_the_phone,
        forwarded_outside_by_the_phone,
        forwarded_outside_always,
        parked_and_retrieved,
        hold_and_resume,
        call_waiting,
        three_in_a_conference,
        two_phones_of_one_extension,
        same_customer_twice,
        caller_known_later,
    )
}


def play(name: str, pbx: RealAsterisk, *, quiet: bool = True) -> bytes:
    """Play a story to its end and return the raw manager stream that a listener heard meanwhile."""
    listener = Manager(pbx, quiet=quiet)
    driver = Manager(pbx)
    try:
        STORIES[name](Stage(pbx, driver))
        driver.wait_until_silent()
        listener.wait_until_silent()
        return listener.raw
    finally:
        pbx.hang_up_all()
        listener.close()
        driver.close()
