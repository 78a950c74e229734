"""Who asks, and what: key, network and fields of a template's requests, as bytes in and texts out.

The template posts JSON; a form is read too. A value that is a variable's own name in brackets was never set,
and counts as empty.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from nutshellpbx.faults import Denied, Rejected
from nutshellpbx.pbx.threecx_template.unverified import LITERAL

MAX_BODY = 64 * 1024
MAX_FIELDS = 40
#: Longest values by field; what is only shown is cut, what identifies something is refused.
EXACT: Mapping[str, int] = {
    "report": 10,
    "number": 64,
    "direction": 20,
    "call_type": 20,
    "agent": 20,
    "queue": 40,
    "duration": 40,
    "start": 60,
    "established": 60,
    "end": 60,
    "entity_id": 120,
    "entity_type": 40,
}
SHOWN: Mapping[str, int] = {
    "name": 200,
    "first_name": 100,
    "last_name": 100,
    "company": 200,
    "email": 254,
    "text": 100,
}
#: How phone systems write a caller who shows no number.
NO_NUMBER = frozenset({"anonymous", "unknown", "private", "restricted", "withheld", "unavailable"})
_FORM = re.compile(r"^\s*[\w.%+-]*=")


def check_key(*, headers: Mapping[str, str], secret: str) -> None:
    """Return when the request carries this phone system's key; raises `Denied` else. Constant time."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    fits = hmac.compare_digest(token.strip().encode("utf-8", "replace"), secret.encode())
    if not secret or scheme.lower() != "bearer" or not fits:
        raise Denied(
            "The key is missing or wrong.",
            "Download the template again and upload it in the 3CX console.",
            detail="not_proven",
        )


def check_network(*, remote: str, networks: str) -> None:
    """Return when the request comes from one of the networks, or none are entered; raises `Denied` else."""
    allowed = read_networks(networks)
    if not allowed:
        return
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        raise _from_elsewhere(remote) from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if not any((mapped or address) in network for network in allowed):
        raise _from_elsewhere(remote)


def read_networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks of a list like "10.0.0.0/8, 192.0.2.7"; raises ValueError for one that is none."""
    parts = re.split(r"[\s,;]+", text.strip())
    return [ipaddress.ip_network(part, strict=False) for part in parts if part]


def read_fields(body: bytes) -> dict[str, str]:
    """The fields of a request, each a clean text; raises `Rejected` whose detail is the bad field's name."""
    if len(body) > MAX_BODY:
        raise Rejected("The post is too large.", f"Send at most {MAX_BODY} bytes.", detail="body")
    members = _members(body)
    if len(members) > MAX_FIELDS:
        raise Rejected("The post has too many fields.", "Use our own template.", detail="body")
    fields = {name: exact(members, name) for name in EXACT}
    fields |= {name: shown(members, name) for name in SHOWN}
    fields["number"] = _number(fields["number"])
    return fields


def exact(members: Mapping[str, Any], name: str) -> str:
    """A value that identifies something: bounded, printable, or refused by name."""
    value = _text(members.get(name))
    if len(value) > EXACT[name]:
        raise _bad(name, f"is longer than {EXACT[name]} characters")
    if not value.isprintable():
        raise _bad(name, "has control characters")
    return value


def shown(members: Mapping[str, Any], name: str) -> str:
    """A value that is only shown: cut and cleaned, never a reason to lose a call."""
    value = _text(members.get(name))[: SHOWN[name]]
    return "".join(sign if sign.isprintable() else " " for sign in value).strip()


def digest_of(*parts: str) -> str:
    """A short name for what these texts say together."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _members(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("The post is not UTF-8 text.", "Send UTF-8.", detail="body") from error
    if _FORM.match(text) and not text.lstrip().startswith("{"):
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
        except ValueError as error:
            raise Rejected("The post cannot be read.", "Use our own template.", detail="body") from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected("The post is not JSON.", "Use our own template.", detail="body") from error
    if not isinstance(content, dict):
        raise Rejected("The post is not a JSON object.", "Use our own template.", detail="body")
    return content


def _text(value: Any) -> str:
    """A field's text; a variable that was never set arrives as its own name in brackets."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)[:100]
    if not isinstance(value, str):
        return ""
    return "" if LITERAL.fullmatch(value.strip()) else value


def _number(text: str) -> str:
    """A number in any spelling; a plus that became a blank on its way is a plus again."""
    if text[:1] == " " and text[1:2].isdigit():
        text = f"+{text[1:]}"
    text = text.strip()
    return "" if text.casefold() in NO_NUMBER else text


def _from_elsewhere(remote: str) -> Denied:
    return Denied(
        f"This request came from {remote[:45] or 'nowhere'}, which is not an allowed network.",
        "Enter the phone system's address among its allowed networks.",
        detail="wrong_network",
    )


def _bad(name: str, what: str) -> Rejected:
    return Rejected(f"{name} {what}.", "Correct the sender; this request is set aside.", detail=name)
