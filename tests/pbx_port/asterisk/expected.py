"""What each story must come to, line by line; see `tell`. The recordings and the real Asterisk must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: The customer of most stories, as she comes in on one of the company's numbers 1 212 555 0xxx.
GRACE = "inbound 13125550142 Grace Customer to 12125550"

EXPECTED: Mapping[str, Sequence[str]] = {
    "inbound_answered": [
        f"101: ringing {GRACE}101, answered, ended hung_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "inbound_answered_by_the_third": [
        f"103: ringing {GRACE}103, answered, ended hung_up",
        f"call: ended hung_up {GRACE}103",
    ],
    "inbound_answered_by_the_fourth": [
        f"104: ringing {GRACE}104, answered, ended hung_up",
        f"call: ended hung_up {GRACE}104",
    ],
    "caller_gives_up": [
        f"101: ringing {GRACE}101, ended gave_up",
        f"call: ended gave_up {GRACE}101",
    ],
    "busy": [
        f"101: ended busy {GRACE}101",
        f"call: ended busy {GRACE}101",
    ],
    "do_not_disturb": [
        f"101: ended no_answer {GRACE}101",
        f"call: ended no_answer {GRACE}101",
    ],
    "phone_unplugged": [
        f"102: ringing {GRACE}161 via group 601, answered, ended hung_up",
        f"call: ended hung_up {GRACE}161",
    ],
    "to_voicemail": [
        f"105: ringing {GRACE}155, ended no_answer",
        f"call: ended voicemail {GRACE}155",
    ],
    "outbound_answered": [
        "101: dialing outbound 13125550142 to 13125550142, answered, ended hung_up",
        "call: ended hung_up outbound 13125550142 to 13125550142",
    ],
    "outbound_with_prefix": [
        "101: dialing outbound 13125550142 to 913125550142, answered, ended hung_up",
        "call: ended hung_up outbound 13125550142 to 913125550142",
    ],
    "outbound_not_answered": [
        "101: dialing outbound 13125550142 to 13125550142, ended gave_up",
        "call: ended gave_up outbound 13125550142 to 13125550142",
    ],
    "outbound_busy": [
        "101: dialing outbound 13125550142 to 13125550142, ended busy",
        "call: ended busy outbound 13125550142 to 13125550142",
    ],
    "dialled_from_the_desk": [
        "101: dialing outbound 13125550142 to 13125550142, answered, ended hung_up",
        "call: ended hung_up outbound 13125550142 to 13125550142",
    ],
    "internal": [
        "101: dialing internal 102 Ben Practice, answered, ended hung_up",
        "102: ringing internal 101 Ada Practice, answered, ended hung_up",
        "call: ended hung_up internal 102 Ben Practice",
    ],
    "internal_then_outside": [
        (
            "101: dialing internal 102 Ben Practice, answered"
            ", updated outbound 13125550199 to 102, answered, ended hung_up"
        ),
        "102: ringing internal 101 Ada Practice, answered, ended transferred",
        "call: ended hung_up outbound 13125550199 to 102",
    ],
    "withheld_number": [
        "101: ringing inbound withheld to 12125550101, answered, ended hung_up",
        "call: ended hung_up inbound withheld to 12125550101",
    ],
    "our_own_number": [
        "101: ringing inbound 12125550100 Practice Ltd to 12125550101, answered, ended hung_up",
        "call: ended hung_up inbound 12125550100 Practice Ltd to 12125550101",
    ],
    "foreign_name": [
        "101: ringing inbound 13125550142 Zoë Grüße-Łódź 株式会社 to 12125550101, answered, ended hung_up",
        "call: ended hung_up inbound 13125550142 Zoë Grüße-Łódź 株式会社 to 12125550101",
    ],
    "group_of_two_one_answers": [
        f"101: ringing {GRACE}161 via group 601, answered, ended hung_up",
        f"102: ringing {GRACE}161 via group 601, ended answered_elsewhere",
        f"call: ended hung_up {GRACE}161",
    ],
    "group_of_five_one_answers": [
        f"101: ringing {GRACE}160 via group 600, ended answered_elsewhere",
        f"102: ringing {GRACE}160 via group 600, ended answered_elsewhere",
        f"103: ringing {GRACE}160 via group 600, answered, ended hung_up",
        f"104: ringing {GRACE}160 via group 600, ended answered_elsewhere",
        f"105: ended busy {GRACE}160 via group 600",
        f"call: ended hung_up {GRACE}160",
    ],
    "group_nobody_answers": [
        f"101: ringing {GRACE}160 via group 600, ended no_answer",
        f"102: ringing {GRACE}160 via group 600, ended no_answer",
        f"103: ringing {GRACE}160 via group 600, ended no_answer",
        f"104: ringing {GRACE}160 via group 600, ended no_answer",
        f"105: ringing {GRACE}160 via group 600, ended no_answer",
        f"call: ended no_answer {GRACE}160",
    ],
    "queue_all_ring": [
        f"101: ringing {GRACE}170 via queue sales, ended answered_elsewhere",
        f"102: ringing {GRACE}170 via queue sales, answered, ended hung_up",
        f"103: ringing {GRACE}170 via queue sales, ended answered_elsewhere",
        f"call: ended hung_up {GRACE}170",
    ],
    "queue_one_after_another": [
        f"101: ringing {GRACE}171 via queue support, ended no_answer",
        f"102: ringing {GRACE}171 via queue support, ended no_answer",
        f"103: ringing {GRACE}171 via queue support, answered, ended hung_up",
        f"call: ended hung_up {GRACE}171",
    ],
    "queue_caller_gives_up": [
        f"101: ringing {GRACE}170 via queue sales, ended gave_up",
        f"102: ringing {GRACE}170 via queue sales, ended gave_up",
        f"103: ringing {GRACE}170 via queue sales, ended gave_up",
        f"call: ended gave_up {GRACE}170",
    ],
    "queue_local_channels": [
        f"101: ringing {GRACE}172 via queue local, ended answered_elsewhere",
        f"102: ringing {GRACE}172 via queue local, answered, ended hung_up",
        f"call: ended hung_up {GRACE}172",
    ],
    "queue_overflow": [
        f"101: ringing {GRACE}173 via queue sales, ended no_answer",
        f"102: ringing {GRACE}173 via queue sales, ended no_answer",
        f"103: ringing {GRACE}173 via queue sales, ended no_answer",
        f"105: ringing {GRACE}173, answered, ended hung_up",
        f"call: ended hung_up {GRACE}173",
    ],
    "menu_first": [
        f"101: ringing {GRACE}180 via menu, answered, ended hung_up",
        f"call: ended hung_up {GRACE}180",
    ],
    "blind_transfer": [
        f"101: ringing {GRACE}101, answered, ended transferred",
        f"102: ringing {GRACE}101, answered, ended hung_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "blind_transfer_comes_back": [
        f"101: ringing {GRACE}101, answered, ended hung_up",
        f"101: ringing {GRACE}101, answered, ended transferred",
        f"102: ringing {GRACE}101, ended no_answer",
        f"call: ended hung_up {GRACE}101",
    ],
    "attended_transfer": [
        f"101: ringing {GRACE}101, answered, held, ended transferred",
        f"102: ringing internal 101 Ada Practice, answered, updated {GRACE}101, answered, ended hung_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "attended_transfer_cancelled": [
        f"101: ringing {GRACE}101, answered, held, resumed, ended hung_up",
        "102: ringing internal 101 Ada Practice, ended gave_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "attended_transfer_of_two_calls": [
        "101: dialing internal 102 Ben Practice, answered, ended hung_up",
        f"101: ringing {GRACE}101, answered, ended transferred",
        f"102: ringing internal 101 Ada Practice, answered, updated {GRACE}101, answered, ended hung_up",
        f"call: ended hung_up {GRACE}101",
        "call: joined",
    ],
    "transfer_to_queue": [
        f"101: ringing {GRACE}101, answered, ended transferred",
        f"102: ringing {GRACE}101 via queue billing, answered, ended hung_up",
        f"103: ringing {GRACE}101 via queue billing, ended answered_elsewhere",
        f"call: ended hung_up {GRACE}101",
    ],
    "pick_up": [
        f"101: ringing {GRACE}101, ended answered_elsewhere",
        f"102: answered {GRACE}101, ended hung_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "forwarded_inside_by_the_phone": [
        f"101: ended forwarded {GRACE}101",
        f"102: ringing {GRACE}101, answered, ended hung_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "forwarded_outside_by_the_phone": [
        f"101: ended forwarded {GRACE}101",
        f"call: ended forwarded {GRACE}101",
    ],
    "forwarded_outside_always": [
        f"call: ended forwarded {GRACE}190",
    ],
    "forwarded_inside_on_busy": [
        f"101: ended busy {GRACE}191",
        f"102: ringing {GRACE}191, answered, ended hung_up",
        f"call: ended hung_up {GRACE}191",
    ],
    "forwarded_inside_on_no_answer": [
        f"101: ringing {GRACE}191, ended no_answer",
        f"102: ringing {GRACE}191, answered, ended hung_up",
        f"call: ended hung_up {GRACE}191",
    ],
    "forwarded_outside_on_busy": [
        f"101: ended busy {GRACE}192",
        f"call: ended forwarded {GRACE}192",
    ],
    "forwarded_outside_on_no_answer": [
        f"101: ringing {GRACE}192, ended no_answer",
        f"call: ended forwarded {GRACE}192",
    ],
    "parked_and_retrieved": [
        f"101: ringing {GRACE}101, answered, ended transferred",
        f"103: answered {GRACE}101, ended hung_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "hold_and_resume": [
        f"101: ringing {GRACE}101, answered, held, resumed, ended hung_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "call_waiting": [
        f"101: ringing {GRACE}101, answered, ended hung_up",
        "101: ringing inbound 13125550199 Second Customer to 12125550101, answered, ended hung_up",
        f"call: ended hung_up {GRACE}101",
        "call: ended hung_up inbound 13125550199 Second Customer to 12125550101",
    ],
    "three_in_a_conference": [
        f"101: ringing {GRACE}101, answered, ended hung_up",
        f"103: answered {GRACE}101, ended hung_up",
        f"call: ended hung_up {GRACE}101",
    ],
    "two_phones_of_one_extension": [
        f"106: ringing {GRACE}196, answered, ended hung_up",
        f"106: ringing {GRACE}196, ended answered_elsewhere",
        f"call: ended hung_up {GRACE}196",
    ],
    "same_customer_twice": [
        f"101: ringing {GRACE}101, answered, ended hung_up",
        f"102: ringing {GRACE}102, answered, ended hung_up",
        f"call: ended hung_up {GRACE}101",
        f"call: ended hung_up {GRACE}102",
    ],
    "caller_known_later": [
        (
            "101: ringing inbound withheld to 12125550101, answered"
            f", updated inbound 13125550142 to 12125550101, updated {GRACE}101, ended hung_up"
        ),
        f"call: ended hung_up {GRACE}101",
    ],
    "caller_known_at_the_answer": [
        (
            "101: ringing inbound withheld to 12125550101, answered"
            f", updated inbound 13125550142 to 12125550101, updated {GRACE}101, ended hung_up"
        ),
        f"call: ended hung_up {GRACE}101",
    ],
}
