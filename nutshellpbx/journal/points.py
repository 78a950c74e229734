"""Named points of the writer at which the fault suite may kill it; without a practice run they do nothing."""

from __future__ import annotations

import os
import signal
from collections import Counter

from django.conf import settings

#: Every point, in the order in which an entry passes them.
POINTS = (
    "before_enqueue_commit",
    "after_enqueue_commit",
    "after_claim",
    "after_rights",
    "after_take",
    "after_lookup",
    "before_intent",
    "inside_intent",
    "after_intent",
    "after_high_water",
    "after_send",
    "before_settle",
    "inside_settle",
    "after_settle",
    "before_read",
    "after_read",
    "after_verify",
    "before_search",
    "after_search",
    "after_search_settle",
    "before_remove",
    "before_remove_request",
    "after_remove",
    "after_remove_check",
    "before_release",
    "after_release",
    "before_put_back",
    "after_put_back",
    "before_look",
    "after_look",
    "inside_look",
    "after_look_settle",
    "before_give_back",
    "after_give_back",
    "inside_clock_shift",
    "after_clock_shift",
    "inside_restored",
    "after_restored",
)


#: The name that stands for every point.
ANY = "*"

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Say that the writer stands at a point; a practice run that was asked to dies there, at once.

    It is asked by `NUTSHELLPBX_FAULT_POINT`: a name, or `name:n` for the n-th time that this process is
    there, or `*:n` for the n-th point of any name. Raises KeyError for a name that is not in POINTS.
    """
    if name not in POINTS:
        raise KeyError(name)
    if not settings.NUTSHELLPBX_PRACTICE:
        return
    wanted, _colon, time = settings.NUTSHELLPBX_FAULT_POINT.partition(":")
    _reached.update((name, ANY))
    if wanted in (name, ANY) and _reached[wanted] == int(time or "1"):
        os.kill(os.getpid(), signal.SIGKILL)


def start_counting_anew() -> None:
    """Forget how often each point was reached: a forked process counts its own."""
    _reached.clear()


os.register_at_fork(after_in_child=start_counting_anew)
