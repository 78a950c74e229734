"""Who is it? Asked once per call, CRM and user; what could not be asked is asked again at the next moment."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from nutshellpbx.calls import callers, cards
from nutshellpbx.calls.models import Answer, Asking, Call, Leg, Step
from nutshellpbx.crm import lookup, rights
from nutshellpbx.crm.adapter import Card
from nutshellpbx.crm.models import ChosenCard, Crm
from nutshellpbx.people.models import Company, User
from nutshellpbx.people.preferences import Effective
from nutshellpbx.phone import PhoneNumber

#: What a colleague's answer shares.
COPIED = (
    *("result", "source", "as_of", "cards", "why", "problem", "next_step", "chosen_id"),
    *("digits", "asked_with", "created_at", "took_ms"),
)


class Waits(Exception):
    """A colleague's worker asks the same CRM about the same call just now; its answer serves, too."""


#: What could not be asked a moment ago is not asked again for each colleague who is rung.
AWAY_LIFE = timedelta(seconds=3)
#: Who asks for longer than this has died over it.
ASKING_LIFE = timedelta(seconds=5)


def ask(
    *, call: Call, crm: Crm, user: User, right: rights.Right, preferences: Effective, now: datetime
) -> Answer:
    """The CRM's answer to this user for this call's number: kept from before, or asked now with his sign-in.

    A colleague's answer serves when it was asked with the same settings and leaves nothing to choose, or was
    asked with the same sign-in, too. Raises Waits while a colleague of the same call is being told.
    """
    number = callers.caller_of(call=call, company=Company.get())
    digits = number.match_digits[:32]
    settings = f"{preferences.lookup}|{preferences.compare_digits}"
    asked_with = f"{settings}|{right.credential.pk.hex[:10] if right.credential else ''}"
    answer = _find_answer(call, crm, user, digits, asked_with, now)
    if answer is not None:
        return answer
    has_colleagues = call.legs.exclude(owner=None).exclude(owner=user).exclude(state=Leg.State.OVER).exists()
    if not has_colleagues:
        return _ask(call, crm, user, right, preferences, number, asked_with, now)
    # whoever is first asks for all; where the first answer serves only its own sign-in, each of those asks
    is_known = Answer.objects.filter(call=call, crm=crm, digits=digits).exists()
    asking = _claim(call, crm, f"{digits}|{asked_with if is_known else settings}", now)
    try:
        answer = _find_answer(call, crm, user, digits, asked_with, now)
        return answer or _ask(call, crm, user, right, preferences, number, asked_with, now)
    finally:
        asking.delete()


def is_asked(*, call: Call, crm: Crm) -> bool:
    """Whether somebody asks this CRM about the call's caller just now."""
    return Asking.objects.filter(call=call, crm=crm).exists()


def _claim(call: Call, crm: Crm, asked_with: str, now: datetime) -> Asking:
    Asking.objects.filter(call=call, crm=crm, since__lt=now - ASKING_LIFE).delete()
    asking, is_mine = Asking.objects.get_or_create(
        call=call, crm=crm, asked_with=asked_with[:120], defaults={"since": now}
    )
    if not is_mine:
        raise Waits
    return asking


def _find_answer(
    call: Call, crm: Crm, user: User, digits: str, asked_with: str, now: datetime
) -> Answer | None:
    """The answer that this user has, or that a colleague's gives him."""
    settings = asked_with.rpartition("|")[0]
    for kept in Answer.objects.filter(call=call, crm=crm, digits=digits).order_by("created_at"):
        is_away = kept.result == Answer.Result.UNAVAILABLE
        if kept.asked_for_id == user.pk:
            if not is_away:
                return kept
            continue
        if is_away:
            serves = kept.asked_with == asked_with and now - kept.created_at < AWAY_LIFE
        else:
            serves = kept.asked_with == asked_with or (
                kept.asked_with.rpartition("|")[0] == settings and len(kept.cards) <= 1
            )
        if serves:
            values = {field: getattr(kept, field) for field in COPIED}
            if len(kept.cards) > 1:
                values["chosen_id"] = _find_choice(user, crm, digits, kept.cards)
            return _keep(call, crm, user, values)
    return None


def _ask(
    call: Call,
    crm: Crm,
    user: User,
    right: rights.Right,
    preferences: Effective,
    number: PhoneNumber,
    asked_with: str,
    now: datetime,
) -> Answer:
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


def _find_choice(user: User, crm: Crm, digits: str, cards_json: list[dict[str, Any]]) -> str:
    """Which of these records this user took the last time; empty when none."""
    choice = ChosenCard.objects.filter(user=user, crm=crm, number_digits=digits).first()
    wanted = choice and (choice.table, choice.record_id)
    return next((str(card["id"]) for card in cards_json if (card["table"], card["id"]) == wanted), "")


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
