"""An address to open, rebuilt from parts: never a string that somebody sent.

Pure. The origin is the confirmed one itself, everything after it is encoded here, and whatever looks like
an attempt is refused instead of repaired.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Collection
from gettext import gettext as _
from urllib.parse import quote

from nutshellpbx.wire import Page, Result

MOST_CHARACTERS = 2048

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:]{2,39}\]|[a-z0-9.-]{1,253})(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
#: Browsers read a host that ends like this as an IPv4 address, in many spellings.
_NUMBER_LIKE = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9a-f]|7f|[89][0-9a-f]|5c)", re.IGNORECASE)
_BUILT = re.compile(
    r"https?://[a-z0-9.:\[\]-]+/[A-Za-z0-9/._~%-]*(?:\?[A-Za-z0-9._~%=&-]+)?(?:#[A-Za-z0-9/._~%!?=:-]+)?"
)
_DEFAULT_PORTS = {"https": "443", "http": "80"}


class Refused(Exception):
    """This address is not opened; `result` is what is reported, the text says why."""

    def __init__(self, result: Result, why: str) -> None:
        super().__init__(why)
        self.result = result


def normal_origin(text: str) -> str:
    """An origin in the one form in which origins are compared; raises Refused.

    Only https, or http on this machine itself; a host name in ASCII or a plainly written IP address;
    nothing else.
    """
    match = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if match is None:
        raise Refused(Result.REFUSED_ADDRESS, _("this is no origin like https://crm.example.com"))
    scheme, host, port = match.groups()
    if not _is_host(host):
        raise Refused(Result.REFUSED_ADDRESS, _("the host's name is not a plain one"))
    if port is not None and int(port) > 65535:
        raise Refused(Result.REFUSED_ADDRESS, _("there is no such port"))
    if scheme == "http" and not is_loopback(host):
        raise Refused(
            Result.REFUSED_ADDRESS, _("http is good for this machine itself only; elsewhere it must be https")
        )
    return f"{scheme}://{host}" + (f":{port}" if port and port != _DEFAULT_PORTS[scheme] else "")


def is_loopback(host: str) -> bool:
    """Whether a host's name, by itself and without asking anybody, means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def build(page: Page, confirmed: Collection[str]) -> str:
    """The address of a page of a confirmed origin, at most 2,048 characters; raises Refused.

    `confirmed` holds normal origins.
    """
    origin = normal_origin(page.origin)
    if origin not in confirmed:
        raise Refused(
            Result.REFUSED_ORIGIN, _("nobody at this desktop confirmed {origin}").format(origin=origin)
        )
    for part in (page.path, page.fragment, *(text for pair in page.query for text in pair)):
        _demand_plain(part)
    segments = page.path.split("/")
    if segments[0] != "" or len(segments) < 2 or (len(segments) > 2 and segments[1] == ""):
        raise Refused(Result.REFUSED_ADDRESS, _("the path must begin with one /"))
    if any(segment in {".", ".."} for segment in segments):
        raise Refused(Result.REFUSED_ADDRESS, _("the path steps out of itself"))
    address = origin + quote(page.path, safe="/")
    if page.query:
        if not all(name for name, text in page.query):
            raise Refused(Result.REFUSED_ADDRESS, _("a query's name is empty"))
        address += "?" + "&".join(
            f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in page.query
        )
    if page.fragment:
        address += "#" + quote(page.fragment, safe="/!?=:")
    if len(address) > MOST_CHARACTERS:
        raise Refused(
            Result.REFUSED_ADDRESS,
            _("the address is longer than {most} characters").format(most=MOST_CHARACTERS),
        )
    if not _BUILT.fullmatch(address):
        raise Refused(Result.REFUSED_ADDRESS, _("the address did not come out plain"))
    return address


def _is_host(host: str) -> bool:
    try:
        if host.startswith("["):
            return str(ipaddress.IPv6Address(host[1:-1])) == host[1:-1]
        labels = host.split(".")
        if _NUMBER_LIKE.fullmatch(labels[-1]):
            return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def _demand_plain(part: str) -> None:
    """Refuse control characters in every dress, marks that turn or hide text, and backslashes."""
    if "\\" in part:
        raise Refused(Result.REFUSED_ADDRESS, _("it holds a backslash"))
    if _ENCODED_CONTROL.search(part):
        raise Refused(Result.REFUSED_ADDRESS, _("it holds an encoded control character"))
    if any(
        unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for character in part
    ):
        raise Refused(Result.REFUSED_ADDRESS, _("it holds a control character"))
