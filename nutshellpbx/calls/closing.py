"""The end of a call: one entry per CRM in the call's own transaction, and the record once more for who
spoke.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import translation

from nutshellpbx import doorbell
from nutshellpbx.calls import callers, cards
from nutshellpbx.calls.models import Answer, Call, Leg, Pop, Step
from nutshellpbx.calls.texts import History, Part, note_text
from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.journal import outbox
from nutshellpbx.people.models import Company, User
from nutshellpbx.people.preferences import preferences_of


def close(*, call: Call, legs: Sequence[Leg], now: datetime) -> None:
    """Put the call into the journal of each CRM that it concerns, or keep why it was left out."""
    company = Company.get()
    reason = _never(call, legs, company)
    if reason:
        return _leave_out(call, reason, now)
    keepers, why_not = _keepers(legs)
    if not keepers:
        return _leave_out(call, why_not, now)
    for crm, leg in keepers.items():
        answer = Answer.objects.filter(call=call, crm=crm, asked_for=leg.owner).first()
        outbox.enqueue(
            crm=crm,
            call_key=call.key,
            user=leg.owner,
            extension=leg.extension,
            direction=call.direction,
            number=call.number,
            name=call.name,
            card=cards.find_card(answer),
            text=_text(call, legs, leg, company),
            happened_at=call.started_at,
            now=now,
        )
        Step.objects.create(call=call, leg=leg, at=now, what="entry_made", facts={"crm": crm.name})
        if leg.answered_at is not None and leg.owner is not None:
            _open_once_more(leg, leg.owner, crm, now)


def _never(call: Call, legs: Sequence[Leg], company: Company) -> str:
    """Why this call is nobody's business in a CRM; empty when it is."""
    if call.is_private:
        return Call.LeftOut.PRIVATE
    if call.direction == "internal":
        return Call.LeftOut.INTERNAL
    if callers.find_never_reason(call=call, company=company):
        return Call.LeftOut.NEVER_LOG
    if not any(leg.extension_id for leg in legs):
        return Call.LeftOut.NO_EXTENSION
    return ""


def _keepers(legs: Sequence[Leg]) -> tuple[dict[Crm, Leg], str]:
    """For each CRM the leg whose owner keeps the call: who spoke longest, else who was rung first.

    People who were only rung keep nothing when a colleague answered. The second value says why nobody does.
    """
    talked: dict[object, float] = {}
    for leg in legs:
        talked[leg.owner_id or leg.number] = talked.get(leg.owner_id or leg.number, 0.0) + _talked_s(leg)
    spoke = sorted(
        (leg for leg in legs if leg.answered_at),
        key=lambda leg: (talked[leg.owner_id or leg.number], _talked_s(leg)),
        reverse=True,
    )
    candidates = spoke or sorted(legs, key=lambda leg: leg.started_at)
    keepers: dict[Crm, Leg] = {}
    why_not = Call.LeftOut.NO_EXTENSION
    for leg in candidates:
        if leg.extension is None:
            continue
        if leg.owner is None:
            why_not = Call.LeftOut.NO_OWNER
            continue
        grants = Grant.objects.filter(extension=leg.extension, crm__is_enabled=True).select_related("crm")
        if not grants:
            why_not = Call.LeftOut.NO_GRANT
            continue
        if not preferences_of(user=leg.owner).journaling:
            why_not = Call.LeftOut.JOURNALING_OFF
            continue
        for grant in grants:
            keepers.setdefault(grant.crm, leg)
    return keepers, why_not


def _open_once_more(leg: Leg, user: User, crm: Crm, now: datetime) -> None:
    pop, made = Pop.objects.get_or_create(
        leg=leg, crm=crm, moment=Pop.Moment.AFTER, defaults={"user": user, "created_at": now}
    )
    if made:
        doorbell.ring_on_commit(task="calls.present", ids=[str(pop.pk)], queue="pop")


def _leave_out(call: Call, reason: str, now: datetime) -> None:
    call.left_out = reason
    call.save(update_fields=["left_out"])
    Step.objects.create(call=call, at=now, what="left_out", facts={"reason": reason})


def _text(call: Call, legs: Sequence[Leg], keeper: Leg, company: Company) -> str:
    history = History(
        direction=call.direction,
        number=callers.caller_of(call=call, company=company).shown(),
        name=call.name,
        dialled=call.dialled,
        started_at=call.started_at,
        parts=tuple(_part(leg) for leg in legs if leg.number),
        agent=_who(keeper),
        talked_s=_talked_s(keeper),
    )
    language = (keeper.owner.language if keeper.owner else "") or "en"
    with translation.override(language):
        return note_text(history, zone=ZoneInfo(company.time_zone or "UTC"))


def _part(leg: Leg) -> Part:
    until = leg.answered_at or leg.ended_at or leg.started_at
    return Part(
        who=_who(leg),
        extension=leg.number,
        rang_s=(until - (leg.rang_at or leg.started_at)).total_seconds(),
        talked_s=_talked_s(leg),
        answered=leg.answered_at is not None,
        via_name=leg.via_name,
        cause=leg.cause,
    )


def _who(leg: Leg) -> str:
    return f"{leg.owner.name} ({leg.number})" if leg.owner else leg.number


def _talked_s(leg: Leg) -> float:
    if leg.answered_at is None or leg.ended_at is None:
        return 0.0
    return max(0.0, (leg.ended_at - leg.answered_at).total_seconds())
