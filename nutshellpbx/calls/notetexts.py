"""The texts of notes, one per kind of call: company-wide templates with named places, no code in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from nutshellpbx.calls.texts import History, Part, note_text


class Kind(StrEnum):
    """The kinds of call that have a text of their own."""

    INBOUND = "inbound"
    MISSED = "missed"
    OUTBOUND = "outbound"
    NOT_ANSWERED = "not_answered"
    VOICEMAIL = "voicemail"
    FORWARDED = "forwarded"
    CHAT = "chat"


#: The default texts, with the wording that 3CX's own CRM templates have.
DEFAULTS: Final[Mapping[Kind, str | Promise]] = {
    Kind.INBOUND: gettext_lazy("[DateTime]: Answered incoming call from [Number] to [Agent] ([Duration])"),
    Kind.MISSED: gettext_lazy("[DateTime]: Missed call from [Number] to [Agent]"),
    Kind.OUTBOUND: gettext_lazy("[DateTime]: Answered outgoing call from [Agent] to [Number] ([Duration])"),
    Kind.NOT_ANSWERED: gettext_lazy("[DateTime]: Unanswered outgoing call from [Agent] to [Number]"),
    Kind.VOICEMAIL: gettext_lazy("[DateTime]: Missed call from [Number] to [Agent], sent to voicemail"),
    Kind.FORWARDED: gettext_lazy("[DateTime]: Call from [Number] to [Agent], forwarded to an outside number"),
    Kind.CHAT: gettext_lazy("[DateTime]: Chat session of [Agent] with [Number]"),
}
#: What may stand in brackets, and what it becomes.
PLACES: Final[Mapping[str, str | Promise]] = {
    "DateTime": gettext_lazy("when the call began"),
    "Number": gettext_lazy("the other side's number"),
    "Name": gettext_lazy("the name that the other side's phone shows"),
    "Agent": gettext_lazy("who had the call, with the extension"),
    "Extension": gettext_lazy("the extension alone"),
    "Duration": gettext_lazy("how long they spoke"),
    "Dialled": gettext_lazy("the number that was dialled"),
    "Queue": gettext_lazy("the queue or ring group"),
    "Legs": gettext_lazy("who rang, answered and took over, in one line"),
}
MAX_LENGTH: Final = 1000
_PLACE = re.compile(r"\[([A-Za-z]{1,20})\]")
_SPOKEN: Final = frozenset({Kind.INBOUND, Kind.OUTBOUND, Kind.CHAT})


def kind_of(history: History) -> Kind:
    """Which text a call gets."""
    if history.direction == "outbound":
        return Kind.OUTBOUND if history.was_answered else Kind.NOT_ANSWERED
    if history.was_answered:
        return Kind.INBOUND
    ends = {"voicemail": Kind.VOICEMAIL, "forwarded": Kind.FORWARDED}
    return ends.get(history.cause, Kind.MISSED)


def template_of(kind: Kind, texts: Mapping[str, str]) -> str:
    """The company's text for a kind of call, else the default in the language that is active."""
    return texts.get(kind) or str(DEFAULTS[kind])


def check_template(kind: Kind, template: str) -> str:
    """A template as it may be kept (empty: the default); raises ValidationError saying why not."""
    text = template.replace("\r\n", "\n").strip()
    if len(text) > MAX_LENGTH:
        raise ValidationError(
            ngettext("At most %(most)s sign.", "At most %(most)s signs.", MAX_LENGTH) % {"most": MAX_LENGTH}
        )
    if any(not sign.isprintable() and sign != "\n" for sign in text):
        raise ValidationError(_("The text has signs that cannot be shown."))
    for name in _PLACE.findall(text):
        if name not in PLACES:
            raise ValidationError(
                _("There is no [%(name)s]. There are: %(names)s.")
                % {"name": name, "names": ", ".join(f"[{place}]" for place in PLACES)}
            )
        if name == "Duration" and kind not in _SPOKEN:
            raise ValidationError(_("Nobody spoke in such a call: it has no [Duration]."))
    return text


def write_note(history: History, *, zone: ZoneInfo, texts: Mapping[str, str]) -> str:
    """The note of a call by the company's texts (the marker is added when it is written)."""
    return note_text(history, template=template_of(kind_of(history), texts), zone=zone)


def preview(kind: Kind | str, template: str, *, zone: ZoneInfo | None = None) -> str:
    """What a note with this template would look like, of a made-up call; raises ValidationError."""
    kind = Kind(kind)
    text = check_template(kind, template) or str(DEFAULTS[kind])
    return note_text(_example(kind), template=text, zone=zone or ZoneInfo("UTC"))


def _example(kind: Kind) -> History:
    spoken = kind in _SPOKEN
    number = "+1 312-555-0142"
    dora = Part("Dora Dean (104)", "104", rang_s=12, talked_s=151 if spoken else 0, answered=spoken)
    return History(
        direction="outbound" if kind in {Kind.OUTBOUND, Kind.NOT_ANSWERED} else "inbound",
        number=number,
        name="Grace Customer",
        dialled="+1 212-555-0100",
        started_at=datetime(2026, 3, 2, 14, 5, tzinfo=UTC),
        parts=(dora,),
        agent=dora.who,
        extension="104",
        talked_s=dora.talked_s,
        cause=kind.value if kind in {Kind.VOICEMAIL, Kind.FORWARDED} else "",
    )
