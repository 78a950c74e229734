"""What people do to a call: choose its record, call it private, ring a number."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from nutshellpbx.calls import answers, callers, cards
from nutshellpbx.calls.entries import give_card
from nutshellpbx.calls.models import Call, Step
from nutshellpbx.crm import lookup
from nutshellpbx.crm.adapter import Card
from nutshellpbx.crm.models import Crm
from nutshellpbx.pbx.models import Command, Pbx
from nutshellpbx.people.models import Company, Extension, User

DIAL_LIFE = timedelta(seconds=20)


class NotPossible(Exception):
    """The call does not allow this (any more); the page says so and shows the call as it is."""


def choose(*, call: Call, crm: Crm, user: User, card_id: str, now: datetime) -> Card:
    """Say which of several records the caller is: remembered for this user and number, and the entry goes
    there.

    Raises NotPossible when the record is not one of this call's matches.
    """
    with transaction.atomic():
        answer = answers.choose(call=call, crm=crm, user=user, card_id=card_id)
        card = cards.find_card(answer)
        if card is None:
            raise NotPossible
        number = callers.caller_of(call=call, company=Company.get())
        lookup.remember_choice(user=user, crm=crm, number=number, card=card, now=now)
        give_card(call=call, crm=crm, card=card, by=user, now=now)
        Step.objects.create(
            call=call, at=now, what="chosen", tone=Step.Tone.GOOD, facts={"name": card.name, "by": user.name}
        )
    return card


def call_private(*, call: Call, user: User, now: datetime) -> None:
    """Keep this one call out of the journal and mask its number; raises NotPossible when it was written
    already.
    """
    with transaction.atomic():
        Pbx.objects.select_for_update().get(pk=call.pbx_id)  # as take_in does: nobody else changes the call
        call = Call.objects.select_for_update().get(pk=call.pk)
        if call.state != Call.State.LIVE:
            raise NotPossible
        call.is_private = True
        call.save(update_fields=["is_private"])
        Step.objects.create(call=call, at=now, what="private", facts={"by": user.name})


def dial(*, extension: Extension, number: str, now: datetime) -> Command:
    """Ring the user's own phone, then the number: a short-lived row that this PBX's listener alone
    carries out.
    """
    return Command.objects.create(
        pbx=extension.pbx,
        verb="dial",
        arguments={"extension": extension.number, "number": number},
        created_at=now,
        expires_at=now + DIAL_LIFE,
    )
