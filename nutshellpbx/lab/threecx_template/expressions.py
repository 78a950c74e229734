"""The expressions of a template: [Name], methods on values, IIf, comparisons and the escapes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

#: How a culture writes a date and a time.
CULTURES: Mapping[str, str] = {
    "en-US": "%m/%d/%Y %I:%M:%S %p",
    "en-GB": "%d/%m/%Y %H:%M:%S",
    "de-DE": "%d.%m.%Y %H:%M:%S",
}
ESCAPES = (("{{", "["), ("}}", "]"), ("^^", '"'))
_NAME = re.compile(r"[A-Za-z_][\w:]*")
_METHOD = re.compile(r"\.(\w+)\(")
_NET = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


class ScenarioFailed(Exception):
    """An expression asked for something that is not there: the phone system gives the scenario up."""


def expand(text: str, values: Mapping[str, Any], *, culture: str = "en-US") -> str:
    """The text with everything in brackets filled in; what is not known stays as it is written."""
    out, place = [], 0
    while place < len(text):
        if text[place] == "[":
            end = _closing(text, place)
            value = _value(text[place + 1 : end], values, culture)
            out.append(text[place : end + 1] if value is None else as_text(value, culture))
            place = end + 1
        else:
            out.append(text[place])
            place += 1
    filled = "".join(out)
    for escape, sign in ESCAPES:
        filled = filled.replace(escape, sign)
    return filled


def is_true(text: str, values: Mapping[str, Any], *, culture: str = "en-US") -> bool:
    """Whether a condition holds; an empty one does not."""
    if not text.strip():
        return False
    for word, combine in (("||", any), ("&&", all)):
        parts = _split(text, word)
        if len(parts) > 1:
            return combine(is_true(part, values, culture=culture) for part in parts)
    for operator in ("==", "!=", "<", ">"):
        sides = _split(text, operator)
        if len(sides) == 2:
            left, right = (_plain(expand(side.strip(), values, culture=culture)) for side in sides)
            return _holds(left, operator, right)
    return _plain(expand(text.strip(), values, culture=culture)) == "True"


def as_text(value: Any, culture: str = "en-US") -> str:
    """A value as .NET writes it in a culture."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, datetime):
        return value.strftime(CULTURES[culture])
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return "" if value is None else str(value)


def escaped(text: str) -> str:
    """The URL-escaped twin of a search text."""
    return quote(text, safe="")


def _value(inner: str, values: Mapping[str, Any], culture: str) -> Any:
    """What stands in one pair of brackets; None when it is not known."""
    if inner.startswith("IIf(") and inner.endswith(")"):
        condition, yes, no = _split(inner[4:-1], ",")
        return expand(yes if is_true(condition, values, culture=culture) else no, values, culture=culture)
    if inner.startswith("["):
        end = _closing(inner, 0)
        base, rest = _value(inner[1:end], values, culture), inner[end + 1 :]
        if base is None:
            raise ScenarioFailed(f"{inner} is asked of a value that is missing")
        return _called(base, rest, culture)
    return values.get(inner) if _NAME.fullmatch(inner) else None


def _called(value: Any, rest: str, culture: str) -> Any:
    while rest:
        method = _METHOD.match(rest)
        if method is None:
            raise ScenarioFailed(f"{rest} is no method")
        end = _closing(rest, method.end() - 1, "(", ")")
        arguments = [_plain(part) for part in _split(rest[method.end() : end], ",")]
        value, rest = _method(value, method[1], arguments, culture), rest[end + 1 :]
    return value


def _method(value: Any, name: str, arguments: list[str], culture: str) -> Any:
    match name:
        case "ToString" if isinstance(value, datetime):
            form = arguments[0]
            for net, ours in _NET.items():
                form = form.replace(net, ours)
            return value.strftime(form)
        case "ToString":
            return f"{float(value):.0f}" if arguments[:1] == ["F0"] else as_text(value, culture)
        case "Replace":
            return as_text(value, culture).replace(arguments[0], arguments[1])
        case "get_TotalSeconds" if isinstance(value, timedelta):
            return value.total_seconds()
        case "get_TotalMinutes" if isinstance(value, timedelta):
            return value.total_seconds() / 60
    raise ScenarioFailed(f"{name} is not known")


def _holds(left: str, operator: str, right: str) -> bool:
    if operator == "==":
        return left == right
    if operator == "!=":
        return left != right
    try:
        return float(left) < float(right) if operator == "<" else float(left) > float(right)
    except ValueError as error:
        raise ScenarioFailed(f"{left} and {right} are no numbers") from error


def _closing(text: str, start: int, opens: str = "[", closes: str = "]") -> int:
    """Where what opens at `start` is closed again; quotes hide what is in them."""
    depth, quoted = 0, False
    for place in range(start, len(text)):
        sign = text[place]
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign == opens:
            depth += 1
        elif not quoted and sign == closes:
            depth -= 1
            if depth == 0:
                return place
    raise ScenarioFailed(f"nothing closes {text[start:][:40]}")


def _split(text: str, word: str) -> list[str]:
    """The parts between a word, where it stands in no brackets and no quotes."""
    parts, depth, quoted, start, place = [], 0, False, 0, 0
    while place < len(text):
        sign = text[place]
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign in "[(":
            depth += 1
        elif not quoted and sign in "])":
            depth -= 1
        elif not quoted and depth == 0 and text.startswith(word, place):
            parts.append(text[start:place])
            place += len(word)
            start = place
            continue
        place += 1
    return [*parts, text[start:]]


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
