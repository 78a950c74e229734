"""The ways in that a 3CX offers to us, and what each one gives: words for the phone system's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found out; None: not asked, or it could not be asked."""

    call_control: bool | None = None
    users: bool | None = None
    call_log: bool | None = None
    cdr: str = ""  # the way that is entered: file, passive, active
    extensions: int = 0


def in_words(found: Found) -> Mapping[str, str]:
    """Name of each way in -> whether it is possible here, and what it gives."""
    return {
        _("Call Control API"): _answer(
            found.call_control,
            _("the record opens on the ring, for each of %(count)s extensions; a note of each call; dialling")
            % {"count": found.extensions},
            _("needs version 20 and an Enterprise licence for 8 calls or more"),
        ),
        _("Users (XAPI)"): _answer(
            found.users,
            _("extensions and people are imported, matched by e-mail"),
            _("needs Configuration API access with a role; without it extensions are entered by hand"),
        ),
        _("Call log (XAPI)"): _answer(
            found.call_log,
            _("calls that were missed while the connection was down, or that rang nowhere, are added"),
            _("needs Configuration API access with a role; CDR does the same"),
        ),
        _("Call records (CDR)"): _cdr(found.cdr),
        _("CRM template"): _("from version 16 on, PRO and up: 3CX asks us who calls and reports each call"),
        _("Contact URL in the client"): _(
            "every edition: the 3CX app opens our page with the caller’s number"
        ),
    }


def _answer(is_possible: bool | None, gives: str, needs: str) -> str:
    if is_possible is None:
        return _("not found out; %(needs)s") % {"needs": needs}
    return (
        _("possible: %(gives)s") % {"gives": gives}
        if is_possible
        else _("not here: %(needs)s") % {"needs": needs}
    )


def _cdr(way: str) -> str:
    gives = _("calls that nobody heard are added after their end")
    if not way or way == "off":
        return _("PRO and up, not entered here; it gives: %(gives)s") % {"gives": gives}
    kinds = {"file": _("a file"), "passive": _("3CX’s port"), "active": _("a port of ours")}
    return _("by %(way)s: %(gives)s") % {"way": kinds.get(way, way), "gives": gives}
