"""The rules of single lines: which CRMs and settings hold for one queue, ring group or dialled number."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.db import transaction
from django.db.models import Max
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from nutshellpbx.calls import rules
from nutshellpbx.calls.linerules import CallRule
from nutshellpbx.calls.models import Call, Leg
from nutshellpbx.calls.rules import Rulebook
from nutshellpbx.dashboard.admin import tryout
from nutshellpbx.dashboard.admin.policies_forms import LineForm
from nutshellpbx.dashboard.admin.policies_words import Changed, rows_of, rule_in_words
from nutshellpbx.dashboard.recording import changes, named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.people.models import Company

#: So many of the newest legs and calls are looked through for names of lines to suggest.
NEWEST = 2000
WAYS = {"up": -1, "down": 1}


@open_to(May.ADMIN)
def add(request: Visit) -> HttpResponse:
    """Enter a rule; it comes last."""
    return _edit(request, CallRule(), form_at=reverse("line_rule_add"))


@open_to(May.ADMIN)
def edit(request: Visit, rule_id: int) -> HttpResponse:
    """Change a rule."""
    rule = get_object_or_404(CallRule, pk=rule_id)
    return _edit(request, rule, form_at=reverse("line_rule", args=[rule.pk]))


@open_to(May.ADMIN)
@require_POST
def remove(request: Visit, rule_id: int) -> HttpResponse:
    """Take a rule out; or see first what its absence would have done."""
    rule = get_object_or_404(CallRule, pk=rule_id)
    crms = _crms_of(rule)
    do = request.POST.get("do", "save")
    if do == "edit":
        return redirect("policies")
    if do == "try":
        book = rules.rulebook_now()
        draft = tryout.Draft(
            book=replace(book, lines=tuple(line for line in book.lines if line[0].pk != rule.pk)),
            changed=[Changed(_("Rule taken out"), rule_in_words(rule, crms), "")],
            form_at=reverse("line_rule_remove", args=[rule.pk]),
        )
        return tryout.show(request, draft)
    with transaction.atomic():
        record(request, "policy.line_removed", named(rule), rule=rule_in_words(rule, crms))
        rule.delete()
    return _done(request, _("The rule is gone. It counts from the next call."))


@open_to(May.ADMIN)
@require_POST
def move(request: Visit, rule_id: int, way: str) -> HttpResponse:
    """One place up or down: the first rule that fits a call counts."""
    if way not in WAYS:
        raise Http404
    rule = get_object_or_404(CallRule, pk=rule_id)
    with transaction.atomic():
        order = list(CallRule.objects.select_for_update())
        place = next(at for at, each in enumerate(order) if each.pk == rule.pk)
        target = min(max(place + WAYS[way], 0), len(order) - 1)
        order.insert(target, order.pop(place))
        for position, each in enumerate(order, start=1):
            CallRule.objects.filter(pk=each.pk).update(position=position)
        if target != place:
            change = {"position": [place + 1, target + 1]}
            record(
                request, "policy.line_moved", named(rule), rule=rule_in_words(rule, _crms_of(rule)), **change
            )
    return _done(request, "")


def _edit(request: Visit, rule: CallRule, *, form_at: str) -> HttpResponse:
    company, is_new = Company.get(), rule.pk is None
    crms_before = _crms_of(rule)
    before = "" if is_new else rule_in_words(rule, crms_before)
    form = LineForm(request.POST or None, instance=rule, country=company.country)
    if request.method != "POST":
        return _show_form(request, form, form_at=form_at, before=before)
    if not form.is_valid():
        return _show_form(request, form, form_at=form_at, before=before, status=422)
    after = rule_in_words(*form.line)
    do = request.POST.get("do", "save")
    if do == "edit":
        return _show_form(request, form, form_at=form_at, before=before)
    if do == "try":
        title = _("New rule") if is_new else _("Changed rule")
        draft = tryout.Draft(
            book=_with(rules.rulebook_now(company=company), form),
            changed=[Changed(title, before, after)] if before != after else [],
            form_at=form_at,
        )
        return tryout.show(request, draft)
    with transaction.atomic():
        if is_new:
            form.instance.position = (CallRule.objects.aggregate(last=Max("position"))["last"] or 0) + 1
        form.save()
        if is_new:
            record(request, "policy.line_added", named(rule), rule=after)
        elif before != after:
            changed = changes({"rule": before}, {"rule": after})
            record(request, "policy.line_changed", named(rule), changed=changed)
    messages.success(request, _("Saved. It counts from the next call."))
    return redirect(f"{reverse('policies')}#lines")


def _with(book: Rulebook, form: LineForm) -> Rulebook:
    """The book with the form's rule in its place, or at the end."""
    row, crms = form.line
    if row.pk is None:
        return replace(book, lines=(*book.lines, (row, crms)))
    return replace(book, lines=tuple((row, crms) if each[0].pk == row.pk else each for each in book.lines))


def _show_form(
    request: Visit, form: LineForm, *, form_at: str, before: str, status: int = 200
) -> HttpResponse:
    context = {
        "section": "policies",
        "form": form,
        "form_at": form_at,
        "before": before,
        "known": _known_lines(),
    }
    return render(request, "dashboard/admin/line_rule.html", context, status=status)


def _known_lines() -> list[str]:
    """Queues, groups and dialled numbers that calls came through lately."""
    names = Leg.objects.order_by("-started_at").values_list("via_name", flat=True)[:NEWEST]
    numbers = (
        Call.objects.filter(direction="inbound")
        .order_by("-started_at")
        .values_list("dialled", flat=True)[:NEWEST]
    )
    return sorted({name for name in (*names, *numbers) if name})[:200]


def _crms_of(rule: CallRule) -> frozenset[str]:
    return frozenset(str(crm.pk) for crm in rule.crms.all()) if rule.pk else frozenset()


def _done(request: Visit, text: str) -> HttpResponse:
    if request.htmx:
        context = {"rows": rows_of(rules.rulebook_now())}
        return render(request, "dashboard/admin/line_rules.html", context)
    if text:
        messages.success(request, text)
    return redirect(f"{reverse('policies')}#lines")
