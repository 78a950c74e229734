"""Who posted, and what: Zammad's generic CTI form as bytes in and one plain object out.

The form (docs.zammad.org, "Generic CTI"): a POST with the members event, from, to, direction, callId, user,
queue, cause, answeringNumber, as JSON, as a URL-encoded form or as multipart form data. The sender proves
itself by a token at the end of the address; one that can send headers may send it as a bearer token or as the
password of HTTP Basic instead, where no log of addresses ever sees it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from nutshellpbx.faults import Denied, Rejected

MAX_BODY = 64 * 1024
#: More members than any sender of this form has; a group of fifty phones is fifty of them.
MAX_MEMBERS = 100
#: An event that the form does not have is a word, not longer than this: it is kept and counted.
MAX_EVENT = 40
#: Names of members that scripts in the field write in their own way.
SPELLINGS: Mapping[str, str] = {
    "callid": "callId",
    "call_id": "callId",
    "answeringnumber": "answeringNumber",
    "answering_number": "answeringNumber",
}

_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70})"?', re.IGNORECASE)
_PART_NAME = re.compile(rb'name="([^"\r\n]{1,100})"', re.IGNORECASE)


def check_token(*, headers: Mapping[str, str], token: str, secret: str) -> None:
    """Return when the address, a bearer token or a Basic password is the secret; raises `Denied` else."""
    offered = [token, *_from_header(headers.get("authorization", ""))]
    wanted = secret.encode()
    fits = [hmac.compare_digest(value.encode("utf-8", "replace"), wanted) for value in offered]
    if not secret or True not in fits:
        raise Denied(
            "The token is missing or wrong.",
            "Post to this phone system's address with its secret behind the last slash.",
        )


def read_body(*, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The members of a post, "user" a list of texts, any other a text; raises `Rejected` by member."""
    if len(body) > MAX_BODY:
        raise Rejected("The post is too large.", f"Send at most {MAX_BODY} bytes.", detail="body")
    boundary = _BOUNDARY.search(headers.get("content-type", ""))
    if boundary is not None:
        return _gathered(_parts(body, boundary[1].strip().encode()))
    text = _decoded(body).strip()
    if text.startswith("{"):
        return _gathered(_members(text))
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_MEMBERS)
    except ValueError as error:
        raise Rejected(
            "The post cannot be read.", "Send a form or one JSON object.", detail="body"
        ) from error
    return _gathered((name, _with_plus(name, value)) for name, value in pairs)


def _with_plus(name: str, value: str) -> str:
    """A number whose plus sign the sender forgot to encode: a form reads it as a space."""
    is_number = name in {"from", "to", "answeringNumber"} and value[:1] == " " and value[1:2].isdigit()
    return f"+{value[1:]}" if is_number else value


def _from_header(header: str) -> list[str]:
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return [value.strip()]
    if scheme.lower() == "basic":
        try:
            return [base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")[2]]
        except (binascii.Error, ValueError):
            return []
    return []


def _members(text: str) -> Iterable[tuple[str, Any]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected("The post is not JSON.", "Send one JSON object.", detail="body") from error
    for name, value in content.items():
        for single in value if isinstance(value, list) else [value]:
            yield name, single


def _parts(body: bytes, boundary: bytes) -> Iterable[tuple[str, str]]:
    """The fields of multipart form data; files and parts without a name are passed over."""
    for part in body.split(b"--" + boundary)[1:]:
        head, gap, content = part.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head)
        if gap and name is not None and b"filename=" not in head.lower():
            yield _decoded(name[1]), _decoded(content.removesuffix(b"\r\n"))


def _gathered(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Members by name: "user" and "user[]" become a list; of another that comes again the last one counts."""
    members: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs):
        if count >= MAX_MEMBERS:
            raise Rejected("The post has too many members.", "Send the form's own members.", detail="body")
        name = str(name).removesuffix("[]")[:100]
        name = SPELLINGS.get(name.lower(), name)
        single = _single(name, value)
        if name == "user":
            members.setdefault(name, []).extend([single] if single else [])
        else:
            members[name] = single
    event = members.get("event", "")
    if not event or len(event) > MAX_EVENT or not event.isprintable():
        raise Rejected("event is missing.", "Send newCall, answer or hangup as event.", detail="event")
    return members


def _single(name: str, value: Any) -> str:
    """A member's text; numbers are written out, what the form does not know is never a reason to refuse."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return str(value)[:100]
    if name in {"event", "from", "to", "direction", "callId", "user", "answeringNumber"}:
        raise Rejected(f"{name} must be text.", "Send one text for it.", detail=name)
    return ""


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("The post is not UTF-8 text.", "Send UTF-8.", detail="body") from error
