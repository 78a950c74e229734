"""The end of a call: one entry per CRM in the call's own transaction, and the record once more for who
spoke.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils import translation

from nutshellpbx import doorbell
from nutshellpbx.calls import callers, cards, entries, rules, told
from nutshellpbx.calls.models import Answer, Call, Leg, Pop, Step
from nutshellpbx.calls.notetexts import write_note
from nutshellpbx.calls.policy import Candidate, LineRule, Policy, allowed, keepers_of
from nutshellpbx.calls.texts import History, Part
from nutshellpbx.crm.adapter import Card
from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.journal import outbox
from nutshellpbx.people.models import Company, User
from nutshellpbx.people.preferences import preferences_of


def close(*, call: Call, legs: Sequence[Leg], now: datetime) -> None:
    """Put the call into the journal of each CRM that it concerns, or keep why it was left out."""
    company = Company.get()
    country = callers.country_of(call=call, company=company)
    policy = rules.policy_now(country=country, pbx_id=call.pbx_id, company=company)
    reason, facts = _never(call, legs, company, policy)
    keepers: dict[Crm, Leg] = {}
    if not reason:
        keepers, reason = _keepers(call, legs, policy, country)
    if not keepers:
        return _leave_out(call, reason, facts, now)
    for crm, leg in keepers.items():
        _enter(call, legs, leg, crm, company, policy, now)
        if leg.answered_at is not None and leg.owner is not None:
            _open_once_more(leg, leg.owner, crm, now)


def correct(*, call: Call, legs: Sequence[Leg], now: datetime) -> None:
    """Somebody had rung or answered, as we hear after the end: the entry is made, or put right while unsent.

    What may stand in the CRM already stays as it is; the call's page says so.
    """
    if call.state != Call.State.ENDED:
        return
    company = Company.get()
    country = callers.country_of(call=call, company=company)
    policy = rules.policy_now(country=country, pbx_id=call.pbx_id, company=company)
    reason, facts = _never(call, legs, company, policy)
    keepers: dict[Crm, Leg] = {}
    if not reason:
        keepers, reason = _keepers(call, legs, policy, country)
    if not keepers and call.left_out not in {"", reason}:
        return _leave_out(call, reason, facts, now)
    for crm, leg in keepers.items():
        entry = entries.find_entry(call=call, crm=crm)
        if entry is None:
            _count_in(call)
            _enter(call, legs, leg, crm, company, policy, now)
            continue
        text = _text(call, legs, leg, company)
        is_amended = outbox.amend(
            entry=entry,
            user=leg.owner,
            extension=leg.extension,
            text=text,
            card=_card(call, crm, leg),
            now=now,
        )
        Step.objects.create(
            call=call,
            leg=leg,
            at=now,
            what="entry_amended" if is_amended else "entry_left",
            facts={"crm": crm.name, "reason": "answered_after_all"},
        )


def _enter(
    call: Call, legs: Sequence[Leg], leg: Leg, crm: Crm, company: Company, policy: Policy, now: datetime
) -> None:
    outbox.enqueue(
        crm=crm,
        call_key=call.key,
        user=leg.owner,
        extension=leg.extension,
        direction=call.direction,
        number=call.number,
        name=call.name,
        card=_card(call, crm, leg),
        text=_text(call, legs, leg, company),
        happened_at=call.started_at,
    )
    why = f"owner_{policy.entry_owner}" if leg.answered_at else "owner_rung_first"
    facts = {"crm": crm.name, "who": _who(leg), "why": why}
    Step.objects.create(call=call, leg=leg, at=now, what="entry_made", facts=facts)


def _card(call: Call, crm: Crm, leg: Leg) -> Card | None:
    return cards.find_card(Answer.objects.filter(call=call, crm=crm, asked_for=leg.owner).first())


def _never(
    call: Call, legs: Sequence[Leg], company: Company, policy: Policy
) -> tuple[str, Mapping[str, str]]:
    """Why this call is nobody's business in a CRM, with its facts; empty when it is."""
    if call.is_private:
        return Call.LeftOut.PRIVATE, {}
    if call.direction == "internal":
        return Call.LeftOut.INTERNAL, {}
    if never := callers.find_never_reason(call=call, company=company, policy=policy):
        return Call.LeftOut.NEVER_LOG, {"never": never}
    if policy.never_log.has(callers.caller_of(call=call, company=company)):
        return Call.LeftOut.NEVER_LOG, {"never": "never_log_list"}
    if told.is_only_rung(call):
        return Call.LeftOut.NO_EXTENSION, {"told": "desk"}
    if not any(leg.extension_id for leg in legs):
        return Call.LeftOut.NO_EXTENSION, {}
    return "", {}


def rule_of(*, call: Call, leg: Leg, policy: Policy, country: str) -> LineRule | None:
    """What the admin laid down for the queue, group or number by which the call came to this leg."""
    dialled = rules.line_digits(call.dialled, country=country)
    return policy.rule_of(via=leg.via, via_name=leg.via_name, dialled=dialled)


def _keepers(call: Call, legs: Sequence[Leg], policy: Policy, country: str) -> tuple[dict[Crm, Leg], str]:
    """For each CRM the leg whose owner keeps the call; the second value says why nobody does."""
    grants: dict[object, dict[str, Crm]] = {}
    lines = [leg.extension_id for leg in legs if leg.extension_id]
    for grant in Grant.objects.filter(extension__in=lines, crm__is_enabled=True).select_related("crm"):
        grants.setdefault(grant.extension_id, {})[str(grant.crm_id)] = grant.crm
    by_uid = {leg.uid: leg for leg in legs}
    candidates = []
    for leg in legs:
        rule = rule_of(call=call, leg=leg, policy=policy, country=country)
        candidates.append(candidate_of(leg, tuple(grants.get(leg.extension_id, {})), rule))
    keepers, why_not = keepers_of(candidates, policy.entry_owner)
    crms = {pk: crm for granted in grants.values() for pk, crm in granted.items()}
    return {crms[pk]: by_uid[uid] for pk, uid in keepers.items()}, why_not


def candidate_of(leg: Leg, crms: Sequence[str], rule: LineRule | None) -> Candidate:
    """A leg as the choice of the entry's owner sees it."""
    journaling = leg.owner is not None and rules.over(preferences_of(user=leg.owner), rule).journaling
    return Candidate(
        leg=leg.uid,
        number=leg.number,
        owner=str(leg.owner_id or ""),
        is_ours=leg.extension_id is not None,
        crms=tuple(allowed(rule, crms)),
        journaling=journaling,
        started_at=leg.started_at,
        answered_at=leg.answered_at,
        ended_at=leg.ended_at,
    )


def _open_once_more(leg: Leg, user: User, crm: Crm, now: datetime) -> None:
    pop, made = Pop.objects.get_or_create(
        leg=leg, crm=crm, moment=Pop.Moment.AFTER, defaults={"user": user, "created_at": now}
    )
    if made:
        doorbell.ring_on_commit(task="calls.present", ids=[str(pop.pk)], queue="pop")


def _count_in(call: Call) -> None:
    call.left_out = ""
    call.save(update_fields=["left_out"])


def _leave_out(call: Call, reason: str, facts: Mapping[str, str], now: datetime) -> None:
    call.left_out = reason
    call.save(update_fields=["left_out"])
    Step.objects.create(call=call, at=now, what="left_out", facts={"reason": reason, **facts})


def _text(call: Call, legs: Sequence[Leg], keeper: Leg, company: Company) -> str:
    history = history_of(call=call, legs=legs, keeper=keeper, company=company)
    language = (keeper.owner.language if keeper.owner else "") or "en"
    with translation.override(language):
        return write_note(history, zone=rules.zone_of(user=None, company=company), texts=company.note_texts)


def history_of(*, call: Call, legs: Sequence[Leg], keeper: Leg, company: Company) -> History:
    """What a note tells of a call, seen from who keeps it."""
    return History(
        direction=call.direction,
        number=callers.caller_of(call=call, company=company).shown(),
        name=call.name,
        dialled=call.dialled,
        started_at=call.started_at,
        parts=tuple(_part(leg, call.started_at) for leg in sorted(legs, key=_start) if leg.number),
        agent=_who(keeper),
        extension=keeper.number,
        talked_s=_talked_s(keeper),
        cause=_cause_of(call, legs),
    )


def _cause_of(call: Call, legs: Sequence[Leg]) -> str:
    """How the call ended; some phone systems say of the last phone alone that it went to voicemail."""
    last = max(legs, key=lambda leg: leg.ended_at or call.started_at, default=None)
    return last.cause if last is not None and last.cause == "voicemail" else call.cause


def _start(leg: Leg) -> tuple[datetime, str]:
    return leg.started_at, leg.uid


def _part(leg: Leg, start: datetime) -> Part:
    rang_at = leg.rang_at or leg.started_at
    ended_at = leg.ended_at or leg.answered_at or rang_at
    until = leg.answered_at or ended_at
    return Part(
        who=_who(leg),
        extension=leg.number,
        rang_s=(until - rang_at).total_seconds(),
        talked_s=_talked_s(leg),
        answered=leg.answered_at is not None,
        via=leg.via,
        via_name=leg.via_name,
        cause=leg.cause,
        rang_at_s=(rang_at - start).total_seconds(),
        answered_at_s=((leg.answered_at or ended_at) - start).total_seconds(),
        ended_at_s=(ended_at - start).total_seconds(),
        owner=str(leg.owner_id or ""),
        has_called=leg.call.direction == "outbound" and leg.rang_at is None,
    )


def _who(leg: Leg) -> str:
    return f"{leg.owner.name} ({leg.number})" if leg.owner else leg.number


def _talked_s(leg: Leg) -> float:
    if leg.answered_at is None or leg.ended_at is None:
        return 0.0
    return max(0.0, (leg.ended_at - leg.answered_at).total_seconds())
