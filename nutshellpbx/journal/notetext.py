"""Making a note's text fit to be sent: it holds what strangers wrote, so nothing in it is trusted."""

from __future__ import annotations

import unicodedata

from nutshellpbx.journal.marker import without_look_alikes

MAX_TEXT = 4_000
MAX_LINE = 200

#: Invisible characters that turn round the order of what follows, or hide in it.
_UNSEEN = frozenset(
    "\u00ad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
#: Everything that some program takes for the end of a line.
_LINE_ENDS = {"\r\n": "\n", "\r": "\n", "\u0085": "\n", "\u2028": "\n", "\u2029": "\n", "\t": " "}


def clean_text(text: str) -> str:
    """The text without control characters and marker look-alikes, at most MAX_TEXT characters."""
    bounded = text[: 4 * MAX_TEXT]
    for end, plain in _LINE_ENDS.items():
        bounded = bounded.replace(end, plain)
    kept = "".join(letter for letter in bounded if letter == "\n" or _is_plain(letter))
    lines = [line.rstrip() for line in without_look_alikes(kept).strip().split("\n")]
    whole = "\n".join(lines)
    return whole if len(whole) <= MAX_TEXT else whole[: MAX_TEXT - 1].rstrip() + "…"


def clean_line(text: str, *, limit: int = MAX_LINE) -> str:
    """One line of at most `limit` characters, without control characters."""
    kept = "".join(letter if _is_plain(letter) else " " for letter in text[: 4 * limit])
    return " ".join(kept.split())[:limit]


def _is_plain(letter: str) -> bool:
    return letter not in _UNSEEN and unicodedata.category(letter) not in {"Cc", "Cs", "Co", "Zl", "Zp"}
