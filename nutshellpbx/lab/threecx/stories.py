"""The stories that a 3CX can tell, as scripts for the practice one.

What it never says is not among them: hold, the reason why nobody answered, a phone that was busy or forwards
calls without ringing.
"""

from __future__ import annotations

from collections.abc import Mapping

GRACE, SECOND = "+13125550142", "+13125550199"

STORIES: Mapping[str, str] = {
    "inbound_answered": f"in A {GRACE} Grace Customer\nring A 101\nanswer A 101\nend A",
    "foreign_name": f"in A {GRACE} Zoë Grüße-Łódź 株式会社\nring A 101\nanswer A 101\nend A",
    "caller_gives_up": f"in A {GRACE} Grace\nring A 101\nend A",
    "outbound_answered": f"out A 101 {GRACE}\nconnect A\nend A",
    "outbound_not_answered": f"out A 101 {GRACE}\nend A",
    "internal": "inside A 101 102\nconnect A\nend A",
    "internal_then_outside": f"inside A 101 102\nconnect A\nturn A 102 {SECOND}\nend A",
    "group_of_five_one_answers": (f"in A {GRACE} Grace\nring A 101 102 103 104 via 600\nanswer A 103\nend A"),
    "group_of_two_one_answers": f"in A {GRACE} Grace\nring A 101 102 via 600\nanswer A 101\nend A",
    "group_nobody_answers": f"in A {GRACE} Grace\nring A 101 102 103 104 105 via 600\nend A",
    "queue_all_ring": f"in A {GRACE} Grace\nring A 101 102 103 via 800\nanswer A 102\nend A",
    "queue_one_after_another": (
        f"in A {GRACE} Grace\nring A 101 via 800\nstop A 101\nring A 102 via 800\nstop A 102\n"
        "ring A 103 via 800\nanswer A 103\nend A"
    ),
    "queue_caller_gives_up": f"in A {GRACE} Grace\nring A 101 102 103 via 800\nend A",
    "queue_overflow": (
        f"in A {GRACE} Grace\nring A 101 102 103 via 800\nstop A 101\nstop A 102\nstop A 103\n"
        "ring A 105\nanswer A 105\nend A"
    ),
    "menu_first": f"in A {GRACE} Grace\nwait 0.1\nring A 101\nanswer A 101\nend A",
    "blind_transfer": (f"in A {GRACE} Grace\nring A 101\nanswer A 101\nblind A 101 102\nanswer A 102\nend A"),
    "blind_transfer_comes_back": (
        f"in A {GRACE} Grace\nring A 101\nanswer A 101\nblind A 101 102\nstop A 102\n"
        "ring A 101\nanswer A 101\nend A"
    ),
    "attended_transfer": (
        f"in A {GRACE} Grace\nring A 101\nanswer A 101\ninside B 101 102\nconnect B\n"
        "attend A B 101 102\nend A"
    ),
    "attended_transfer_keeping_its_id": (
        f"in A {GRACE} Grace\nring A 101\nanswer A 101\ninside B 101 102\nconnect B\n"
        "attend A B 101 102 keeping\nend A"
    ),
    "attended_transfer_cancelled": (
        f"in A {GRACE} Grace\nring A 101\nanswer A 101\ninside B 101 102\nend B\nend A"
    ),
    "transfer_to_queue": (
        f"in A {GRACE} Grace\nring A 101\nanswer A 101\nblind A 101 800\nring A 102 103 via 800\n"
        "answer A 102\nend A"
    ),
    "pick_up": f"in A {GRACE} Grace\nring A 101\nanswer A 102\nend A",
    "parked_and_retrieved": (
        f"in A {GRACE} Grace\nring A 101\nanswer A 101\npark A 101 8000\nfetch A 8000 103\nend A"
    ),
    "hold_and_resume": f"in A {GRACE} Grace\nring A 101\nanswer A 101\nhold A 101\nend A",
    "call_waiting": (
        f"in A {GRACE} Grace\nring A 101\nanswer A 101\nin B {SECOND} Second\nring B 101\nanswer B 101\n"
        "end B\nend A"
    ),
    "two_phones_of_one_extension": f"in A {GRACE} Grace\nring A 106 106\nanswer A 106\nend A",
    "same_customer_twice": (
        f"in A {GRACE} Grace\nring A 101\nanswer A 101\nin B {GRACE} Grace\nring B 102\nanswer B 102\n"
        "end A\nend B"
    ),
    "caller_known_later": f"in A anonymous\nring A 101\nanswer A 101\nknow A {GRACE} Grace\nend A",
    "withheld_number": "in A anonymous\nring A 101\nanswer A 101\nend A",
    "our_own_number": "in A +12125550100 Practice Ltd\nring A 101\nanswer A 101\nend A",
}
