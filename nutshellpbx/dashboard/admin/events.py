"""Live events: every call as it happens, with its lanes, and what is decided about it, line by line.

The page asks each second and is answered only when there is something new. It is read anew from the rows each
time, so a tab that slept misses nothing. Paused, it stands still at a moment that is in its address; older
moments are reached the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from nutshellpbx.calls.models import Call
from nutshellpbx.dashboard.callshow.line import CallLine, lines_of
from nutshellpbx.dashboard.callshow.story import Lane, lanes_of_all
from nutshellpbx.dashboard.callshow.stream import MOST_LINES, Stream, calls_at, mark_of, stream_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.pbx.models import Pbx

#: So many lines a page begins with; it grows to MOST_LINES, then the oldest go.
AT_FIRST = 40
MOST_LIVE = 20
#: Nothing is read out more often than this, or nobody could hear anything else.
SAID_EVERY = timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for: a phone system, an extension, and the moment at which the page is paused."""

    pbx: str = ""
    extension: str = ""
    until: datetime | None = None

    @property
    def query(self) -> str:
        """The filter for an address, without the moment."""
        return urlencode({"pbx": self.pbx, "ext": self.extension}) if self.is_filtered else ""

    @property
    def is_filtered(self) -> bool:
        return bool(self.pbx or self.extension)

    def calls(self) -> Any:
        return calls_at(pbx=UUID(self.pbx) if self.pbx else None, extension=self.extension)


@dataclass(frozen=True, slots=True)
class State:
    """What the page remembers and sends with its next question: what it has seen and read out, as text."""

    seen: str
    since: str
    newest: str
    said: str
    said_at: str


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call that goes on, with its lanes."""

    line: CallLine
    lanes: list[Lane]


@open_to(May.SUPERVISOR)
@require_safe
def page(request: Visit) -> HttpResponse:
    """The whole page, live or standing still."""
    wanted, now = _wanted(request), timezone.now()
    seen = mark_of()
    stream = stream_of(wanted.calls(), until=wanted.until or now, most=AT_FIRST)
    since = stream.oldest_at or now
    newest = stream.lines[0].key if stream.lines else ""
    context = _now(wanted, now) | {
        "section": "events",
        "stream": stream,
        "older": _older(wanted, stream),
        "pbxs": Pbx.objects.order_by("name"),
        "state": State(seen, since.isoformat(), newest, newest, now.isoformat()),
    }
    return render(request, "dashboard/admin/events.html", context)


@open_to(May.SUPERVISOR)
@require_safe
def live(request: Visit) -> HttpResponse:
    """What is to be seen now; 204 when that is what the page shows already."""
    wanted, now = _wanted(request), timezone.now()
    before = State(*(request.GET.get(name, "")[:40] for name in State.__slots__))
    seen = mark_of()
    context = _now(wanted, now) | {"state": before}
    last_said = _moment(before.said_at)
    may_say = last_said is None or now - last_said >= SAID_EVERY
    if seen != before.seen or (may_say and before.newest != before.said):
        since = _moment(before.since) or now
        stream = stream_of(wanted.calls(), until=now, most=MOST_LINES, since=since)
        newest = stream.lines[0].key if stream.lines else ""
        sentence = _sentence(stream, before.said) if may_say else ""
        if len(stream.lines) >= MOST_LINES and stream.oldest_at is not None:
            since = stream.oldest_at
        state = replace(before, seen=seen, since=since.isoformat(), newest=newest)
        if sentence:
            state = replace(state, said=newest, said_at=now.isoformat())
        context |= {"stream": stream, "older": _older(wanted, stream), "said": sentence, "state": state}
    elif not context["live"]:
        return HttpResponse(status=204)
    return render(request, "dashboard/admin/events_live.html", context)


@open_to(May.SUPERVISOR)
@require_safe
def pause(request: Visit) -> HttpResponse:
    """Stand still at this moment, which is in the address from now on."""
    wanted = _wanted(request)
    query = {"pbx": wanted.pbx, "ext": wanted.extension, "until": timezone.now().isoformat()}
    return redirect(f"{reverse('events')}?{urlencode(query)}")


@open_to(May.SUPERVISOR)
@require_safe
def waiting(request: Visit) -> HttpResponse:
    """How many lines have come since the page was paused."""
    wanted, now = _wanted(request), timezone.now()
    return render(request, "dashboard/admin/events_waiting.html", _since_pause(wanted, now))


def _wanted(request: Visit) -> Wanted:
    pbx = request.GET.get("pbx", "")
    return Wanted(
        pbx=pbx if _is_uuid(pbx) else "",
        extension=request.GET.get("ext", "").strip()[:20],
        until=_moment(request.GET.get("until", "")),
    )


def _now(wanted: Wanted, now: datetime) -> dict[str, Any]:
    """The calls that go on; on a page that stands still, how many lines wait."""
    if wanted.until:
        return _since_pause(wanted, now)
    live = _live_calls(wanted, now)
    count = len(live)
    if count >= MOST_LIVE:
        count = wanted.calls().filter(state=Call.State.LIVE).count()
    return {"wanted": wanted, "live": live, "live_count": count}


def _live_calls(wanted: Wanted, now: datetime) -> list[LiveCall]:
    live = wanted.calls().filter(state=Call.State.LIVE).select_related("pbx").order_by("-started_at")
    calls = list(live[:MOST_LIVE])
    lanes = lanes_of_all(calls, now=now)
    return [LiveCall(line, lanes[line.call.pk]) for line in lines_of(calls)]


def _sentence(stream: Stream, last_key: str) -> str:
    """What is read out of the lines that are newer than the one that was read out last."""
    keys = [line.key for line in stream.lines]
    n = keys.index(last_key) if last_key in keys else len(keys)
    if n == 0:
        return ""
    newest = stream.lines[0].said
    if n == 1:
        return newest
    text = ngettext("%(n)s new line, the newest: %(newest)s", "%(n)s new lines, the newest: %(newest)s", n)
    return text % {"n": n, "newest": newest}


def _since_pause(wanted: Wanted, now: datetime) -> dict[str, Any]:
    """The lines that wait behind the pause, as a sentence."""
    until = wanted.until or now
    new = stream_of(wanted.calls(), until=now, most=MOST_LINES, since=until + timedelta(microseconds=1))
    n = len(new.lines)
    if not n:
        text = _("Nothing new since then.")
    elif n >= MOST_LINES:
        text = _("More than %(n)s new lines since then.") % {"n": MOST_LINES}
    else:
        text = ngettext("%(n)s new line since then.", "%(n)s new lines since then.", n) % {"n": n}
    return {"wanted": wanted, "waiting_text": text}


def _older(wanted: Wanted, stream: Stream) -> str:
    """The query of the page that goes on where this one ends; empty at the end."""
    if not stream.is_cut or stream.oldest_at is None:
        return ""
    before = stream.oldest_at - timedelta(microseconds=1)
    return urlencode({"pbx": wanted.pbx, "ext": wanted.extension, "until": before.isoformat()})


def _moment(text: str) -> datetime | None:
    """A moment of an address, or None for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 2000 < moment.year < 9000 else None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
