"""The texts of notes: one for each kind of call, with a preview while one writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from nutshellpbx.calls import notetexts, rules
from nutshellpbx.calls.notetexts import DEFAULTS, PLACES, Kind
from nutshellpbx.dashboard.recording import changes, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.people.models import Company

#: Each kind of call with its title and when it gets this text.
KINDS: dict[Kind, tuple[Any, Any]] = {
    Kind.INBOUND: (gettext_lazy("Answered inbound call"), gettext_lazy("Somebody called and was answered.")),
    Kind.MISSED: (gettext_lazy("Missed call"), gettext_lazy("Somebody called and nobody answered.")),
    Kind.VOICEMAIL: (
        gettext_lazy("Missed call, sent to voicemail"),
        gettext_lazy("Nobody answered; the phone system’s voicemail took the call."),
    ),
    Kind.FORWARDED: (
        gettext_lazy("Call forwarded to the outside"),
        gettext_lazy("Nobody answered in the house; the call went to a number outside."),
    ),
    Kind.OUTBOUND: (gettext_lazy("Answered outbound call"), gettext_lazy("One of you called out and spoke.")),
    Kind.NOT_ANSWERED: (
        gettext_lazy("Unanswered outbound call"),
        gettext_lazy("One of you called out and nobody answered."),
    ),
    Kind.CHAT: (
        gettext_lazy("Chat session"),
        gettext_lazy("For phone systems that tell of chats; calls never get this text."),
    ),
}


@dataclass(frozen=True, slots=True)
class Text:
    """One kind's text as it stands in the form, with its preview or what is wrong with it."""

    kind: str
    title: Any
    when: Any
    text: str
    is_standard: bool
    preview: str = ""
    error: str = ""


@open_to(May.ADMIN)
def page(request: Visit) -> HttpResponse:
    """All texts in one form; a button puts the standard text of a kind back into its field."""
    company = Company.get()
    if request.method != "POST":
        return _show(request, {kind: notetexts.template_of(kind, company.note_texts) for kind in KINDS})
    entered = {kind: request.POST.get(f"text-{kind}", "").replace("\r\n", "\n") for kind in KINDS}
    back = request.POST.get("back", "")
    if back in KINDS:
        entered[Kind(back)] = str(DEFAULTS[Kind(back)])
        return _show(request, entered, at=back)
    try:
        texts = _read(entered)
    except ValidationError:
        return _show(request, entered, status=422)
    changed = changes(
        {kind: company.note_texts.get(kind, "") for kind in KINDS},
        {str(kind): texts.get(kind, "") for kind in KINDS},
    )
    company.note_texts = texts
    with transaction.atomic():
        company.save(update_fields=["note_texts"])
        if changed:
            record(request, "text.changed", "company", changed=changed)
    messages.success(request, _("Saved. The next call’s note has these texts."))
    return redirect("note_texts")


@open_to(May.ADMIN)
@require_POST
def preview(request: Visit, kind: str) -> HttpResponse:
    """What a note would look like, or what is wrong with the text; asked while somebody types."""
    if kind not in KINDS:
        raise Http404
    entered = request.POST.get(f"text-{kind}", "").replace("\r\n", "\n")
    context = {"item": _text(Kind(kind), entered, Company.get()), "out_of_band": True}
    return render(request, "dashboard/admin/note_text_preview.html", context)


def _read(entered: Mapping[Kind, str]) -> dict[str, str]:
    """The texts to be kept: a standard text is not kept, so that it follows the program and the language."""
    texts = {}
    for kind, text in entered.items():
        checked = notetexts.check_template(kind, text)
        if checked and checked != str(DEFAULTS[kind]):
            texts[str(kind)] = checked
    return texts


def _text(kind: Kind, entered: str, company: Company) -> Text:
    title, when = KINDS[kind]
    is_standard = entered.strip() in {"", str(DEFAULTS[kind])}
    try:
        seen = notetexts.preview(kind, entered, zone=rules.zone_of(user=None, company=company))
    except ValidationError as refused:
        return Text(kind, title, when, entered, is_standard, error=" ".join(refused.messages))
    return Text(kind, title, when, entered, is_standard, preview=seen)


def _show(request: Visit, entered: Mapping[Kind, str], *, at: str = "", status: int = 200) -> HttpResponse:
    company = Company.get()
    texts = [_text(kind, text, company) for kind, text in entered.items()]
    context = {
        "section": "note_texts",
        "texts": texts,
        "at": at,
        "is_bad": any(text.error for text in texts),
        "places": [(f"[{name}]", words) for name, words in PLACES.items()],
        "most": notetexts.MAX_LENGTH,
    }
    return render(request, "dashboard/admin/note_texts.html", context, status=status)
