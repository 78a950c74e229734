"""The states of an entry and the only moves between them.

Three promises stand in this table: nothing is sent before the intent is committed (pending -> intent); what
may have been sent is sent again only after a search that found nothing (unknown -> pending); and only a
read-back or a person ends an entry (verified, done by hand).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """Where an entry stands."""

    WAITING = "waiting", _("Waits for a match")
    PENDING = "pending", _("To be written")
    INTENT = "intent", _("Being written")
    UNKNOWN = "unknown", _("Unclear, being looked for")
    WRITTEN = "written", _("Written, being checked")
    REMOVING = "removing", _("Moved, the old note is being removed")
    VERIFIED = "verified", _("Verified")
    PARKED = "parked", _("Needs a person")
    DONE_BY_HAND = "done_by_hand", _("Done by hand")


class Outcome(models.TextChoices):
    """What is known of the last time that this generation was sent; empty when it was never sent."""

    NEVER = "", _("Not sent yet")
    UNSENT = "unsent", _("Not sent")
    REFUSED = "refused", _("Refused")
    UNKNOWN = "unknown", _("Unclear")
    WRITTEN = "written", _("Written")


#: from -> to. A move that is not here raises; DONE_BY_HAND has no way out.
MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        # a match was found or chosen · may be there already (a restored database) · a person took it over
        State.WAITING: frozenset({State.PENDING, State.UNKNOWN, State.PARKED, State.DONE_BY_HAND}),
        # about to be sent · nobody has this number · may be there already (an old database was restored)
        State.PENDING: frozenset(
            {State.INTENT, State.WAITING, State.UNKNOWN, State.PARKED, State.DONE_BY_HAND}
        ),
        # provably unsent · no clear answer, or the worker died · answered with an id · refused
        State.INTENT: frozenset({State.PENDING, State.UNKNOWN, State.WRITTEN, State.PARKED}),
        # found · searched twice and absent · nobody can tell
        State.UNKNOWN: frozenset({State.WRITTEN, State.PENDING, State.PARKED, State.DONE_BY_HAND}),
        # read back · read back, and the note of the generation before must go · not there any more
        State.WRITTEN: frozenset({State.VERIFIED, State.REMOVING, State.PARKED, State.DONE_BY_HAND}),
        # the old note is gone · it may not be removed
        State.REMOVING: frozenset({State.VERIFIED, State.PARKED}),
        # moved: the next generation is written, or searched for (a restored database) · gone later
        State.VERIFIED: frozenset({State.PENDING, State.UNKNOWN, State.PARKED}),
        # sent again, as far as its outcome allows (`outbox.retry`) · done by a person
        State.PARKED: frozenset(
            {State.PENDING, State.UNKNOWN, State.WRITTEN, State.REMOVING, State.WAITING, State.DONE_BY_HAND}
        ),
        State.DONE_BY_HAND: frozenset(),
    }
)

#: The states that a worker has something to do in.
AT_WORK = (State.PENDING, State.INTENT, State.UNKNOWN, State.WRITTEN, State.REMOVING)
#: The states from which a person may take an entry over.
MAY_BE_DONE_BY_HAND = tuple(state for state in State if State.DONE_BY_HAND in MOVES[state])


class MoveNotAllowed(Exception):
    """The table has no such move; nothing was changed."""


def check_move(*, before: str, after: str) -> None:
    """Let an allowed move pass; raises MoveNotAllowed."""
    if State(after) not in MOVES[State(before)]:
        raise MoveNotAllowed(f"{before} -> {after}")
