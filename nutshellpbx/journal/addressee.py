"""To whom an entry goes and with whose key: asked afresh right before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from nutshellpbx import phone
from nutshellpbx.crm import lookup, rights
from nutshellpbx.crm.models import Credential
from nutshellpbx.crm.rights import Right, RightState
from nutshellpbx.faults import TryLater
from nutshellpbx.journal import outbox, settle
from nutshellpbx.journal.models import Entry, Reason
from nutshellpbx.journal.writers import Turn
from nutshellpbx.people.models import Company
from nutshellpbx.people.preferences import preferences_of

LOOKUP_DEADLINE_S = 10.0  # nobody waits at a desk for this one
#: What a live lookup costs, about: one request for each spelling and table.
LOOKUP_REQUESTS = 6
#: How long an unknown caller's entry is looked at again, and how often at most.
ADOPT_WITHIN = timedelta(days=30)
LOOK_AT_LEAST = timedelta(minutes=2)
LOOK_AT_MOST = timedelta(hours=6)

REASONS: Mapping[RightState, Reason] = {
    RightState.CRM_OFF: Reason.CRM_OFF,
    RightState.NO_OWNER: Reason.NO_OWNER,
    RightState.NO_GRANT: Reason.NO_GRANT,
    RightState.NO_KEY: Reason.NO_KEY,
    RightState.KEY_REFUSED: Reason.KEY_REFUSED,
}


def right_for(entry: Entry) -> Right:
    """Whether this entry may be written now and with which sign-in: that of the one whose call it was."""
    if entry.extension_id is None:
        return Right(
            state=RightState.NO_GRANT,
            title=_("This extension is not here any more"),
            next_step=_("Mark the entry as done by hand when the note is in the CRM."),
        )
    right = rights.right_of(extension=entry.extension_id, crm=entry.crm_id)
    if not right.is_ok or entry.user_id is None or right.user is None or right.user.pk == entry.user_id:
        return right
    credential = rights.find_credential(user=entry.user, crm=entry.crm_id)
    if credential is None or credential.state != Credential.State.OK:
        return Right(
            state=RightState.NO_KEY,
            title=_("The one whose call this was has no CRM key that works"),
            next_step=_("They can enter one under CRM key; an admin can enter a company key."),
            user=entry.user,
        )
    return Right(state=RightState.OK, title=right.title, next_step="", credential=credential, user=entry.user)


def find_record(*, entry: Entry, turn: Turn, now: datetime) -> None:
    """Ask the CRM whose number it is. Found: the entry has its card. Nobody: it waits. Not asked: later.

    The index mostly knows; a live question is paid for afterwards. Raises Lost.
    """
    credential = turn.credential
    answer = lookup.find_caller(
        number=phone.read(entry.number, country=entry.crm.country or Company.get().country),
        crm=entry.crm,
        user=entry.user,
        credential=credential,
        preferences=preferences_of(user=entry.user),
        deadline_s=LOOKUP_DEADLINE_S,
        now=now,
    )
    if not isinstance(answer, lookup.Unavailable) and answer.source == lookup.Source.LIVE:
        turn.pay(requests=LOOKUP_REQUESTS)
        turn.went_well(now=now)
    match answer:
        case lookup.Found():
            card = answer.cards[0] if len(answer.cards) == 1 else answer.chosen
            if card is not None:
                return settle.address(entry=entry, card=card, now=now)
            return settle.wait_for_match(
                entry=entry,
                reason=Reason.SEVERAL,
                title=_("%(count)s records have this number.") % {"count": len(answer.cards)},
                next_step=_("Choose the one that this call belongs to."),
                now=now,
                again=next_look(entry, now),
            )
        case lookup.NotFound():
            return settle.wait_for_match(
                entry=entry,
                reason=Reason.NO_MATCH,
                title=_("Nobody in the CRM has this number."),
                next_step=_("The note is written by itself once a contact with this number is there."),
                now=now,
                again=next_look(entry, now),
            )
        case lookup.Unavailable():
            fault = TryLater(answer.title, answer.next_step)
            turn.failed(fault, now=now)
            return settle.try_later(entry=entry, fault=fault, now=now)


def next_look(entry: Entry, now: datetime) -> datetime | None:
    """When an entry that waits is looked at again: ever more rarely, and not at all when it is too old."""
    age = now - entry.trying_since
    return now + min(max(LOOK_AT_LEAST, age / 4), LOOK_AT_MOST) if age < ADOPT_WITHIN else None


def wake(*, now: datetime) -> int:
    """Send what was parked for want of a right or of an answer, now that there may be one. How many."""
    woken = 0
    parked = Entry.objects.filter(state=Entry.State.PARKED)
    stuck = parked.filter(reason__in=outbox.HEALS_BY_ITSELF)
    # One question for each line and person, however many of their entries are parked.
    for owner in stuck.order_by().values("crm", "extension", "user").distinct():
        alike = stuck.filter(**owner).select_related("crm", "user")
        first = alike.first()
        if first is not None and right_for(first).is_ok:
            woken += sum(outbox.resume(entry=entry, now=now) for entry in alike)
    long_enough = now - outbox.ASK_AGAIN_AFTER
    for entry in parked.filter(reason__in=outbox.HEALS_WITH_TIME, parked_at__lte=long_enough):
        woken += outbox.resume(entry=entry, now=now)
    # A record that was chosen while the worker was at it: the move begins now.
    chosen = Entry.objects.filter(
        state=Entry.State.VERIFIED, next_card__isnull=False, not_before__isnull=True
    )
    if chosen.exists():  # an update would lock the database even when it changes nothing
        woken += chosen.update(not_before=now)
    return woken
