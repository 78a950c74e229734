"""Words for people: what a desk's card says, and what each step of a call's page means."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from nutshellpbx.calls import callers, rules
from nutshellpbx.calls.models import Answer, Call, Step
from nutshellpbx.crm.adapter import Card
from nutshellpbx.people.models import Company, User

#: step code -> sentence; the facts of the step fill it. A code without a sentence is shown as it is.
STEPS = {
    "unknown_extension": gettext_lazy("Extension %(extension)s is not entered here. Nothing opens."),
    "no_owner": gettext_lazy("Extension %(extension)s has no owner. Nothing opens."),
    "no_grant": gettext_lazy("Extension %(extension)s has no grant. Nothing opens."),
    "answer_found": gettext_lazy("%(crm)s knows the caller (%(matches)s, %(source)s)."),
    "answer_not_found": gettext_lazy("%(crm)s does not have this number (%(source)s)."),
    "answer_unavailable": gettext_lazy("We could not ask %(crm)s: %(problem)s"),
    "shown_open": gettext_lazy("The page was sent to the desk."),
    "shown_card": gettext_lazy("A card was sent to the desk, no page."),
    "not_shown": gettext_lazy("Nothing was sent to the desk."),
    "entry_made": gettext_lazy("The call went into the journal for %(crm)s."),
    "entry_amended": gettext_lazy("The entry for %(crm)s was put right before it was sent."),
    "entry_left": gettext_lazy("The entry for %(crm)s may have been sent already and stays as it is."),
    "left_out": gettext_lazy("The call was left out of the journal."),
    "timed_out": gettext_lazy("The phone system never said that the call ended; it was ended here."),
    "chosen": gettext_lazy("%(by)s chose %(name)s."),
    "confirmed": gettext_lazy("%(by)s told of this call, too."),
    "private": gettext_lazy("%(by)s called this call private."),
    "contact_done": gettext_lazy("%(name)s was created in %(crm)s."),
    "contact_failed": gettext_lazy("The contact was not created: %(problem)s"),
    "contact_unclear": gettext_lazy("Nobody can tell whether the contact was created: %(problem)s"),
    "entry_stays": gettext_lazy("The call's entry was being written just then: it does not go to %(name)s."),
}

#: reason code -> why, for people.
REASONS = {
    "one_match": gettext_lazy("One record has this number."),
    "several_matches": gettext_lazy("Several records have this number; the desk was asked which one."),
    "nobody_found": gettext_lazy("No record has this number."),
    "crm_away": gettext_lazy("The CRM could not be asked."),
    "card_stands": gettext_lazy("The desk shows this caller's card already."),
    "page_stands": gettext_lazy("A page of this call stands on the desk already."),
    "open_mode_never": gettext_lazy("Contact Open Mode is “Don't open”."),
    "opens_on_answer": gettext_lazy("Contact Open Mode is “On answer”."),
    "rings_for_several": gettext_lazy("Several phones rang: a quiet card until somebody answers."),
    "after_call": gettext_lazy("The call ended; the record opened for your own remarks."),
    "after_call_off": gettext_lazy("Opening after the call is off, or there was no single record."),
    "quiet_hours": gettext_lazy("It is in the owner's quiet hours."),
    "never_pop": gettext_lazy("This number is on the list of those that are never shown."),
    "answered_after_all": gettext_lazy("The phone system told of an answer only after the call was over."),
    "over_before": gettext_lazy("The call was answered elsewhere or over before it could be shown."),
    "no_desktop": gettext_lazy("The owner has no paired desktop."),
    "too_late": gettext_lazy("Too late: nothing pops up after a minute."),
    "too_short": gettext_lazy("The number has %(longer_than)s digits or fewer."),
    "never_matched": gettext_lazy("This number is never looked up (%(reason)s)."),
    "no_owner": gettext_lazy("The extension has no owner."),
    "owner_changed": gettext_lazy("The extension has another owner by now."),
    "no_grant": gettext_lazy("The extension has no grant for this CRM."),
    "no_key": gettext_lazy("The owner has no CRM key."),
    "key_refused": gettext_lazy("The CRM refuses the owner's key."),
    "crm_off": gettext_lazy("This CRM is switched off."),
    "contact_created": gettext_lazy("The contact was created and opened."),
    "contact_waiting": gettext_lazy("The contact is still to be created."),
    "contact_doing": gettext_lazy("The contact is being created."),
    "contact_failed": gettext_lazy("The contact could not be created."),
    "contact_unclear": gettext_lazy("Nobody can tell whether the contact was created."),
    "internal": gettext_lazy("Internal calls are not journaled."),
    "no_extension": gettext_lazy("No extension that is entered here was rung."),
    "journaling_off": gettext_lazy("Journaling is off for the one who had the call."),
    "never_log": gettext_lazy("This number is never matched."),
    "private": gettext_lazy("The call was called private."),
    "joined": gettext_lazy("The call became part of another one."),
}


def sentence_of(step: Step) -> str:
    """A step as a sentence in the reader's language."""
    return _filled(STEPS.get(step.what), step)


def reason_of(step: Step) -> str:
    """Why, in the reader's language; empty when there is nothing to add."""
    code = step.facts.get("reason", "")
    return _filled(REASONS.get(code), step) if code in REASONS else ""


def card_words(
    *, call: Call, answer: Answer | None, card: Card | None, moment: str, user: User | None = None
) -> tuple[str, list[str]]:
    """Title and lines of a card, in the language that is active: number at once, name when it is known.

    Times are the user's own, else the company's.
    """
    company = Company.get()
    shown = callers.caller_of(call=call, company=company).shown() or call.number
    as_of = _as_of(answer, rules.zone_of(user=user, company=company)) if answer else ""
    if answer is None or answer.result == Answer.Result.UNAVAILABLE:
        return shown, [_("We could not ask who this is."), answer.problem if answer else ""]
    if answer.result == Answer.Result.NOT_FOUND:
        lines = [_("Not in %(crm)s%(as_of)s") % {"crm": answer.crm.name, "as_of": as_of}]
        if call.name:
            lines.append(_("says “%(name)s”") % {"name": call.name})
        return _("Unknown caller %(number)s") % {"number": shown}, lines
    if card is None:
        names = ", ".join(str(value["name"]) for value in answer.cards[:3])
        return _("%(count)s records have %(number)s") % {"count": len(answer.cards), "number": shown}, [names]
    lines = [line for line in (card.job_title, card.company, shown) if line]
    why = answer.why
    if why.get("written"):
        lines.append(
            _("Found by %(label)s %(written)s%(as_of)s")
            % {"label": why.get("label") or _("number"), "written": why["written"], "as_of": as_of}
        )
    return card.name, lines


def _as_of(answer: Answer, zone: ZoneInfo) -> str:
    if answer.as_of is None or answer.source != "index":
        return ""
    return _(" (as of %(time)s)") % {"time": date_format(localtime(answer.as_of, zone), "TIME_FORMAT")}


def _filled(sentence: object, step: Step) -> str:
    if sentence is None:
        return step.what
    try:
        return str(sentence) % step.facts
    except KeyError:
        return str(sentence)
