"""What came back: a 2xx answer, read within bounds, or the fault that its status or its body stands for."""

from __future__ import annotations

import json as json_text
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3
from django.utils.translation import gettext as _

from nutshellpbx.faults import Denied, Fault, Rejected, TryLater
from nutshellpbx.redact import scrub

#: The longest wait that we let the other side dictate.
MAX_RETRY_AFTER_S = 3600.0
#: How much of a refusal is read.
MAX_ERROR_BYTES = 64_000
_CHUNK_BYTES = 65_536
_DETAIL_CHARACTERS = 300


class Refused(Rejected):
    """The other side refused this very request (4xx): `status`, and `body` as parsed JSON if it was some."""

    def __init__(self, title: str, next_step: str = "", *, detail: str = "", status: int, body: Any) -> None:
        super().__init__(title, next_step, detail=detail)
        self.status = status
        self.body = body


class Conflict(Refused):
    """The other side has this already, or has it differently (409)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: header names in lower case, `json` or `text` by its media type, `bytes` its size."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)
    text: str = field(repr=False)
    elapsed_ms: float
    bytes: int


class _Unreadable(Exception):
    """The answer's body is not what it should be; the text says how."""


def read_answer(
    response: requests.Response, started_at: float, *, max_bytes: int, media: Sequence[str], is_write: bool
) -> Answer:
    """Read the answer's body; raises what its status stands for, or `TryLater` for a body that is no answer.

    `started_at` is when the request began, as `time.monotonic()` counts.
    """
    status = response.status_code
    if not 200 <= status < 300:
        raise _fault_of_status(response, is_write=is_write)
    why = ""
    try:
        content = _read_body(response, max_bytes)
        found, text = _parse(response, content, media)
    except _Unreadable as error:
        why = str(error)
    if why:
        raise TryLater(
            _("The answer could not be read."),
            _("It is tried again by itself."),
            detail=why,
            may_have_happened=is_write,
        )
    return Answer(
        status=status,
        headers={name.lower(): value for name, value in response.headers.items()},
        json=found,
        text=text,
        elapsed_ms=(time.monotonic() - started_at) * 1000,
        bytes=len(content),
    )


def _read_body(response: requests.Response, max_bytes: int) -> bytes:
    content = bytearray()
    try:
        while chunk := response.raw.read(_CHUNK_BYTES, decode_content=True):
            content += chunk
            if len(content) > max_bytes:
                raise _Unreadable(f"longer than {max_bytes} bytes")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Unreadable(f"broken off after {len(content)} bytes: {type(error).__name__}") from None
    return bytes(content)


def _parse(response: requests.Response, content: bytes, media: Sequence[str]) -> tuple[Any, str]:
    if not content:
        # 204, or an empty 200: there is nothing whose kind could be wrong.
        return None, ""
    kind, _separator, options = response.headers.get("Content-Type", "").partition(";")
    kind = kind.strip().lower()
    if kind not in media:
        raise _Unreadable(f"of the kind {scrub(kind[:60]) or 'unknown'}")
    if kind.endswith(("/json", "+json")):
        try:
            return json_text.loads(content, parse_constant=_refuse_constant), ""
        except (ValueError, RecursionError) as error:
            raise _Unreadable(f"no JSON: {type(error).__name__}") from None
    charset = options.lower().partition("charset=")[2].strip(" \"'").split(";")[0] or "utf-8"
    try:
        return None, content.decode(charset, "replace")
    except LookupError:
        return None, content.decode("utf-8", "replace")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _fault_of_status(response: requests.Response, *, is_write: bool) -> Fault:
    """The fault table: what each status outside 2xx means."""
    status = response.status_code
    if status in (401, 403):
        return Denied(
            _("The sign-in was refused."),
            _("Check the e-mail and the key, and enter them again."),
            detail=str(status),
        )
    if status == 429:
        return TryLater(
            _("The other side asks us to go slower."),
            _("It is tried again by itself."),
            detail=str(status),
            retry_after_s=_retry_after_s(response),
        )
    if status == 408 or status >= 500:
        return TryLater(
            _("The other side has a problem of its own."),
            _("It is tried again by itself."),
            detail=str(status),
            retry_after_s=_retry_after_s(response),
            may_have_happened=is_write,
        )
    if status < 400:
        # After a write 302 and 303 often mean that it was done; the others only name another address.
        if is_write and status not in (301, 307, 308):
            return TryLater(
                _("The other side gave no clear answer."),
                _("It is tried again by itself."),
                detail=str(status),
                may_have_happened=True,
            )
        return Denied(
            _("The address leads on to another one, and a sign-in is not sent there."),
            _("Enter the address that it leads to in the settings."),
            detail=str(status),
        )
    kind = Conflict if status == 409 else Refused
    found, detail = _reason(response)
    return kind(
        _("The other side refused this request."),
        _("See what it says, and send it again or set it aside."),
        detail=f"{status} {detail}".strip(),
        status=status,
        body=found,
    )


def _reason(response: requests.Response) -> tuple[Any, str]:
    """What a refusal says, as JSON and as the beginning of its text; nothing where it cannot be read."""
    try:
        content = _read_body(response, MAX_ERROR_BYTES)
        found, text = _parse(
            response, content, ("application/json", "application/problem+json", "text/plain")
        )
    except _Unreadable:
        return None, ""
    return found, scrub((text or content.decode("utf-8", "replace"))[:_DETAIL_CHARACTERS])


def _retry_after_s(response: requests.Response) -> float | None:
    """The Retry-After header in seconds from now, between 0 and an hour; None where it says nothing clear."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        wait_s = float(text[:12])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait_s = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)
