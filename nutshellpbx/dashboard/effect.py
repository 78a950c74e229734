"""What a user's settings do, in whole sentences: one message per choice, so that each translates well."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from nutshellpbx.people.models import Preferences
from nutshellpbx.people.preferences import Effective

OpenMode, Unknown = Preferences.OpenMode, Preferences.Unknown


def effect_of(settings: Effective) -> list[SafeString]:
    """The sentences to be shown above the settings; the emphasised words are part of the messages."""
    sentences = [_opens(settings)]
    if settings.open_mode != OpenMode.NEVER:
        sentences.append(_unknown(settings))
    sentences.append(_after(settings))
    return [format_html(sentence, n=settings.longer_than) for sentence in sentences]


def _opens(settings: Effective) -> str:
    n = settings.longer_than
    if settings.open_mode == OpenMode.NEVER:
        return _("Your desk opens <b>no page</b> when a call comes.")
    if settings.open_mode == OpenMode.ANSWER:
        return ngettext(
            "Your desk opens the contact <b>when you answer</b>,"
            " if the number is longer than <b>{n} digit</b>.",
            "Your desk opens the contact <b>when you answer</b>,"
            " if the number is longer than <b>{n} digits</b>.",
            n,
        )
    return ngettext(
        "Your desk opens the contact <b>when the phone rings</b>,"
        " if the number is longer than <b>{n} digit</b>.",
        "Your desk opens the contact <b>when the phone rings</b>,"
        " if the number is longer than <b>{n} digits</b>.",
        n,
    )


def _unknown(settings: Effective) -> str:
    if settings.unknown == Unknown.CREATE:
        return _("Somebody unknown is <b>created in the CRM at once</b> and opened.")
    if settings.unknown == Unknown.FORM:
        return _("For somebody unknown, the <b>new-contact form</b> opens.")
    return _("For somebody unknown, <b>nothing opens</b>.")


def _after(settings: Effective) -> str:
    if not settings.journaling:
        return _("After the call <b>no note is written</b>.")
    if settings.open_after:
        return _("After the call a <b>note is written</b>, and the contact <b>opens again</b> if you spoke.")
    return _("After the call a <b>note is written</b>; the contact does not open again.")
