"""A queued pop, carried out by a worker: look the caller up, decide, put it on the desk if it still
counts.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation

from nutshellpbx import doorbell, wire
from nutshellpbx.calls import callers, cards, closing, contacts, rules, tickets, words
from nutshellpbx.calls.answers import Waits, ask, is_asked
from nutshellpbx.calls.decide import Known, Moment, Settings, Show, decide
from nutshellpbx.calls.models import Answer, Call, Leg, Pop, Step, Ticket
from nutshellpbx.calls.policy import LineRule, Policy
from nutshellpbx.crm import adapter, rights
from nutshellpbx.crm.models import Grant
from nutshellpbx.desktop import mailbox
from nutshellpbx.desktop.models import Withdrawal
from nutshellpbx.people.models import Company
from nutshellpbx.people.preferences import Effective, preferences_of

RING_LIFE = timedelta(seconds=60)
TALK_LIFE = timedelta(hours=12)
#: A worker that claimed a pop and has not settled it after this long is dead.
CLAIM_LIFE = timedelta(seconds=20)
MOST_TRIES = 3
#: The reason of a pop that waits because a colleague's worker asks the CRM for the same call.
WAITS_FOR_COLLEAGUE = "colleague_asks"

ALIVE = {
    Pop.Moment.RING: {Leg.State.RINGING, Leg.State.TALKING, Leg.State.HELD},
    Pop.Moment.DIAL: {Leg.State.DIALING, Leg.State.TALKING, Leg.State.HELD},
    Pop.Moment.ANSWER: {Leg.State.TALKING, Leg.State.HELD},
}


def present(*, pop_id: int, now: datetime) -> None:
    """Carry a queued pop out, once; a second call does nothing."""
    free = Pop.objects.filter(pk=pop_id, state=Pop.State.QUEUED) | Pop.objects.filter(
        pk=pop_id, state=Pop.State.LOOKING, claimed_at__lt=now - CLAIM_LIFE, tries__lt=MOST_TRIES
    )
    pop = Pop.objects.select_related(
        "leg__call__pbx", "leg__extension__owner", "leg__owner", "user", "crm"
    ).get(pk=pop_id)
    if not free.update(state=Pop.State.LOOKING, claimed_at=now, tries=pop.tries + 1):
        return
    started = time.monotonic()
    if _is_too_late(pop, now):
        return _settle(pop, "", "too_late", {}, took_ms=0.0)
    try:
        verb, reason, facts = _show(pop, now)
    except Waits:
        return _wait(pop)
    _settle(pop, verb, reason, facts, took_ms=(time.monotonic() - started) * 1000)
    _ring_who_waits(pop)


def due(*, now: datetime, most: int = 50) -> list[int]:
    """Pops that wait for longer than a second, or whose worker died."""
    waiting = Pop.objects.filter(state=Pop.State.QUEUED, created_at__lt=now - timedelta(seconds=1))
    stuck = Pop.objects.filter(state=Pop.State.LOOKING, claimed_at__lt=now - CLAIM_LIFE, tries__lt=MOST_TRIES)
    return list((waiting | stuck).order_by("created_at").values_list("pk", flat=True)[:most])


def _show(pop: Pop, now: datetime) -> tuple[str, str, dict[str, str]]:
    """What was shown (a verb or nothing), why, and the facts for the call's page."""
    leg, call = pop.leg, pop.leg.call
    if leg.extension is None or leg.owner_id != pop.user_id:
        return "", "no_owner", {"extension": leg.number}
    right = rights.right_of(extension=leg.extension, crm=pop.crm)
    if not right.is_ok:
        return "", str(right.state), {"extension": leg.number, "next_step": str(right.next_step)}
    if right.user is None or right.user.pk != pop.user_id:
        return "", "owner_changed", {"extension": leg.number}
    company = Company.get()
    country = callers.country_of(call=call, company=company)
    policy = rules.policy_now(country=country, pbx_id=call.pbx_id, company=company)
    if never := callers.find_never_reason(call=call, company=company, policy=policy):
        return "", "never_matched", {"reason": never}
    if policy.never_pop.has(callers.caller_of(call=call, company=company)):
        return "", "never_pop", {}
    rule = closing.rule_of(call=call, leg=leg, policy=policy, country=country)
    preferences = rules.over(preferences_of(user=pop.user), rule)
    if callers.presented_digits(call.number) <= preferences.longer_than:
        return "", "too_short", {"longer_than": str(preferences.longer_than)}
    shown_before = _is_shown(pop)
    answer: Answer | None = ask(
        call=call, crm=pop.crm, user=pop.user, right=right, preferences=preferences, now=now
    )
    card = cards.find_card(answer)
    show, reason = decide(
        moment=Moment(pop.moment),
        settings=_settings(preferences),
        known=_known(answer, card),
        for_several=_is_for_several(call, leg, policy, rule),
        shown_before=shown_before,
        quiet=rules.quiet_now(policy=policy, user=pop.user, company=company, now=now),
    )
    if show is Show.CREATE:
        answer, card, show, reason = contacts.create_at_once(
            call=call, crm=pop.crm, user=pop.user, now=now, answer=answer
        )
    return _put(pop, show, reason, answer, card, now)


def _put(
    pop: Pop, show: Show, reason: str, answer: Answer | None, card: adapter.Card | None, now: datetime
) -> tuple[str, str, dict[str, str]]:
    if show is Show.NOTHING:
        return "", reason, {}
    leg, call = pop.leg, pop.leg.call
    page, ticket = _page(pop, show, card, now)
    after = pop.moment == Pop.Moment.AFTER
    with translation.override(pop.user.language or "en"):
        title, lines = words.card_words(call=call, answer=answer, card=card, moment=pop.moment, user=pop.user)
    put = mailbox.put(
        user_id=pop.user_id,
        call_key=call.key,
        subject=f"{leg.uid}:after" if after else leg.uid,
        phase="after" if after else "live",
        verb="open" if page else "card",
        title=title,
        lines=lines,
        page=page,
        expires_at=_end_of(pop, is_short=ticket is not None),
        still=lambda: _still_counts(pop),
        now=timezone.now(),
    )
    if not put:
        why_not = _why_not_put(pop, page=page)
        if why_not == "page_stands" and not after and not _is_shown(pop):
            # the page of an earlier turn is open still; this ring has its card all the same
            return _put(pop, Show.CARD, why_not, answer, card, now)
        return "", why_not, {}
    if ticket is not None and (opening := [row for row in put if row.verb == "open"]):
        tickets.bind(ticket=ticket, device=opening[0].device)
    facts = {"show": str(show), "crm": pop.crm.name, "desks": str(len({row.device_id for row in put}))}
    return ("open" if page else "card"), reason, facts


def _page(
    pop: Pop, show: Show, card: adapter.Card | None, now: datetime
) -> tuple[wire.Page | None, Ticket | None]:
    """The page to open, with the ticket that it needs when it is one of ours."""
    if show is Show.RECORD and card is not None:
        return _wire(pop.crm.adapter().page_of(card)), None
    if show is Show.FORM and (form := contacts.find_form(call=pop.leg.call, crm=pop.crm)):
        return _wire(form), None
    if show in {Show.FORM, Show.CHOOSER}:
        purpose = Ticket.Purpose.NEW_CONTACT if show is Show.FORM else Ticket.Purpose.CHOOSE
        ticket, token = tickets.issue(
            purpose=purpose, user=pop.user, call=pop.leg.call, crm=pop.crm, now=timezone.now()
        )
        return wire.Page(origin=own_origin(), path=f"/pop/{token}"), ticket
    return None, None


def own_origin() -> str:
    """This box's own address as desks know it."""
    parts = urlsplit(settings.NUTSHELLPBX_PUBLIC_URL)
    return f"{parts.scheme}://{parts.netloc}"


def _still_counts(pop: Pop) -> bool:
    """Asked inside the mailbox's transaction: is the leg still in a state that this moment is about?"""
    if pop.moment == Pop.Moment.AFTER:
        return True
    leg = Leg.objects.only("state", "owner_id").get(pk=pop.leg_id)
    if leg.state not in ALIVE[Pop.Moment(pop.moment)] or leg.owner_id != pop.user_id:
        return False
    if Pop.objects.filter(pk=pop.pk, state=Pop.State.WITHDRAWN).exists():
        return False
    return Grant.objects.filter(extension=pop.leg.extension, crm=pop.crm).exists()


def _is_too_late(pop: Pop, now: datetime) -> bool:
    """Whether nobody wants to see it any more: only who speaks still wants to know who it is."""
    return pop.moment != Pop.Moment.ANSWER and now - pop.created_at > RING_LIFE


def _end_of(pop: Pop, *, is_short: bool) -> datetime:
    """When the instruction dies: a minute after the moment; while somebody speaks, with the leg's end."""
    if pop.moment != Pop.Moment.ANSWER:
        return pop.created_at + RING_LIFE
    return timezone.now() + (RING_LIFE if is_short else TALK_LIFE)


def _why_not_put(pop: Pop, *, page: wire.Page | None) -> str:
    if not _still_counts(pop):
        return "over_before"
    if not pop.user.devices.filter(revoked_at__isnull=True).exists():
        return "no_desktop"
    return "page_stands" if page else "over_before"


def _settings(preferences: Effective) -> Settings:
    return Settings(
        open_mode=preferences.open_mode,
        unknown=preferences.unknown,
        open_after=preferences.open_after,
        journaling=preferences.journaling,
    )


def _known(answer: Answer | None, card: adapter.Card | None) -> Known:
    if answer is None or answer.result == Answer.Result.UNAVAILABLE:
        return Known.NOT_ASKED
    if answer.result == Answer.Result.NOT_FOUND:
        return Known.NOBODY
    return Known.ONE if card is not None else Known.SEVERAL


def _is_for_several(call: Call, leg: Leg, policy: Policy, rule: LineRule | None) -> bool:
    ringing = call.legs.filter(state=Leg.State.RINGING).values_list("owner_id", "number")
    people = {number if owner is None else str(owner) for owner, number in ringing}
    return policy.is_for_several(rule, via=leg.via, ringing=len(people))


def _is_shown(pop: Pop) -> bool:
    """Whether this user's desks show something of this call and CRM that was not taken away."""
    call = pop.leg.call
    shown = Pop.objects.filter(leg__call=call, user=pop.user, crm=pop.crm, state=Pop.State.SHOWN)
    subjects = set(shown.exclude(moment=Pop.Moment.AFTER).values_list("leg__uid", flat=True))
    gone = Withdrawal.objects.filter(user=pop.user, call_key=call.key, subject__in=subjects)
    return bool(subjects - set(gone.values_list("subject", flat=True)))


def _wait(pop: Pop) -> None:
    """A colleague's worker asks the same just now: this pop is taken up again as soon as it knows."""
    Pop.objects.filter(pk=pop.pk, state=Pop.State.LOOKING).update(
        state=Pop.State.QUEUED, reason=WAITS_FOR_COLLEAGUE, tries=pop.tries
    )
    if not is_asked(call=pop.leg.call, crm=pop.crm):
        doorbell.ring(task="calls.present", ids=[str(pop.pk)], queue="pop")


def _ring_who_waits(pop: Pop) -> None:
    waiting = Pop.objects.filter(
        leg__call=pop.leg.call, crm=pop.crm, state=Pop.State.QUEUED, reason=WAITS_FOR_COLLEAGUE
    )
    if ids := [str(pk) for pk in waiting.values_list("pk", flat=True)]:
        doorbell.ring(task="calls.present", ids=ids, queue="pop")


def _wire(page: adapter.Page) -> wire.Page:
    return wire.Page(origin=page.origin, path=page.path, query=page.query, fragment=page.fragment)


def _settle(pop: Pop, verb: str, reason: str, facts: dict[str, str], *, took_ms: float) -> None:
    now = timezone.now()
    with transaction.atomic():
        if not verb and reason in callers.NO_NUMBER and _has_new_number(pop):
            again = Pop.objects.filter(pk=pop.pk, state=Pop.State.LOOKING)
            if again.update(state=Pop.State.QUEUED, reason="", created_at=now, tries=0):
                return doorbell.ring_on_commit(task="calls.present", ids=[str(pop.pk)], queue="pop")
        settled = Pop.objects.filter(pk=pop.pk, state=Pop.State.LOOKING).update(
            state=Pop.State.SHOWN if verb else Pop.State.NOTHING, verb=verb, reason=reason, settled_at=now
        )
        if not settled and not verb:
            reason = "over_before"
        Step.objects.create(
            call=pop.leg.call,
            leg=pop.leg,
            at=now,
            tone=Step.Tone.DESK if verb else Step.Tone.PLAIN,
            what=f"shown_{verb}" if verb else "not_shown",
            facts={"reason": reason, "moment": pop.moment, **facts},
            took_ms=round(took_ms, 1),
        )


def _has_new_number(pop: Pop) -> bool:
    """Whether the caller's number has come since this pop was taken up; nobody else changes it meanwhile."""
    call = Call.objects.select_for_update().only("number").get(pk=pop.leg.call_id)
    return call.number != pop.leg.call.number
