"""The design system as template tags: icons, initials, states, fields, and times as people say them."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

register = template.Library()

TINTS = 5


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """A symbol of the sprite; always beside a word, so hidden from screen readers."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>',
        classes,
        static("dashboard/icons.svg"),
        name,
    )


@register.simple_tag
def avatar(name: object, key: object = "", classes: str = "") -> SafeString:
    """The initials of somebody on a tint that is always the same for the same key."""
    words = [word for word in str(name).split() if word[0].isalnum()]
    letters = "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()
    if not letters:
        return format_html('<span class="av av--none {}" aria-hidden="true">?</span>', classes)
    tint = zlib.crc32(str(key or name).encode()) % TINTS + 1
    return format_html('<span class="av av--{} {}" aria-hidden="true">{}</span>', tint, classes, letters)


@register.simple_tag
def state(kind: str, icon_name: str, text: object, classes: str = "") -> SafeString:
    """An icon and one to four words; kind is ok, idle, live, warn or bad."""
    return format_html('<span class="state state--{} {}">{}{}</span>', kind, classes, icon(icon_name), text)


@register.simple_tag
def lock(text: object = "") -> SafeString:
    """The sign that the admin decided this for everybody."""
    return format_html('<span class="lock">{}{}</span>', icon("lock"), text or _("Set by your admin"))


@register.inclusion_tag("dashboard/parts/field.html")
def field(bound: BoundField, icon: str = "", placeholder: str = "", suffix: str = "") -> dict[str, Any]:
    """A form field with its label above, its hint and its error under it."""
    widget = bound.field.widget
    described = [f"{bound.auto_id}-h"] if bound.help_text else []
    if bound.errors:
        described.append(f"{bound.auto_id}-e")
        widget.attrs["aria-invalid"] = "true"
    if described:
        widget.attrs["aria-describedby"] = " ".join(described)
    if placeholder:
        widget.attrs["placeholder"] = placeholder
    is_tick = isinstance(widget, forms.CheckboxInput)
    classes = ["check" if is_tick else "input"]
    if isinstance(widget, forms.PasswordInput):
        classes.append("secret")
    if bound.errors and not is_tick:
        classes.append("input--bad")
    widget.attrs["class"] = " ".join([*classes, *widget.attrs.get("data-classes", "").split()])
    return {"field": bound, "icon": icon, "is_tick": is_tick, "suffix": suffix}


@register.filter
def clock(at: datetime | None) -> SafeString | str:
    """A moment as people say it: 10:39 today, Mon 16:20 this week, 3 October; in full in the title."""
    if at is None:
        return ""
    local, now = timezone.localtime(at), timezone.localtime()
    age = now.date() - local.date()
    if age == timedelta(0):
        text = f"{local:%H:%M}"
    elif timedelta(0) < age < timedelta(days=7):
        text = f"{date_format(local, 'D')} {local:%H:%M}"
    elif local.year == now.year:
        text = date_format(local, pgettext("day and month", "j F"))
    else:
        text = date_format(local, pgettext("day, month and year", "j F Y"))
    return _time(local, text)


@register.filter
def clock_s(at: datetime | None) -> SafeString | str:
    """The time of day with its seconds."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    return _time(local, f"{local:%H:%M:%S}")


@register.filter
def day(at: datetime) -> str:
    """The day as a heading: Today, Yesterday, Monday 23 November."""
    local, today = timezone.localtime(at).date(), timezone.localdate()
    if local == today:
        return _("Today")
    if local == today - timedelta(days=1):
        return _("Yesterday")
    return date_format(local, pgettext("weekday, day and month", "l j F"))


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """How long ago, in one unit: 2 s ago, 4 minutes ago, 3 days ago."""
    if at is None:
        return _("never")
    seconds = max(0, int((timezone.now() - at).total_seconds()))
    if seconds < 60:
        text = _("%(n)s s ago") % {"n": seconds}
    elif seconds < 3600:
        minutes = seconds // 60
        text = ngettext("%(n)s minute ago", "%(n)s minutes ago", minutes) % {"n": minutes}
    elif seconds < 86_400:
        hours = seconds // 3600
        text = ngettext("%(n)s hour ago", "%(n)s hours ago", hours) % {"n": hours}
    else:
        days = seconds // 86_400
        text = ngettext("%(n)s day ago", "%(n)s days ago", days) % {"n": days}
    return _time(timezone.localtime(at), text)


@register.filter
def took(span: timedelta | float | None) -> str:
    """How long something lasted: 52 s, 8 min 20 s, 1 h 4 min."""
    if span is None:
        return ""
    seconds = int(span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < 60:
        return _("%(s)s s") % {"s": seconds}
    if seconds < 3600:
        return _("%(m)s min %(s)s s") % {"m": seconds // 60, "s": seconds % 60}
    return _("%(h)s h %(m)s min") % {"h": seconds // 3600, "m": seconds % 3600 // 60}


@register.filter
def offset(span: timedelta | None) -> str:
    """How long after the beginning: + 96 ms, + 9.1 s, + 8:20, + 2 h 14 min."""
    if span is None:
        return ""
    seconds = span.total_seconds()
    if seconds < 1:
        return _("+ %(ms)s ms") % {"ms": max(0, round(seconds * 1000))}
    if seconds < 60:
        return _("+ %(s).1f s") % {"s": seconds}
    if seconds < 3600:
        return f"+ {int(seconds) // 60}:{int(seconds) % 60:02d}"
    if seconds < 86_400:
        return _("+ %(h)s h %(m)s min") % {"h": int(seconds) // 3600, "m": int(seconds) % 3600 // 60}
    return _("+ %(d)s d %(h)s h") % {"d": int(seconds) // 86_400, "h": int(seconds) % 86_400 // 3600}


@register.filter
def unlocalised(number: float) -> str:
    """A number for an attribute: always with a point."""
    return f"{number:g}"


@register.filter
def plus_one(number: float) -> float:
    """One more, for the text inside a bar."""
    return number + 1


def _time(local: datetime, text: str) -> SafeString:
    full = f"{date_format(local, 'DATE_FORMAT')}, {local:%H:%M:%S %Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), full, text)
