"""Who is it? Asked once per call, CRM and user; what could not be asked is asked again at the next moment."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.db import transaction

from nutshellpbx.calls import callers, cards
from nutshellpbx.calls.models import Answer, Call, Step
from nutshellpbx.crm import lookup, rights
from nutshellpbx.crm.adapter import Card
from nutshellpbx.crm.models import Crm
from nutshellpbx.people.models import Company, User
from nutshellpbx.people.preferences import Effective

#: What a colleague's answer shares.
COPIED = (
    *("result", "source", "as_of", "cards", "why", "problem", "next_step", "chosen_id"),
    *("digits", "asked_with", "created_at", "took_ms"),
)


def ask(
    *, call: Call, crm: Crm, user: User, right: rights.Right, preferences: Effective, now: datetime
) -> Answer:
    """The CRM's answer to this user for this call's number: kept from before, or asked now with his sign-in.

    A colleague's answer serves when it was asked with the same settings and leaves nothing to choose.
    """
    number = callers.caller_of(call=call, company=Company.get())
    asked_with = f"{preferences.lookup}|{preferences.compare_digits}"
    known = Answer.objects.filter(call=call, crm=crm, digits=number.match_digits[:32])
    for kept in known.exclude(result=Answer.Result.UNAVAILABLE):
        if kept.asked_for_id == user.pk:
            return kept
        if kept.asked_with == asked_with and len(kept.cards) <= 1:
            return _keep(call, crm, user, {field: getattr(kept, field) for field in COPIED})
    started = time.monotonic()
    result = lookup.find_caller(
        number=number, crm=crm, user=user, credential=right.credential, preferences=preferences, now=now
    )
    took_ms = round((time.monotonic() - started) * 1000, 1)
    values = {
        "digits": number.match_digits[:32],
        "asked_with": asked_with,
        "took_ms": took_ms,
        "created_at": now,
        **_values(result),
    }
    with transaction.atomic():
        answer = _keep(call, crm, user, values)
        Step.objects.create(
            call=call,
            at=now,
            what=f"answer_{answer.result}",
            tone=_TONES[Answer.Result(answer.result)],
            took_ms=took_ms,
            facts={
                "crm": crm.name,
                "source": answer.source,
                "matches": str(len(answer.cards)),
                "problem": answer.problem,
                "next_step": answer.next_step,
                **answer.why,
            },
        )
    return answer


def keep_created(*, call: Call, crm: Crm, user: User, card: Card, now: datetime) -> None:
    """A contact was created for this call's number: that is the caller from now on, for every user of it."""
    values = {
        "result": Answer.Result.FOUND,
        "source": "created",
        "cards": [cards.to_json(card)],
        "chosen_id": card.id,
        "as_of": now,
    }
    others = Answer.objects.filter(call=call, crm=crm, result=Answer.Result.NOT_FOUND)
    others.exclude(asked_for=user).update(**values)
    number = callers.caller_of(call=call, company=Company.get())
    _keep(call, crm, user, {**values, "created_at": now, "digits": number.match_digits[:32]})


def _keep(call: Call, crm: Crm, user: User, values: dict[str, Any]) -> Answer:
    return Answer.objects.update_or_create(call=call, crm=crm, asked_for=user, defaults=values)[0]


def choose(*, call: Call, crm: Crm, user: User, card_id: str) -> Answer | None:
    """Keep which of several records a call belongs to; None when it is not one of the answer's records."""
    answer = Answer.objects.filter(call=call, crm=crm, asked_for=user).first()
    if answer is None or card_id not in {value["id"] for value in answer.cards}:
        return None
    answer.chosen_id = card_id
    answer.save(update_fields=["chosen_id"])
    return answer


_TONES = {
    Answer.Result.FOUND: Step.Tone.GOOD,
    Answer.Result.NOT_FOUND: Step.Tone.PLAIN,
    Answer.Result.UNAVAILABLE: Step.Tone.FAILED,
}


def _values(result: lookup.Found | lookup.NotFound | lookup.Unavailable) -> dict[str, object]:
    match result:
        case lookup.Found():
            return {
                "result": Answer.Result.FOUND,
                "source": str(result.source),
                "as_of": result.as_of,
                "cards": [cards.to_json(match.card) for match in result.matches],
                "chosen_id": result.chosen.id if result.chosen else "",
                "why": _why(result),
                "problem": "",
                "next_step": "",
            }
        case lookup.NotFound():
            return {
                "result": Answer.Result.NOT_FOUND,
                "source": str(result.source),
                "as_of": result.as_of,
                "cards": [],
                "problem": "",
                "next_step": "",
            }
        case lookup.Unavailable():
            return {
                "result": Answer.Result.UNAVAILABLE,
                "cards": [],
                "problem": str(result.title)[:200],
                "next_step": str(result.next_step)[:300],
            }


def _why(result: lookup.Found) -> dict[str, str]:
    why = result.why
    return {"compared": why.compared, "form": str(why.form), "written": why.raw, "label": why.label}
