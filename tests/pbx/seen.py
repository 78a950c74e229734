"""What each story must come to for the people of the office: their screens, and what is kept of the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: The page while the call lives, taken away with its end; for the one who spoke, once more afterwards.
SPOKE = ["page, gone, page afterwards"]
RANG = ["page, gone"]
#: One of several phones: a quiet card until somebody answers.
ONE_OF_SEVERAL = ["card, gone"]
TOOK_IT = ["card, page, gone, page afterwards"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry: whose it is (of phones that ring at the same moment, the first is any of them), and what its
    text says; `stands` as a note at the customer's.
    """

    whose: tuple[str, ...]
    says: tuple[str, ...] = ()
    stands: bool = True


@dataclass(frozen=True, slots=True)
class Come:
    """What a story comes to.

    `screens`: what each person saw, call by call, by extension; None where that may be one or the other,
    because the call is over the moment it begins. `left_out`: why calls are not kept; `never`: why
    such a caller is never matched.
    """

    screens: Mapping[str, list[str]] | None = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    left_out: tuple[str, ...] = ()
    never: str = ""


ADA, BEN, CYD, DAN, EVE, FAY = "101", "102", "103", "104", "105", "106"
NUMBER = "+1 312-555-0142"


def answered(who: str, *says: str) -> tuple[Kept, ...]:
    return (Kept((who,), ("Answered incoming call from " + NUMBER, f"({who})", *says)),)


def missed(whose: tuple[str, ...], *says: str) -> tuple[Kept, ...]:
    return (Kept(whose, ("Missed call from " + NUMBER, *says)),)


def forwarded(*says: str) -> tuple[Kept, ...]:
    """Of a call to Ada that went to an outside number."""
    head = f"Call from {NUMBER} to Ada Vance (101), forwarded to an outside number"
    return (Kept((ADA,), (head, *says)),)


def called(who: str, how: str) -> tuple[Kept, ...]:
    return (Kept((who,), (f"{how} outgoing call from", f"({who}) to {NUMBER}")),)


SEEN: Mapping[str, Come] = {
    "inbound_answered": Come({ADA: SPOKE}, answered(ADA)),
    "inbound_answered_by_the_third": Come({CYD: TOOK_IT}, answered(CYD)),
    "inbound_answered_by_the_fourth": Come({DAN: ["card, gone, page afterwards"]}, answered(DAN)),
    "caller_gives_up": Come({ADA: RANG}, missed((ADA,), "to Ada Vance (101)")),
    "busy": Come({}, missed((ADA,), "to Ada Vance (101)", "Ada Vance (101) was busy")),
    "do_not_disturb": Come({}, missed((ADA,), "to Ada Vance (101)")),
    "phone_unplugged": Come({BEN: TOOK_IT}, answered(BEN)),
    "to_voicemail": Come({EVE: RANG}, missed((EVE,), "to Eve Stone (105), sent to voicemail")),
    "outbound_answered": Come({ADA: SPOKE}, called(ADA, "Answered")),
    "outbound_with_prefix": Come({ADA: SPOKE}, called(ADA, "Answered")),
    "outbound_not_answered": Come({ADA: RANG}, called(ADA, "Unanswered")),
    "outbound_busy": Come(None, called(ADA, "Unanswered")),
    "dialled_from_the_desk": Come({ADA: SPOKE}, called(ADA, "Answered")),
    "internal": Come(left_out=("internal",)),
    "internal_then_outside": Come(
        {ADA: RANG},
        (
            Kept(
                (ADA,),
                ("Answered outgoing call", "+1 312-555-0199", "Ben Ortiz (102) passed the call on"),
                stands=False,
            ),
        ),
    ),
    "withheld_number": Come(left_out=("never_log",), never="empty"),
    "our_own_number": Come(left_out=("never_log",), never="own_number"),
    "foreign_name": Come({ADA: SPOKE}, answered(ADA, "Zoë Grüße-Łódź 株式会社")),
    "group_of_two_one_answers": Come(
        {ADA: TOOK_IT, BEN: ONE_OF_SEVERAL},
        answered(ADA, "Ben Ortiz (102) rang", "a colleague answered"),
    ),
    "group_of_five_one_answers": Come(
        {ADA: ONE_OF_SEVERAL, BEN: ONE_OF_SEVERAL, CYD: TOOK_IT, DAN: ONE_OF_SEVERAL},
        answered(CYD, "the group 600", "Ada Vance (101)", "Dan Ruiz (104)", "Eve Stone (105) was busy"),
    ),
    "group_nobody_answers": Come(
        dict.fromkeys((ADA, BEN, CYD, DAN, EVE), ONE_OF_SEVERAL),
        missed((ADA, BEN, CYD, DAN, EVE), "the group 600", "not answered"),
    ),
    "queue_all_ring": Come(
        {ADA: ONE_OF_SEVERAL, BEN: TOOK_IT, CYD: ONE_OF_SEVERAL},
        answered(BEN, "the queue sales", "Cyd Moe (103)"),
    ),
    "queue_one_after_another": Come(
        {ADA: ONE_OF_SEVERAL, BEN: ONE_OF_SEVERAL, CYD: TOOK_IT},
        answered(CYD, "the queue support", "Ada Vance (101)", "Ben Ortiz (102)", "not answered"),
    ),
    "queue_caller_gives_up": Come(
        {ADA: ONE_OF_SEVERAL, BEN: ONE_OF_SEVERAL, CYD: ONE_OF_SEVERAL},
        missed((ADA, BEN, CYD), "the queue sales", "Cyd Moe (103)"),
    ),
    "queue_local_channels": Come({ADA: ONE_OF_SEVERAL, BEN: TOOK_IT}, answered(BEN, "the queue local")),
    "queue_overflow": Come(
        {ADA: ONE_OF_SEVERAL, BEN: ONE_OF_SEVERAL, CYD: ONE_OF_SEVERAL, EVE: SPOKE},
        answered(EVE, "the queue sales", "Ada Vance (101)"),
    ),
    "menu_first": Come({ADA: SPOKE}, answered(ADA)),
    "blind_transfer": Come(
        {ADA: RANG, BEN: SPOKE}, answered(BEN, "Ada Vance (101) answered", "transferred to Ben Ortiz (102)")
    ),
    "blind_transfer_comes_back": Come(
        # the page of her first turn is open still: its coming back is a card
        {ADA: ["page, gone, card, gone, page afterwards"], BEN: RANG},
        answered(ADA, "Ben Ortiz (102) rang", "not answered", "back to Ada Vance (101)"),
    ),
    "attended_transfer": Come(
        {ADA: RANG, BEN: SPOKE}, answered(BEN, "Ada Vance (101) answered", "transferred to Ben Ortiz (102)")
    ),
    "attended_transfer_cancelled": Come({ADA: SPOKE}, answered(ADA)),
    "attended_transfer_of_two_calls": Come(
        {ADA: RANG, BEN: SPOKE}, answered(BEN, "Ada Vance (101) answered", "transferred to Ben Ortiz (102)")
    ),
    "transfer_to_queue": Come(
        {ADA: RANG, BEN: TOOK_IT, CYD: ONE_OF_SEVERAL},
        answered(BEN, "Ada Vance (101) answered", "the queue billing", "transferred to Ben Ortiz (102)"),
    ),
    "pick_up": Come({ADA: RANG, BEN: SPOKE}, answered(BEN, "Ada Vance (101) rang", "a colleague answered")),
    "forwarded_inside_by_the_phone": Come({BEN: SPOKE}, answered(BEN, "Ada Vance (101) forwards calls")),
    "forwarded_outside_by_the_phone": Come({}, forwarded("Ada Vance (101) forwards calls")),
    "forwarded_outside_always": Come(left_out=("no_extension",)),
    "forwarded_inside_on_busy": Come({BEN: SPOKE}, answered(BEN, "Ada Vance (101) was busy")),
    "forwarded_inside_on_no_answer": Come({ADA: RANG, BEN: SPOKE}, answered(BEN, "Ada Vance (101) rang")),
    "forwarded_outside_on_busy": Come({}, forwarded("Ada Vance (101) was busy")),
    "forwarded_outside_on_no_answer": Come({ADA: RANG}, forwarded("Ada Vance (101) rang", "not answered")),
    "parked_and_retrieved": Come(
        {ADA: RANG, CYD: SPOKE}, answered(CYD, "Ada Vance (101) answered", "transferred to Cyd Moe (103)")
    ),
    "hold_and_resume": Come({ADA: SPOKE}, answered(ADA)),
    "call_waiting": Come(
        {ADA: [*RANG, *SPOKE]},
        (*answered(ADA), Kept((ADA,), ("Answered incoming call from +1 312-555-0199",), stands=False)),
    ),
    "three_in_a_conference": Come(
        {ADA: SPOKE, CYD: RANG}, answered(ADA, "Ada Vance (101) answered", "Cyd Moe (103) joined")
    ),
    "two_phones_of_one_extension": Come({FAY: SPOKE}, answered(FAY)),
    "same_customer_twice": Come({ADA: SPOKE, BEN: SPOKE}, (*answered(ADA), *answered(BEN))),
    "caller_known_later": Come({ADA: SPOKE}, answered(ADA)),
    "caller_known_at_the_answer": Come({ADA: SPOKE}, answered(ADA)),
}
