"""Other rules, tried on a day's calls before they are saved: who would have seen and journaled what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from nutshellpbx.calls import words
from nutshellpbx.calls.models import Answer, Call
from nutshellpbx.calls.rehearsal import PAGES, Line, What
from nutshellpbx.calls.replaying import Replayed, replay_under
from nutshellpbx.calls.rules import Rulebook
from nutshellpbx.crm.models import Crm
from nutshellpbx.dashboard.admin.policies_words import Changed
from nutshellpbx.dashboard.callshow.line import Caller, caller_of
from nutshellpbx.dashboard.rights import Visit
from nutshellpbx.people.models import Company

#: So many calls of a day are played, the newest, and so many of them listed: the page is to come soon.
MOST_CALLS = 300
MOST_LISTED = 100
OLDEST = date(2000, 1, 1)
#: What the trying itself posts; all else is the form that is tried.
OWN = frozenset({"do", "day", "all", "csrfmiddlewaretoken"})

SHOWS: dict[tuple[str, str], Any] = {
    ("card", "ring"): gettext_lazy("a quiet card when it rings"),
    ("card", "dial"): gettext_lazy("a quiet card on dialling"),
    ("card", "answer"): gettext_lazy("a quiet card on answering"),
    ("record", "ring"): gettext_lazy("the record when it rings"),
    ("record", "dial"): gettext_lazy("the record on dialling"),
    ("record", "answer"): gettext_lazy("the record on answering"),
    ("record", "after"): gettext_lazy("the record after the call"),
    ("chooser", "ring"): gettext_lazy("the choice of records when it rings"),
    ("chooser", "dial"): gettext_lazy("the choice of records on dialling"),
    ("chooser", "answer"): gettext_lazy("the choice of records on answering"),
    ("form", "ring"): gettext_lazy("the new-contact form when it rings"),
    ("form", "dial"): gettext_lazy("the new-contact form on dialling"),
    ("form", "answer"): gettext_lazy("the new-contact form on answering"),
    ("create", "ring"): gettext_lazy("a contact created at once when it rings"),
    ("create", "dial"): gettext_lazy("a contact created at once on dialling"),
    ("create", "answer"): gettext_lazy("a contact created at once on answering"),
}
#: Reasons that words.REASONS says with facts that a rehearsal does not have.
WHY: dict[str, Any] = words.REASONS | {
    "too_short": gettext_lazy("The number is too short."),
    "never_matched": gettext_lazy("This number is left alone."),
    "never_log": gettext_lazy("This number is never journaled."),
}
#: Name of a figure -> its words, in the order in which they are shown.
FIGURES = {
    "page": gettext_lazy("Pages opened"),
    "card": gettext_lazy("Quiet cards"),
    "note": gettext_lazy("Notes written"),
    "left_out": gettext_lazy("Calls without a note"),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """Rules that are not saved: what they are, what is changed in words, and the form that they came from."""

    book: Rulebook
    changed: list[Changed]
    form_at: str


@dataclass(frozen=True, slots=True)
class Said:
    """One person's part of an outcome, or the note; each part with whether the other side lacks it."""

    who: str
    parts: tuple[tuple[str, bool], ...]
    why: str = ""
    is_note: bool = False

    def has(self, other: Said, text: str) -> bool:
        """Whether the other line's text stands here too, of the same person and for the same reason."""
        is_alike = (self.who, self.why, self.is_note) == (other.who, other.why, other.is_note)
        return is_alike and any(text == each for each, _is_other in self.parts)


@dataclass(frozen=True, slots=True)
class Tried:
    """One call: what happens to it under the rules in force, and under the others."""

    call: Call
    caller: Caller
    now: list[Said]
    then: list[Said]
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """A count now and then."""

    title: Any
    now: int
    then: int


def show(request: Visit, draft: Draft) -> HttpResponse:
    """The page that tells, with the tried form in it, so that it can be saved or gone on with."""
    today = timezone.localdate()
    day = _read_day(request.POST.get("day", ""), today=today)
    calls = _calls_of(day)
    total = calls.count()
    replayed = replay_under(book=draft.book, calls=list(calls[:MOST_CALLS]))
    tried = _tried(replayed)
    changed = [each for each in tried if each.is_changed]
    wants_all = request.POST.get("all") == "1"
    context = {
        "section": "policies",
        "draft": draft,
        "posted": [
            (name, value) for name, values in request.POST.lists() if name not in OWN for value in values
        ],
        "day": day,
        "today": today,
        "yesterday": today - timedelta(days=1),
        "total": total,
        "played": len(tried),
        "tried": (tried if wants_all else changed)[:MOST_LISTED],
        "most_listed": MOST_LISTED,
        "is_cut": len(tried if wants_all else changed) > MOST_LISTED,
        "changed_count": len(changed),
        "wants_all": wants_all,
        "figures": figures_of(replayed),
        "latest": None if total else _latest_day(today),
    }
    return render(request, "dashboard/admin/tryout.html", context)


def figures_of(replayed: Iterable[Replayed]) -> list[Figure]:
    """How much is shown and written in all, now and then."""
    now: Counter[str] = Counter()
    then: Counter[str] = Counter()
    for each in replayed:
        now.update(_counted(each.now))
        then.update(_counted(each.then))
    return [Figure(title, now[name], then[name]) for name, title in FIGURES.items()]


def _counted(lines: Iterable[Line]) -> Iterable[str]:
    for line in lines:
        if line.what in PAGES:
            yield "page"
        elif line.what is What.CARD:
            yield "card"
        elif line.what is What.KEPT:
            yield "note"
        elif line.what is What.LEFT_OUT:
            yield "left_out"


def _tried(replayed: list[Replayed]) -> list[Tried]:
    answers: dict[Any, Answer] = {}
    for answer in Answer.objects.filter(call__in=[each.call for each in replayed]):
        if answer.call_id not in answers or answer.result == Answer.Result.FOUND:
            answers[answer.call_id] = answer
    country, several = Company.get().country, Crm.objects.count() > 1
    tried = []
    for each in replayed:
        now = _said(each.now, each.names, several=several)
        then = _said(each.then, each.names, several=several)
        caller = caller_of(each.call, answers.get(each.call.pk), country=country)
        tried.append(
            Tried(each.call, caller, _marked(now, then), _marked(then, now), is_changed=each.is_changed)
        )
    return tried


def _marked(said: list[Said], others: list[Said]) -> list[Said]:
    """The same lines, with those parts marked that the other side does not have."""
    return [
        replace(
            line,
            parts=tuple(
                (text, not any(other.has(line, text) for other in others)) for text, _is_other in line.parts
            ),
        )
        for line in said
    ]


def _said(lines: Iterable[Line], names: Mapping[str, str], *, several: bool) -> list[Said]:
    """An outcome in words, person by person; who gets something is not told of what he did not get."""
    shown: dict[tuple[str, str], list[str]] = {}
    nothing: dict[tuple[str, str], str] = {}
    notes = []
    for line in lines:
        crm = names.get(line.crm, "") if several else ""
        who = _who(line, names)
        if line.what is What.KEPT:
            text = _("note in %(crm)s") % {"crm": names.get(line.crm, "")} if several else _("note")
            notes.append(_line(who, text, is_note=True))
        elif line.what is What.LEFT_OUT:
            why = str(WHY.get(line.why, line.why))
            notes.append(_line("", _("no note"), why=why, is_note=True))
        elif line.what is What.NOTHING:
            nothing.setdefault((who, crm), str(WHY.get(line.why, line.why)))
        elif line.what is not What.GONE:
            words_of = shown.setdefault((who, crm), [])
            text = str(SHOWS.get((line.what, line.moment), line.what))
            if text not in words_of:
                words_of.append(text)
    seen = [_line(_at(*key), *texts) for key, texts in shown.items()]
    unseen = [_line(_at(*key), _("nothing"), why=why) for key, why in nothing.items() if key not in shown]
    return [*seen, *unseen, *notes]


def _line(who: str, *texts: str, why: str = "", is_note: bool = False) -> Said:
    return Said(who, tuple((text, False) for text in texts), why, is_note)


def _who(line: Line, names: Mapping[str, str]) -> str:
    name = names.get(line.who, "")
    return f"{name} ({line.extension})" if name and line.extension else name or line.extension


def _at(who: str, crm: str) -> str:
    return f"{who}, {crm}" if crm else who


def _calls_of(day: date) -> QuerySet[Call]:
    since = timezone.make_aware(datetime.combine(day, time.min))
    until = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    calls = Call.objects.filter(state=Call.State.ENDED, started_at__gte=since, started_at__lt=until)
    return calls.select_related("pbx").order_by("-started_at")


def _latest_day(today: date) -> date | None:
    """The newest day that has calls which are over."""
    calls = Call.objects.filter(state=Call.State.ENDED).order_by("-started_at")
    newest = calls.values_list("started_at", flat=True).first()
    return min(timezone.localdate(newest), today) if newest else None


def _read_day(text: str, *, today: date) -> date:
    """The day that was chosen; yesterday when none was, today at the latest."""
    try:
        return max(OLDEST, min(date.fromisoformat(text), today))
    except ValueError:
        return today - timedelta(days=1)
