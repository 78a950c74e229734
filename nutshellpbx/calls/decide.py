"""What a desk gets to see: one pure decision from the moment, the user's settings and what the CRM said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nutshellpbx.calls.policy import Quiet


class Moment(StrEnum):
    """When something may be shown."""

    RING = "ring"
    ANSWER = "answer"
    DIAL = "dial"
    AFTER = "after"


class Known(StrEnum):
    """What is known of the caller."""

    ONE = "one"
    SEVERAL = "several"
    NOBODY = "nobody"
    NOT_ASKED = "not_asked"


class Show(StrEnum):
    """What is shown; a chooser, a form and a record are pages, and a desk sees one of them per call."""

    NOTHING = "nothing"
    CARD = "card"
    RECORD = "record"
    CHOOSER = "chooser"
    FORM = "form"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that count here, in force for this user."""

    open_mode: str
    unknown: str
    open_after: bool
    journaling: bool


def decide(
    *,
    moment: Moment,
    settings: Settings,
    known: Known,
    for_several: bool,
    shown_before: bool,
    quiet: Quiet = Quiet.NO,
) -> tuple[Show, str]:
    """What to show, and a word for the reason.

    `for_several`: the leg is one of a ring group or queue and the company shows those a card until somebody
    answers. `shown_before`: this call's card stands on the desk already. `quiet`: what the user's quiet hours
    leave.
    """
    if quiet is Quiet.NOTHING or (quiet and (moment is Moment.AFTER or shown_before)):
        return Show.NOTHING, "quiet_hours"
    if quiet:
        return Show.CARD, "quiet_hours"
    if moment is Moment.AFTER:
        if known is Known.ONE and settings.journaling and settings.open_after:
            return Show.RECORD, "after_call"
        return Show.NOTHING, "after_call_off"
    if not _wants_page(moment, settings, for_several=for_several):
        if shown_before:
            return Show.NOTHING, "card_stands"
        return Show.CARD, _why_no_page(moment, settings, for_several=for_several)
    match known:
        case Known.ONE:
            return Show.RECORD, "one_match"
        case Known.SEVERAL:
            return Show.CHOOSER, "several_matches"
        case Known.NOT_ASKED:
            return (Show.NOTHING, "card_stands") if shown_before else (Show.CARD, "crm_away")
        case Known.NOBODY:
            return _for_unknown(settings, shown_before=shown_before)


def _wants_page(moment: Moment, settings: Settings, *, for_several: bool) -> bool:
    if settings.open_mode == "never":
        return False
    if moment is Moment.ANSWER:
        return True
    return settings.open_mode == "ring" and not (moment is Moment.RING and for_several)


def _why_no_page(moment: Moment, settings: Settings, *, for_several: bool) -> str:
    if settings.open_mode == "never":
        return "open_mode_never"
    if moment is Moment.RING and for_several:
        return "rings_for_several"
    return "opens_on_answer"


def _for_unknown(settings: Settings, *, shown_before: bool) -> tuple[Show, str]:
    if settings.unknown == "form":
        return Show.FORM, "nobody_found"
    if settings.unknown == "create":
        return Show.CREATE, "nobody_found"
    return (Show.NOTHING, "card_stands") if shown_before else (Show.CARD, "nobody_found")
