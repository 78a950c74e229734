"""New contacts for unknown callers: by the CRM's own form, by our page, or at once; never twice for one
call.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from nutshellpbx import doorbell
from nutshellpbx.calls import callers, cards
from nutshellpbx.calls.answers import keep_created
from nutshellpbx.calls.decide import Show
from nutshellpbx.calls.entries import give_card
from nutshellpbx.calls.models import Answer, Call, ContactRequest, Step
from nutshellpbx.crm import adapter, rights, signin
from nutshellpbx.crm.models import Crm
from nutshellpbx.faults import Denied, Fault, TryLater
from nutshellpbx.journal.outbox import TooLate
from nutshellpbx.people.models import Company, User

CLAIM_LIFE = timedelta(seconds=60)


def find_form(*, call: Call, crm: Crm) -> adapter.Page | None:
    """The CRM's own form for a new contact, where the admin entered one that works; else None (our page
    then).
    """
    number = callers.caller_of(call=call, company=Company.get())
    return crm.adapter().new_contact_page(number.e164 or call.number, call.name)


def request(
    *, call: Call, crm: Crm, user: User, name: str, email: str, now: datetime, ring: bool = True
) -> ContactRequest:
    """Ask for a new contact of this call's number; the same request is returned when there is one already.

    Without `ring` no worker is called: the caller carries it out at once.
    """
    number = callers.caller_of(call=call, company=Company.get())
    with transaction.atomic():
        wanted, made = ContactRequest.objects.get_or_create(
            call=call,
            crm=crm,
            defaults={
                "user": user,
                "name": name.strip()[:200] or number.shown(),
                "number": number.e164 or call.number,
                "email": email,
                "created_at": now,
            },
        )
        if not made and wanted.state == ContactRequest.State.FAILED:
            ContactRequest.objects.filter(pk=wanted.pk, state=ContactRequest.State.FAILED).update(
                state=ContactRequest.State.WAITING,
                name=name.strip()[:200] or wanted.name,
                email=email,
                problem="",
            )
            wanted.refresh_from_db()
        if ring:
            doorbell.ring_on_commit(task="calls.create_contact", ids=[str(wanted.pk)], queue="pop")
    return wanted


def create(*, request_id: str, now: datetime) -> ContactRequest:
    """Carry a request out, once: an unclear end is kept as unclear and never tried again by itself."""
    waiting = ContactRequest.objects.filter(pk=request_id, state=ContactRequest.State.WAITING)
    claimed = waiting.update(state=ContactRequest.State.DOING, claimed_at=now)
    wanted = ContactRequest.objects.select_related("call__pbx", "crm", "user").get(pk=request_id)
    if not claimed:
        return wanted
    try:
        wanted.card = cards.to_json(_create(wanted))
        wanted.state = ContactRequest.State.DONE
    except Fault as fault:
        unclear = isinstance(fault, TryLater) and fault.may_have_happened
        wanted.state = ContactRequest.State.UNCLEAR if unclear else ContactRequest.State.FAILED
        wanted.problem, wanted.next_step = fault.title[:200], fault.next_step[:300]
    with transaction.atomic():
        wanted.save()
        if wanted.state == ContactRequest.State.DONE:
            _keep(wanted, now)
        else:
            Step.objects.create(
                call=wanted.call,
                at=now,
                what=f"contact_{wanted.state}",
                tone=Step.Tone.FAILED,
                facts={"problem": wanted.problem, "next_step": wanted.next_step},
            )
    return wanted


def create_at_once(
    *, call: Call, crm: Crm, user: User, now: datetime, answer: Answer | None
) -> tuple[Answer | None, adapter.Card | None, Show, str]:
    """Create the unknown caller's contact now and say what to show: the new record, or a card that tells
    why not.
    """
    name = call.name.strip() or callers.caller_of(call=call, company=Company.get()).shown()
    wanted = request(call=call, crm=crm, user=user, name=name, email="", now=now, ring=False)
    wanted = create(request_id=str(wanted.pk), now=now)
    if wanted.state == ContactRequest.State.DONE:
        answer = Answer.objects.filter(call=call, crm=crm, asked_for=user).first()
        return answer, cards.from_json(wanted.card), Show.RECORD, "contact_created"
    return answer, None, Show.CARD, f"contact_{wanted.state}"


def abandon(*, now: datetime) -> int:
    """Requests whose worker died in the middle: nobody can tell, so they are unclear. How many."""
    stuck = ContactRequest.objects.filter(state=ContactRequest.State.DOING, claimed_at__lt=now - CLAIM_LIFE)
    if not stuck.exists():
        return 0  # asked each second: an update would lock the database even when it changes nothing
    return stuck.update(
        state=ContactRequest.State.UNCLEAR,
        problem=_("Nobody can tell whether the contact was created"),
        next_step=_("Look for the number in the CRM before you create it again."),
    )


def due(*, now: datetime, most: int = 20) -> list[str]:
    """Requests that wait for longer than a second."""
    waiting = ContactRequest.objects.filter(
        state=ContactRequest.State.WAITING, created_at__lt=now - timedelta(seconds=1)
    )
    return [str(pk) for pk in waiting.values_list("pk", flat=True)[:most]]


def _create(wanted: ContactRequest) -> adapter.Card:
    extension = next(
        (leg.extension for leg in wanted.call.legs.all() if leg.extension and leg.owner_id == wanted.user_id),
        None,
    )
    right = rights.right_of(extension=extension, crm=wanted.crm) if extension else None
    if right is None or right.credential is None or not right.is_ok:
        raise Denied(right.title if right else _("This was not your call"), right.next_step if right else "")
    as_ = signin.open_sign_in(credential=right.credential)
    contact = adapter.NewContact(
        name=wanted.name, number=wanted.number, email=wanted.email, description=_("Created from a call")
    )
    return wanted.crm.adapter().create_contact(contact, as_)


def _keep(wanted: ContactRequest, now: datetime) -> None:
    """The new record is the caller from now on: for the call's other legs and for its entry."""
    call, crm, card = wanted.call, wanted.crm, wanted.card
    keep_created(call=call, crm=crm, user=wanted.user, card=cards.from_json(card), now=now)
    try:
        with transaction.atomic():
            give_card(call=call, crm=crm, card=cards.from_json(card), by=wanted.user, now=now)
    except TooLate:
        # the contact stands in the CRM whatever becomes of the entry; forgetting that would create a second
        Step.objects.create(
            call=call, at=now, what="entry_stays", tone=Step.Tone.FAILED, facts={"name": card["name"]}
        )
    Step.objects.create(
        call=call,
        at=now,
        what="contact_done",
        tone=Step.Tone.GOOD,
        facts={"name": card["name"], "crm": crm.name},
    )
