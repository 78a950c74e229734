"""The only way out over HTTP: allowed origins, checked addresses, bounded time and size, three faults.

A request goes to one of the origins that the caller names, over a connection to an address that was checked
after the name was resolved and that nobody can swap in between. What comes back is an `Answer` or a Fault;
`TryLater.may_have_happened` tells whether a write may have been carried out although no clear answer came.
"""

from __future__ import annotations

import base64
import json as json_text
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from django.conf import settings
from django.utils.translation import gettext as _

from nutshellpbx import __version__
from nutshellpbx.faults import Denied, Fault, TryLater
from nutshellpbx.outbound.addresses import is_global, is_private, origin_of
from nutshellpbx.outbound.answers import Answer, Conflict, Refused, read_answer
from nutshellpbx.outbound.connections import Attempt, hang_up, here, transport
from nutshellpbx.redact import Secret

__all__ = [
    "Answer",
    "Basic",
    "Bearer",
    "Conflict",
    "Refused",
    "ask",
    "hang_up",
    "is_global",
    "is_private",
    "origin_of",
]

# These loggers write whole addresses, query included.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
#: The roles that never open an outside connection; what they need checked, a worker checks.
_SILENT_ROLES = frozenset({"web", "push"})
#: Set by this module alone, so that a secret has one way into a request.
_OWN_HEADERS = frozenset(
    {"authorization", "host", "cookie", "content-length", "transfer-encoding", "connection"}
)


@dataclass(frozen=True, slots=True)
class Basic:
    """A sign-in by HTTP Basic."""

    email: str
    key: Secret


@dataclass(frozen=True, slots=True)
class Bearer:
    """A sign-in by bearer token."""

    token: Secret


def ask(
    *,
    method: str,
    url: str,
    origins: Iterable[str],
    timeout_s: float,
    auth: Basic | Bearer | None = None,
    params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
    json: Any = None,
    body: bytes | None = None,
    headers: Mapping[str, str | Secret] | None = None,
    max_bytes: int = 5_000_000,
    media: Sequence[str] = ("application/json",),
    deadline: float | None = None,
    private_ok: bool | None = None,
    is_write: bool | None = None,
    alone: bool = False,
    ca_bundle: str = "",
) -> Answer:
    """Send one request and return its 2xx answer, or raise `TryLater`, `Denied`, `Refused` or `Conflict`.

    `origins` are the only places it may go to. All of it, name resolution to last byte, ends after
    `timeout_s` seconds and at `deadline` (as `time.monotonic()` counts), whichever is first. `max_bytes`
    bounds the unpacked body, `media` names what it may be (`text` holds what is not JSON). `private_ok`
    allows addresses of this machine and private networks, and plain http to those alone; by default as the
    settings say. `is_write` is for a POST that only asks; by default all but GET, HEAD and OPTIONS write.
    A write goes on a connection of its own, and so does a read that is asked for `alone`: on a used one the
    late second copy of an earlier answer would be taken for this one's (RFC 9112, section 9.2).
    `ca_bundle` is a file of authorities to trust instead of the public ones. There are no redirects, cookies
    or proxies.
    """
    started_at = time.monotonic()
    if settings.NUTSHELLPBX_ROLE in _SILENT_ROLES:
        raise Denied(_("This process opens no outside connection."), _("A worker does this."))
    private_ok = bool(settings.NUTSHELLPBX_PRIVATE_CRM_OK) if private_ok is None else private_ok
    is_write = method.upper() not in _READS if is_write is None else is_write
    origin = _allowed_origin(url, origins, private_ok=private_ok)
    request = _prepare(
        method=method,
        url=url,
        origin=origin,
        auth=auth,
        params=params,
        json=json,
        body=body,
        headers=headers,
        media=media,
    )
    ends_at = started_at + timeout_s if deadline is None else min(started_at + timeout_s, deadline)
    connections = transport(ca_bundle=ca_bundle, private_ok=private_ok)
    if is_write or alone:
        connections.close()
    attempt = _attempt(origin, private_ok=private_ok, ends_at=ends_at)
    outcome = _send(connections, request, attempt)
    if not is_write and attempt.is_reused and isinstance(outcome, requests.ConnectionError):
        # The other side closed an idle connection just as we used it. A read is asked again, once; a write
        # may have been carried out, so it counts as unclear.
        attempt = _attempt(origin, private_ok=private_ok, ends_at=ends_at)
        outcome = _send(connections, request, attempt)
    if isinstance(outcome, Exception):
        # Raised outside any `except`, so that no foreign exception with our headers in it hangs on to it.
        raise _no_answer(outcome, attempt, is_write=is_write)
    try:
        return read_answer(outcome, started_at, max_bytes=max_bytes, media=media, is_write=is_write)
    finally:
        outcome.close()


def _allowed_origin(url: str, origins: Iterable[str], *, private_ok: bool) -> str:
    try:
        origin = origin_of(url)
        allowed = {origin_of(each) for each in origins}
    except ValueError:
        origin, allowed = "", set()
    if origin not in allowed:
        raise Denied(
            _("This address is not one that the sign-in was entered for."),
            _("Check the address in the settings and enter the key again."),
        )
    if not origin.startswith("https:") and not private_ok:
        raise Denied(
            _("The address does not begin with https://, so nothing is sent there."),
            _("Enter the address with https://."),
        )
    return origin


def _attempt(origin: str, *, private_ok: bool, ends_at: float) -> Attempt:
    parts = urlsplit(origin)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Attempt(parts.scheme, str(parts.hostname), port, private_ok, ends_at)


def _prepare(
    *,
    method: str,
    url: str,
    origin: str,
    auth: Basic | Bearer | None,
    params: Any,
    json: Any,
    body: bytes | None,
    headers: Mapping[str, str | Secret] | None,
    media: Sequence[str],
) -> requests.PreparedRequest:
    parts = urlsplit(url)
    own = {
        "User-Agent": f"NutshellPBX/{__version__}",
        "Accept": ", ".join(media) or "*/*",
        "Accept-Encoding": "gzip",
    }
    if json is not None:
        body = json_text.dumps(json, ensure_ascii=False, allow_nan=False).encode()
        own["Content-Type"] = "application/json"
    for name, value in (headers or {}).items():
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"The header {name} is not for callers to set.")
        own[name] = value.reveal() if isinstance(value, Secret) else value
    if isinstance(auth, Basic):
        pair = f"{auth.email}:{auth.key.reveal()}".encode()
        own["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    elif isinstance(auth, Bearer):
        own["Authorization"] = f"Bearer {auth.token.reveal()}"
    # Built anew from the parts that were checked, so that nobody parses the address differently from us.
    target = f"{origin}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
    # Looked at here: the encoder's own error would carry the whole header in it.
    is_fit = all(value.isascii() and value.isprintable() for value in own.values())
    try:
        request = requests.Request(method.upper(), target, headers=own, params=params, data=body).prepare()
    except (requests.RequestException, ValueError):
        is_fit = False
    if not is_fit or not str(request.url).startswith(f"{origin}/"):
        raise Denied(
            _("The address or the key has characters that cannot be sent."),
            _("Enter the address and the key again."),
        )
    return request


def _send(connections: Any, request: requests.PreparedRequest, attempt: Attempt) -> Any:
    """The response with its body still to be read, or the exception that came instead; raises `Denied`."""
    here.attempt = attempt
    try:
        return connections.send(request, stream=True, timeout=attempt.remaining_s(), verify=True)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        return error


def _no_answer(error: Exception, attempt: Attempt, *, is_write: bool) -> Fault:
    host = attempt.host
    if isinstance(error, requests.exceptions.SSLError) and not attempt.is_sent:
        return TryLater(
            _("%(host)s could not prove who it is (its certificate is not accepted).") % {"host": host},
            _("Check the address, this server's clock, and the certificate of the other side."),
        )
    if not attempt.is_sent:
        return TryLater(
            _("%(host)s cannot be reached.") % {"host": host},
            _("Check the internet connection. It is tried again by itself."),
        )
    return TryLater(
        _("%(host)s did not answer.") % {"host": host},
        _("It is tried again by itself."),
        may_have_happened=is_write,
    )
