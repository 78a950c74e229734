"""From a number, or from our own address of a record, on to the record: what a phone's client opens.

Anybody can make up such an address, so it only ever looks up, with the rights of whoever opens it: a
signed-in person, or one who trusted this browser for lookups.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx import phone
from nutshellpbx.calls import cards, lookups, tickets
from nutshellpbx.calls.models import Answer, Call, Ticket
from nutshellpbx.crm import finding, lookup
from nutshellpbx.crm.adapter import Card
from nutshellpbx.crm.models import Crm
from nutshellpbx.dashboard import trusted
from nutshellpbx.dashboard.callshow.line import page_address
from nutshellpbx.dashboard.recording import named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.people.models import Company, Extension

MOST_NUMBER = 64
MOST_NAME = 200
#: A call of this number at this user's line in the last so long is the one that the page is about.
RECENT = timedelta(hours=1)
#: In the session: the person was asked whether to trust this browser, and would rather not.
ASKED = "lookups_asked"


@open_to(May.TRUSTED)
@require_safe
def by_number(request: Visit) -> HttpResponse:
    """On to the record with this number; else a choice, a new contact, or why not."""
    raw, name = said_by(request.GET.get("n", "")), request.GET.get("name", "")[:MOST_NAME].strip()
    number = phone.read(raw, country=_country(request))
    shown: dict[str, Any] = {"raw": raw, "name": name, "number": number.shown()}
    if not number.digits:
        return _page(request, shown | {"why": "no_number"}, status=404)
    crms = _crms_of(request)
    if not crms:
        return _page(request, shown | {"why": "no_grant"}, status=403)
    line = Extension.objects.filter(owner=request.user).select_related("pbx").first()
    if line is not None and lookups.never(pbx=line.pbx, number=number, company=Company.get()):
        return _page(request, shown | {"why": "never"})
    if _wants_to_ask(request):
        return _page(request, shown | {"why": "trust", "address": request.get_full_path()})
    state, found = lookups.find_matches(crms=crms, number=number, user=request.user, now=timezone.now())
    if len(found) == 1:
        return _go_on(request, *found[0])
    call = _recent_call(request, number)
    if found:
        return _choice(request, shown, found, call)
    if call is not None and state == "not_found" and len(crms) == 1:
        return _by_ticket(request, call, crms[0], Ticket.Purpose.NEW_CONTACT)
    forms = [(crm, _address(crm.adapter().new_contact_page(number.e164 or raw, name))) for crm in crms]
    return _page(
        request, shown | {"why": state, "forms": [(crm, address) for crm, address in forms if address]}
    )


@open_to(May.TRUSTED)
@require_POST
def choose(request: Visit) -> HttpResponse:
    """Remember which record this user means by a number, and go on to it."""
    raw = said_by(request.POST.get("n", ""))
    crm_id, _colon, record_id = request.POST.get("card", "")[:200].partition(":")
    number = phone.read(raw, country=_country(request))
    now = timezone.now()
    crm = next((crm for crm in _crms_of(request) if str(crm.pk) == crm_id), None)
    _state, found = lookups.find_matches(crms=[crm] if crm else [], number=number, user=None, now=now)
    card = next((card for _crm, card in found if card.id == record_id), None)
    if crm is None or card is None:
        return redirect(f"{reverse('pop_number')}?{urlencode({'n': raw})}")
    with transaction.atomic():
        lookup.remember_choice(user=request.user, crm=crm, number=number, card=card, now=now)
        record(request, "number.chosen", named(request.user), crm=crm.name, record=card.id)
    return _page(request, {"why": "go", "card": card, "crm": crm, "address": _address_of(crm, card)})


@open_to(May.TRUSTED)
@require_safe
def open_record(request: Visit, crm_id: UUID, table: str, record_id: str) -> HttpResponse:
    """Our own lasting address of a record: checks the right, then goes on to it."""
    crm = next((crm for crm in _crms_of(request) if crm.pk == crm_id), None)
    if crm is None:
        raise PermissionDenied
    if _wants_to_ask(request):
        return _page(request, {"why": "trust", "address": request.get_full_path()})
    card = finding.find_record(crm=crm, record_id=record_id[:120])
    if card is None or card.table.value != table:
        return _page(request, {"why": "no_record"}, status=404)
    return _go_on(request, crm, card)


@open_to(May.USER)
@require_POST
def trust(request: Visit) -> HttpResponse:
    """Trust this browser for lookups for 30 days, or be asked no more in this session."""
    target = request.POST.get("address", "")
    is_ours = target.startswith((f"{reverse('pop_number')}?", "/open/"))
    # by a page of ours: a form may not be led on to another origin
    context = {"why": "on", "address": target if is_ours else reverse("start")}
    answer = _page(request, context)
    if request.POST.get("answer") == "trust":
        with transaction.atomic():
            record(request, "browser.trusted", named(request.user), days=trusted.LIFE_S // 86_400)
        trusted.trust(answer, user=request.user)
    else:
        trusted.distrust(answer)
        request.session[ASKED] = True
    return answer


def said_by(text: str) -> str:
    """A number as a phone's client put it into an address; a plus that was not encoded came as a blank."""
    text = text[:MOST_NUMBER]
    if text[:1] == " " and text[1:2].isdigit():
        return f"+{text[1:]}"
    return "" if text.startswith("%") else text.strip()


def _wants_to_ask(request: Visit) -> bool:
    """A signed-in person is asked once per session whether this browser may be trusted."""
    if trusted.find_truster(request) is not None:
        return False
    return bool(request.session.session_key) and not request.session.get(ASKED)


def _crms_of(request: Visit) -> list[Crm]:
    """The CRMs that a line of this user may ask."""
    mine = Crm.objects.filter(is_enabled=True, grants__extension__owner=request.user)
    return list(mine.distinct().order_by("name"))


def _country(request: Visit) -> str:
    line = Extension.objects.filter(owner=request.user).select_related("pbx").first()
    return (line.pbx.country if line else "") or Company.get().country


def _recent_call(request: Visit, number: phone.PhoneNumber) -> Call | None:
    """This user's newest call with this number: live, or over a short while ago."""
    if not number.e164:
        return None
    mine = Call.objects.filter(
        e164=number.e164, legs__owner=request.user, started_at__gt=timezone.now() - RECENT
    )
    return mine.exclude(state=Call.State.JOINED).order_by("-started_at").first()


def _choice(
    request: Visit, shown: dict[str, Any], found: list[tuple[Crm, Card]], call: Call | None
) -> HttpResponse:
    """Which of several; where the call is known, on the page that leads its entry there, too."""
    crms = {crm.pk: crm for crm, _card in found}
    if call is not None and len(crms) == 1:
        crm = next(iter(crms.values()))
        if Answer.objects.filter(call=call, crm=crm, asked_for=request.user, result="found").exists():
            return _by_ticket(request, call, crm, Ticket.Purpose.CHOOSE)
    rows = [(crm, cards.to_json(card)) for crm, card in found]
    return _page(request, shown | {"why": "several", "records": rows, "has_crms": len(crms) > 1})


def _by_ticket(request: Visit, call: Call, crm: Crm, purpose: str) -> HttpResponse:
    _ticket, token = tickets.issue(purpose=purpose, user=request.user, call=call, crm=crm, now=timezone.now())
    return redirect("pop", token)


def _go_on(request: Visit, crm: Crm, card: Card) -> HttpResponse:
    address = _address_of(crm, card)
    if not address:
        return _page(request, {"why": "no_page", "card": card, "crm": crm})
    return HttpResponseRedirect(address)


def _address_of(crm: Crm, card: Card) -> str:
    return _address(crm.adapter().page_of(card))


def _address(page: Any) -> str:
    return page_address({"page": cards.page_to_json(page)}) if page is not None else ""


def _page(request: Visit, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    shared = {"theme": request.user.theme, "contrast": request.user.contrast}
    return render(request, "dashboard/pop/contact.html", shared | context, status=status)
