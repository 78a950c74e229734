"""The proof in words: what the last run said, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from nutshellpbx.calls.counting import UNACCOUNTED
from nutshellpbx.calls.models import Call
from nutshellpbx.dashboard.templatetags.look import clock
from nutshellpbx.journal import proving
from nutshellpbx.journal.models import Proving


@dataclass(frozen=True, slots=True)
class Said:
    """A run of the proof as a state, a sentence and what follows from it."""

    run: Proving | None
    kind: str
    icon: str
    text: str
    sentence: str = ""
    next_step: str = ""
    foreign: tuple[str, ...] = ()
    is_running: bool = False


def last_said(*, now: datetime) -> Said:
    """What the last proof said; and whether another one is under way."""
    run, is_running = proving.find_last(), proving.find_running(now=now) is not None
    if run is None:
        text = _("Being proven now") if is_running else _("Not proven yet")
        step = "" if is_running else _("The first proof comes within an hour of the first entries.")
        return Said(None, "idle", "clock", text, next_step=step, is_running=is_running)
    return said_of(run, is_running=is_running)


def said_of(run: Proving, *, is_running: bool = False) -> Said:
    """What one ended run said."""
    kind, icon, text, step = _judged(run)
    foreign = tuple(proving.findings_of(proving=run).get("foreign", ())) if run.foreign else ()
    return Said(run, kind, icon, text, sentence_of(run), step, foreign, is_running)


def sentence_of(run: Proving) -> str:
    """ "Proven 12:00: 412 calls, 398 entries, 398 notes, 0 missing, 0 double", in the reader's language."""
    parts = [
        _count(run.calls, "call"),
        _count(run.entries, "entry"),
        _count(max(0, run.asked - run.unanswered - run.missing), "note"),
        _("%(n)s missing") % {"n": run.missing},
        _("%(n)s double") % {"n": run.double},
    ]
    if run.foreign:
        parts.append(_("%(n)s foreign") % {"n": run.foreign})
    if run.unanswered:
        parts.append(_("%(n)s could not be asked") % {"n": run.unanswered})
    return _("Proven %(when)s: %(what)s") % {"when": _when(run), "what": ", ".join(parts)}


def left_out_of(left_out: dict[str, int]) -> list[tuple[str, str, int]]:
    """The calls without an entry: (code, words, how many), the most first."""
    labels: dict[str, Any] = dict(Call.LeftOut.choices)
    rows = [(code, str(labels.get(code, code)), count) for code, count in left_out.items()]
    return sorted(rows, key=lambda row: -row[2])


def _judged(run: Proving) -> tuple[str, str, str, str]:
    if run.double:
        step = _("Look at the entries whose marker stands twice, and delete the copy in the CRM.")
        return "bad", "circle-alert", _("A note stands twice"), step
    if run.foreign:
        step = _("Another box writes with our form of marker, or a database was restored. See the list.")
        return "bad", "circle-alert", _("Notes that are not ours"), step
    if run.missing:
        step = _("Each is parked here as “not there any more”. Send it again, or mark it as done by hand.")
        return "bad", "circle-alert", _("Notes are missing"), step
    if run.left_out.get(UNACCOUNTED):
        step = _("Calls ended without an entry and without a reason. Send the log to your support.")
        return "bad", "circle-alert", _("Calls are not accounted for"), step
    if run.unanswered:
        step = _("The CRM did not answer for all of them; that says nothing about the notes. We ask again.")
        return "warn", "cloud-off", _("Not everything could be asked"), step
    return "ok", "badge-check", _("None lost, none double"), ""


def _count(n: int, what: str) -> str:
    texts = {
        "call": ngettext("%(n)s call", "%(n)s calls", n),
        "entry": ngettext("%(n)s entry", "%(n)s entries", n),
        "note": ngettext("%(n)s note", "%(n)s notes", n),
    }
    return texts[what] % {"n": n}


def _when(run: Proving) -> str:
    text = str(clock(run.ended_at))
    return text[text.index(">") + 1 : text.rindex("<")] if ">" in text else text
