"""The stories of an office's calls, played on the real Asterisk: who calls, who answers, who passes it on.

Each story returns when its last channel is gone. They are recorded once (record.py) for the replay tests,
and played live by the tests with the real Asterisk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing

from nutshellpbx.lab.asterisk import passed_on
from nutshellpbx.lab.asterisk.dialled import (
    ABROAD,
    CUSTOMER,
    DIRECT,
    GROUP_OF_FIVE,
    GROUP_OF_TWO,
    MENU,
    QUEUE_ALL,
    QUEUE_LOCAL,
    QUEUE_ONE_AFTER_ANOTHER,
    QUEUE_OVERFLOW,
    RINGS_MS,
    TALKS_MS,
    TWO_PHONES,
    VOICEMAIL,
)
from nutshellpbx.lab.asterisk.manager import Manager
from nutshellpbx.lab.asterisk.phones import BUSY, DO_NOT_DISTURB, NEVER_ANSWERS, Answers, Caller
from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.stage import STAYS_MS, Stage


def inbound_answered(on: Stage) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT)


def inbound_answered_by_the_third(on: Stage) -> None:
    on.phones(p103=Answers(after_ms=RINGS_MS))
    on.caller("12125550103")


def inbound_answered_by_the_fourth(on: Stage) -> None:
    on.phones(p104=Answers(after_ms=RINGS_MS))
    on.caller("12125550104")


def caller_gives_up(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS)
    on.caller(DIRECT, Caller(give_up_ms=RINGS_MS))


def busy(on: Stage) -> None:
    on.phones(p101=BUSY)
    on.caller(DIRECT)


def do_not_disturb(on: Stage) -> None:
    on.phones(p101=DO_NOT_DISTURB)
    on.caller(DIRECT)


def phone_unplugged(on: Stage) -> None:
    on.phones(p102=Answers(after_ms=RINGS_MS))
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
    on.inside("101", CUSTOMER, give_up_ms=RINGS_MS)


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
    on.phones(p101=Answers(after_ms=RINGS_MS), p102=NEVER_ANSWERS)
    on.caller(GROUP_OF_TWO, Caller(talk_ms=2000))


def group_of_five_one_answers(on: Stage) -> None:
    on.phones(
        p101=NEVER_ANSWERS, p102=NEVER_ANSWERS, p103=Answers(after_ms=RINGS_MS), p104=NEVER_ANSWERS, p105=BUSY
    )
    on.caller(GROUP_OF_FIVE, Caller(talk_ms=2000))


def group_nobody_answers(on: Stage) -> None:
    on.phones(**{f"p{extension}": NEVER_ANSWERS for extension in range(101, 106)})
    on.caller(GROUP_OF_FIVE)


def queue_all_ring(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=Answers(after_ms=RINGS_MS, talk_ms=2000), p103=NEVER_ANSWERS)
    on.caller(QUEUE_ALL, Caller(talk_ms=STAYS_MS))


def queue_one_after_another(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=NEVER_ANSWERS, p103=Answers(talk_ms=600))
    on.caller(QUEUE_ONE_AFTER_ANOTHER, Caller(talk_ms=STAYS_MS))


def queue_caller_gives_up(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=NEVER_ANSWERS, p103=NEVER_ANSWERS)
    on.caller(QUEUE_ALL, Caller(talk_ms=RINGS_MS))


def queue_local_channels(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=Answers(after_ms=RINGS_MS, talk_ms=2000))
    on.caller(QUEUE_LOCAL, Caller(talk_ms=STAYS_MS))


def queue_overflow(on: Stage) -> None:
    on.phones(p101=NEVER_ANSWERS, p102=NEVER_ANSWERS, p103=NEVER_ANSWERS, p105=Answers(talk_ms=600))
    on.caller(QUEUE_OVERFLOW, Caller(talk_ms=STAYS_MS))


def menu_first(on: Stage) -> None:
    on.phones(p101=Answers(talk_ms=600))
    on.caller(MENU, Caller(talk_ms=STAYS_MS))


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
    on.phones(p106=Answers(after_ms=RINGS_MS), p106b=NEVER_ANSWERS)
    on.caller(TWO_PHONES)


def same_customer_twice(on: Stage) -> None:
    on.phones(p101=Answers(), p102=Answers())
    on.caller(DIRECT)
    on.caller("12125550102")


def caller_known_later(on: Stage, *, after_ms: int = RINGS_MS) -> None:
    on.phones(p101=Answers())
    on.caller(DIRECT, Caller(number="anonymous", name="", host="anonymous.invalid", talk_ms=2 * TALKS_MS))
    customer = on.both_talking()["Channel"]
    on.pause(after_ms)
    on.manager.act("Setvar", Channel=customer, Variable="CALLERID(num)", Value=CUSTOMER)
    on.manager.act("Setvar", Channel=customer, Variable="CALLERID(name)", Value="Grace Customer")


def caller_known_at_the_answer(on: Stage) -> None:
    """While workers still look at the answer of a caller without a number, his number comes."""
    caller_known_later(on, after_ms=0)


STORIES: Mapping[str, Callable[[Stage], None]] = {
    story.__name__: story
    for story in (
        inbound_answered,
        inbound_answered_by_the_third,
        inbound_answered_by_the_fourth,
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
        passed_on.blind_transfer,
        passed_on.blind_transfer_comes_back,
        passed_on.attended_transfer,
        passed_on.attended_transfer_cancelled,
        passed_on.attended_transfer_of_two_calls,
        passed_on.transfer_to_queue,
        passed_on.pick_up,
        passed_on.forwarded_inside_by_the_phone,
        passed_on.forwarded_outside_by_the_phone,
        passed_on.forwarded_outside_always,
        passed_on.forwarded_inside_on_busy,
        passed_on.forwarded_inside_on_no_answer,
        passed_on.forwarded_outside_on_busy,
        passed_on.forwarded_outside_on_no_answer,
        passed_on.parked_and_retrieved,
        hold_and_resume,
        call_waiting,
        three_in_a_conference,
        two_phones_of_one_extension,
        same_customer_twice,
        caller_known_later,
        caller_known_at_the_answer,
    )
}


def play(name: str, pbx: RealAsterisk, *, quiet: bool = True) -> bytes:
    """Play a story to its end and return the raw manager stream that a listener heard meanwhile."""
    with closing(Manager(pbx, quiet=quiet)) as listener, closing(Manager(pbx)) as driver:
        try:
            STORIES[name](Stage(pbx, driver))
            driver.wait_until_silent()
            listener.wait_until_silent()
            return listener.raw
        finally:
            pbx.hang_up_all()
