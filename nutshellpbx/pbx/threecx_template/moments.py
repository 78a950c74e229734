"""Dates and durations as a template sends them: ISO, in a culture's own form, or as a count. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from nutshellpbx.pbx.threecx_template.unverified import CULTURES

#: A report of a call that is older than this, or from the future, has a clock of its own.
OLDEST = timedelta(days=30)
AHEAD = timedelta(minutes=5)
LONGEST = timedelta(hours=24)

_CLOCK = re.compile(r"(?:(\d{1,3})\.)?(\d{1,2}):(\d{2}):(\d{2})(?:[.,]\d+)?")
_ASP = re.compile(r"/Date\((-?\d{1,15})[^)]*\)/")


def find_moment(text: str, *, now: datetime) -> datetime | None:
    """The UTC time that a text means; None when it says none, or one that no call of today can have.

    "03/04/2026" is the third of April or the fourth of March: a report comes soon after its call, so the one
    nearer to now counts.
    """
    text = " ".join(text.split())
    found = [*_counted(text), *_iso(text), *_by_culture(text)]
    fits = [moment for moment in found if now - OLDEST <= moment <= now + AHEAD]
    return min(fits, key=lambda moment: abs(now - moment), default=None)


def find_duration(text: str) -> timedelta | None:
    """A length as hh:mm:ss, d.hh:mm:ss or in seconds; None when it says none."""
    if clock := _CLOCK.fullmatch(text.strip()):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    else:
        try:
            length = timedelta(seconds=float(text.strip().replace(",", ".")))
        except (ValueError, OverflowError):
            return None
    return length if timedelta(0) <= length <= LONGEST else None


def _counted(text: str) -> list[datetime]:
    """Milliseconds or seconds since 1970."""
    asp = _ASP.fullmatch(text)
    if not asp and not (text.isascii() and text.isdigit() and 9 <= len(text) <= 14):
        return []
    count = int(asp[1] if asp else text)
    seconds = count / 1000 if asp or len(text) > 11 else count
    try:
        return [datetime.fromtimestamp(seconds, UTC)]
    except (ValueError, OverflowError, OSError):
        return []


def _iso(text: str) -> list[datetime]:
    try:
        moment = datetime.fromisoformat(text)
        return [(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)]
    except (ValueError, OverflowError):
        return []


def _by_culture(text: str) -> list[datetime]:
    text = re.sub(r"\b([AaPp])\.\s?[Mm]\.", r"\1M", text).upper()
    found = []
    for form in CULTURES:
        try:
            found.append(datetime.strptime(text, form).replace(tzinfo=UTC))
        except ValueError:
            continue
    return found
