"""No secret, no header and no full phone number ever reaches a log.

Two nets, one behind the other. By type: whatever is secret travels as a `Secret`, which shows itself as three
asterisks. By pattern: every log line, traceback and structured event goes through `scrub` on its way out.
"""

from __future__ import annotations

import hmac
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, NoReturn

HIDDEN = "***"

# The last digits of a number that a log may show.
SHOWN_DIGITS = 4
# From this many digits on a number can be somebody's; shorter ones are extensions, ports and codes.
LONG_NUMBER_DIGITS = 7
# Deep enough for any event of ours; what hides deeper is hidden.
_MAX_DEPTH = 8


class Secret:
    """A text that shows itself as `***` wherever it is printed; `reveal()` is the only way to read it."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self.__text

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    # A hash would tell two secrets apart without the constant-time comparison.
    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A secret is never pickled: pass the id of its sealed row.")


def mask_number(number: str) -> str:
    """Return a phone number with only its last four digits: `+13125550142` -> `•••0142`.

    Up to four digits (an extension, an emergency number) stay as they are; a text without digits becomes
    `•••`.
    """
    digits = "".join(character for character in number if character.isdigit())
    if not digits:
        return "•••" if number.strip() else ""
    if len(digits) <= SHOWN_DIGITS:
        return digits
    return "•••" + digits[-SHOWN_DIGITS:]


# Control characters, line ends of every kind (a forged log line starts with one), and the marks that
# turn the reading direction. The tab is a control character too.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTROL_NAMES = {"\r": r"\r", "\n": r"\n", "\t": r"\t"}

# A value after `name=` or `name: `: in quotes to the closing quote, else up to a blank or a separator.
_VALUE = r"""(?:\\*"(?:[^"\\]|\\[^"])*\\*"?|\\*'(?:[^'\\]|\\[^'])*\\*'?|[^\s,;&}"'<>]+)"""
_AFTER_NAME = r"""\\*["']?\s*(?:=>|[:=]|%3[AaDd])\s*"""

# No part of a pattern is unbounded before its fixed word, so that a long hostile line takes linear time.
# There is no word boundary before a name: an escaped line end, `\nAuthorization`, would hide it.

# Headers whose whole rest of the line is secret, unless it stands in quotes.
_HEADER = re.compile(
    r"""(?P<name>(?:proxy-)?authorization|(?:set-)?cookie|webhook-signature)"""
    + _AFTER_NAME
    + r"""(?:b?\\*"(?:[^"\\]|\\[^"])*\\*"?|b?\\*'(?:[^'\\]|\\[^'])*\\*'?|[^\r\n]+)""",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"""(?P<name>api(?:[-_ ]|%20)?key|access[-_ ]?key|private[-_ ]?key|secret[-_ ]?key|token|secret|"""
    r"""passw(?:or)?d|passphrase|pwd|signature|csrf\w{0,32}|session[-_]?id|\botp)""" + _AFTER_NAME + _VALUE,
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"""(?:(?<![a-z])|(?<=\\[nrt]))(?P<scheme>basic|bearer|digest):?(?:\s|%20|\+)+["']?[^\s,;"'<>]+""",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"""(?P<start>[a-z][a-z0-9+.-]{0,31}://)[^\s/?#"'<>]*@""", re.IGNORECASE)
# What a sender that cannot set headers puts behind its hook's address is a secret, however short.
_HOOK = re.compile(r"""(?P<start>/hooks/[^/\s]{1,64}/events/)[^\s?#"'<>]+""", re.IGNORECASE)
# Our own tokens and Standard Webhooks secrets say what they are.
_OURS = re.compile(r"(?P<kind>npbx[a-z0-9]*_|whsec_)[A-Za-z0-9_+/=%-]+", re.IGNORECASE)

_LONG = re.compile(r"(?:[A-Za-z0-9+/_-]|%[0-9A-Fa-f]{2}){32,}={0,2}")
_UUID = r"(?<![0-9A-Za-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9A-Za-z])"
_ONE_UUID = re.compile(_UUID, re.IGNORECASE)
# What is long and yet plainly no key: paths of lower-case segments, and names_of_functions.
_PATH = re.compile(r"/{0,2}(?:[A-Z]?[a-z0-9_.-]{1,31}/)+(?:[A-Z]?[a-z0-9_.-]{1,31})?")
_SNAKE = re.compile(r"_{0,2}(?:[a-z]{1,20}_){2,}[a-z]{1,20}_{0,2}")

# Digits that are no phone number come first, so that they are passed over: row ids, points in time, IPv4
# addresses (four groups of two digits are a phone number in Denmark), Asterisk's call ids, small decimals.
_NUMBERS = re.compile(
    rf"(?P<keep>{_UUID}"
    r"|(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?:[T ][0-2]\d:[0-5]\d(?::\d\d(?:[.,]\d{1,9})?)?)?(?![\d-])"
    r"|(?<![\d:])[0-2]?\d:[0-5]\d:[0-6]\d(?:[.,]\d{1,9})?(?!\d)"
    r"|(?<![\d.])(?!(?:\d\d\.){3}\d\d(?!\d))(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)"
    r"|(?<![\d.+])1[5-9]\d{8}\.\d{1,7}(?![\d.])"
    r"|(?<![\d.+])0\.\d+(?!\.?\d))"
    r"|(?:\+|%2[Bb])?\d(?:(?:[\s().\-/\u00a0\u2010-\u2015\u202f]|%20|%2[89Dd]){0,3}\d){6,}",
    re.IGNORECASE,
)


def _escape(match: re.Match[str]) -> str:
    return _CONTROL_NAMES.get(match.group(), f"\\x{ord(match.group()):02x}")


def _hide_long(match: re.Match[str]) -> str:
    text = match.group()
    if _ONE_UUID.fullmatch(text) or _SNAKE.fullmatch(text) or ("/" in text and _PATH.fullmatch(text)):
        return text
    # A path or an address with a row id in it is no key either.
    if "/" in text and _PATH.fullmatch(_ONE_UUID.sub("id", text)):
        return text
    return HIDDEN


def _hide_number(match: re.Match[str]) -> str:
    return match.group() if match.group("keep") else mask_number(re.sub("%[0-9A-Fa-f]{2}", "", match.group()))


def scrub(text: str) -> str:
    """Return a text with keys, tokens and headers hidden, numbers masked and control characters escaped.

    A long number (7 digits or more) keeps its last four. Points in time, UUIDs and IP addresses stay.
    """
    text = _HEADER.sub(rf"\g<name> {HIDDEN}", text)
    text = _CONTROLS.sub(_escape, text)
    text = _USERINFO.sub(rf"\g<start>{HIDDEN}@", text)
    text = _HOOK.sub(rf"\g<start>{HIDDEN}", text)
    text = _OURS.sub(rf"\g<kind>{HIDDEN}", text)
    text = _SCHEME.sub(rf"\g<scheme> {HIDDEN}", text)
    text = _NAMED.sub(rf"\g<name>={HIDDEN}", text)
    text = _LONG.sub(_hide_long, text)
    return _NUMBERS.sub(_hide_number, text)


_SECRET_NAME = re.compile(
    r"authorization|cookie|api[-_]?key|access[-_]?key|private[-_]?key|secret|token|passw|passphrase|signature|csrf",
    re.IGNORECASE,
)


def scrub_value(value: Any, *, name: str = "", depth: int = 0) -> Any:
    """Return a value fit for a structured log: texts scrubbed, values under secret names hidden.

    Numbers, booleans and None stay; lists and mappings are walked; any other thing becomes its scrubbed text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Secret) or depth > _MAX_DEPTH or (name and _SECRET_NAME.search(name)):
        return HIDDEN
    if isinstance(value, int):
        return mask_number(str(value)) if "number" in name.lower() else value
    if isinstance(value, float):
        return value
    if isinstance(value, Mapping):
        return {
            scrub(str(key)): scrub_value(item, name=str(key), depth=depth + 1) for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [scrub_value(item, name=name, depth=depth + 1) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return scrub(bytes(value).decode("utf-8", "backslashreplace"))
    return scrub(value if isinstance(value, str) else str(value))


def describe_exception(error: BaseException) -> str:
    """Return an exception's traceback, scrubbed line by line; no line of it can pass for a log line."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(f"  | {scrub(line)}" for line in lines)


# What every record has of its own; anything else came in by `extra=`.
_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Redacting(logging.Filter):
    """A filter that lets every record pass, scrubbed: message, arguments, traceback and extra fields."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "uvicorn.access" and isinstance(record.args, tuple):
            # Its formatter takes the arguments apart, so they must keep their places.
            record.args = tuple(scrub(item) if isinstance(item, str) else item for item in record.args)
        else:
            record.msg = scrub(_text_of(record))
            record.args = None
        if record.exc_info and isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
            record.exc_text = describe_exception(record.exc_info[1])
        elif record.exc_text:
            record.exc_text = "\n".join(scrub(line) for line in record.exc_text.splitlines())
        # The exception itself would be formatted again, unscrubbed, by a handler that looks for it.
        record.exc_info = None
        if record.stack_info:
            record.stack_info = "\n".join(f"  | {scrub(line)}" for line in record.stack_info.splitlines())
        for name in vars(record).keys() - _RECORD_FIELDS:
            setattr(record, name, scrub_value(getattr(record, name), name=name))
        return True


class RedactingFormatter(logging.Formatter):
    """A formatter whose lines are scrubbed once more as a whole; `format` is a %-style line format."""

    def __init__(self, format: str | None = None, datefmt: str | None = None) -> None:
        super().__init__(format, datefmt)

    def formatMessage(self, record: logging.LogRecord) -> str:
        return scrub(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return describe_exception(ei[1]) if ei[1] is not None else ""


def _text_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # A log call with the wrong number of arguments: say what can be said.
        return f"{record.msg} {record.args!r}"


def scrub_event(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Scrub one structlog event; stands last before the renderer.

    `exc_info` becomes the field `exception`, as text.
    """
    exc_info = event.pop("exc_info", None)
    error: BaseException | None = None
    if isinstance(exc_info, BaseException):
        error = exc_info
    elif isinstance(exc_info, tuple):
        error = exc_info[1]
    elif exc_info:
        error = sys.exc_info()[1]
    for name in list(event):
        event[name] = scrub_value(event[name], name=name)
    if error is not None:
        event["exception"] = describe_exception(error)
    return event


def _print_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    elif error is not None and sys.stderr is not None:
        sys.stderr.write(describe_exception(error) + "\n")


def _print_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    if uncaught.exc_type is not SystemExit:
        _print_uncaught(uncaught.exc_type, uncaught.exc_value, uncaught.exc_traceback)


def install() -> None:
    """Put the redaction before every log record of this process, whatever logger or handler it goes through.

    Records are scrubbed as they are made; the handlers that the root logger has now scrub the extra fields
    too. Uncaught exceptions are printed scrubbed. Calling it again changes nothing more.
    """
    redacting = Redacting()
    make: Callable[..., logging.LogRecord] = logging.getLogRecordFactory()
    if not getattr(make, "redacts", False):

        def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make(*args, **kwargs)
            redacting.filter(record)
            return record

        make_redacted.redacts = True  # type: ignore[attr-defined]
        logging.setLogRecordFactory(make_redacted)
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, Redacting) for each in handler.filters):
            handler.addFilter(redacting)
    sys.excepthook = _print_uncaught
    threading.excepthook = _print_uncaught_in_thread
