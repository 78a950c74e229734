"""Pages that a desktop opens by ticket: choose among records that share a number, or make a new contact.

The ticket is used up by opening the page. The page's own posts carry a signed pass that is good for this one
call and its choice only, so that nobody meets a sign-in page in mid-ring.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.audit import book
from nutshellpbx.calls import actions, contacts, tickets
from nutshellpbx.calls.models import Answer, Call, ContactRequest, Ticket
from nutshellpbx.dashboard.callshow.line import caller_of, page_address
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.journal.outbox import TooLate
from nutshellpbx.people.models import Company

MOST_KEYS = 9
Purpose = Ticket.Purpose
State = ContactRequest.State


class NewContact(forms.Form):
    """A new contact's name; the number is the call's own."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    email = forms.EmailField(label=gettext_lazy("E-mail, if you know it"), required=False, max_length=254)


@open_to(May.TICKET)
@require_safe
def page(request: Visit, token: str) -> HttpResponse:
    """Open the page that a ticket is for; the ticket is used up."""
    try:
        ticket, page_pass = tickets.redeem(token=token, now=timezone.now())
    except tickets.NoTicket:
        return _no_ticket(request)
    if ticket.purpose == Purpose.CHOOSE:
        return _chooser(request, ticket, page_pass)
    return _form(request, ticket, page_pass)


@open_to(May.TICKET)
@require_POST
def choose(request: Visit) -> HttpResponse:
    """Take a record for the caller, remember it for this number, and go on to it."""
    try:
        ticket = tickets.open_pass(page_pass=request.POST.get("pass", ""))
    except tickets.NoTicket:
        return _no_ticket(request)
    if ticket.purpose != Purpose.CHOOSE:
        return _no_ticket(request)
    card_id = request.POST.get("card", "")[:120]
    try:
        now = timezone.now()
        with transaction.atomic():
            actions.choose(call=ticket.call, crm=ticket.crm, user=ticket.user, card_id=card_id, now=now)
            book.record(
                act="call.chosen",
                by=ticket.user,
                what=f"call:{ticket.call_id}",
                detail={"crm": ticket.crm.name, "record": card_id, "at": "desk"},
                now=now,
            )
    except (actions.NotPossible, TooLate):
        return _chooser(request, ticket, request.POST["pass"], is_late=True)
    answer = Answer.objects.get(call=ticket.call, crm=ticket.crm, asked_for=ticket.user)
    card = next(card for card in answer.cards if card["id"] == card_id)
    return _go_to(request, ticket, card)


@open_to(May.TICKET)
@require_POST
def create(request: Visit) -> HttpResponse:
    """Ask for the new contact; a worker creates it, once, and the page waits for it."""
    try:
        ticket = tickets.open_pass(page_pass=request.POST.get("pass", ""))
    except tickets.NoTicket:
        return _no_ticket(request)
    form = NewContact(request.POST)
    if not form.is_valid():
        return _form(request, ticket, request.POST["pass"], form=form, status=422)
    values = form.cleaned_data
    now = timezone.now()
    with transaction.atomic():
        contacts.request(
            call=ticket.call,
            crm=ticket.crm,
            user=ticket.user,
            name=values["name"],
            email=values["email"],
            now=now,
        )
        book.record(
            act="call.contact_asked",
            by=ticket.user,
            what=f"call:{ticket.call_id}",
            detail={"crm": ticket.crm.name, "name": values["name"]},
            now=now,
        )
    return _created(request, ticket, request.POST["pass"])


@open_to(May.TICKET)
@require_POST
def created(request: Visit) -> HttpResponse:
    """How the creation stands; the page asks again until it is done, then goes on to the record."""
    try:
        ticket = tickets.open_pass(page_pass=request.POST.get("pass", ""))
    except tickets.NoTicket:
        return _no_ticket(request)
    return _created(request, ticket, request.POST["pass"])


def _chooser(request: Visit, ticket: Ticket, page_pass: str, *, is_late: bool = False) -> HttpResponse:
    answer = Answer.objects.filter(call=ticket.call, crm=ticket.crm, asked_for=ticket.user).first()
    records = answer.cards if answer is not None else []
    context = {
        "pass": page_pass,
        "is_late": is_late,
        "answer": answer,
        "records": [
            (place if place <= MOST_KEYS else "", card) for place, card in enumerate(records, start=1)
        ],
    }
    return _show(request, ticket, "dashboard/pop/chooser.html", context, status=409 if is_late else 200)


def _form(
    request: Visit, ticket: Ticket, page_pass: str, *, form: NewContact | None = None, status: int = 200
) -> HttpResponse:
    answer = Answer.objects.filter(call=ticket.call, crm=ticket.crm, asked_for=ticket.user).first()
    others = answer.cards if answer is not None and answer.result == Answer.Result.FOUND else []
    context = {
        "pass": page_pass,
        "form": form or NewContact(initial={"name": ticket.call.name}),
        "answer": answer,
        "others": [(card, page_address(card)) for card in others],
    }
    return _show(request, ticket, "dashboard/pop/new_contact.html", context, status=status)


def _created(request: Visit, ticket: Ticket, page_pass: str) -> HttpResponse:
    wanted = ContactRequest.objects.filter(call=ticket.call, crm=ticket.crm).first()
    if wanted is None:
        return _form(request, ticket, page_pass)
    if wanted.state == State.DONE:
        return _go_to(request, ticket, wanted.card)
    context = {
        "pass": page_pass,
        "wanted": wanted,
        "is_open": wanted.state in {State.WAITING, State.DOING},
        "is_unclear": wanted.state == State.UNCLEAR,
        "form": NewContact(initial={"name": wanted.name, "email": wanted.email}),
    }
    template = "dashboard/pop/creating.html" if request.htmx else "dashboard/pop/creating_page.html"
    return _show(request, ticket, template, context)


def _go_to(request: Visit, ticket: Ticket, card: dict[str, Any]) -> HttpResponse:
    """On to the record in its CRM: by a page of ours, as form-action lets no form lead to another origin."""
    address = page_address(card)
    if address and request.htmx:
        answer = HttpResponse(status=204)
        answer["HX-Redirect"] = address
        return answer
    return _show(request, ticket, "dashboard/pop/done.html", {"card": card, "address": address})


def _show(
    request: Visit, ticket: Ticket, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page in the theme and language of the ticket's user, who need not be signed in here."""
    call, user = ticket.call, ticket.user
    country = call.pbx.country or Company.get().country
    shared = {
        "ticket": ticket,
        "call": call,
        "number": caller_of(call, None, country=country).number or call.number,
        "is_live": call.state == Call.State.LIVE,
        "is_answered": call.answered_at is not None,
        "theme": user.theme,
        "contrast": user.contrast,
    }
    with translation.override(user.language or translation.get_language()):
        return render(request, template, shared | context, status=status)


def _no_ticket(request: Visit) -> HttpResponse:
    """Used, too old or unknown: a person who is signed in finds the call on his own page."""
    if request.user.is_authenticated and not request.htmx:
        return redirect("my_calls")
    context = {"address": reverse("my_calls")}
    return render(request, "dashboard/pop/no_ticket.html", context, status=410)
