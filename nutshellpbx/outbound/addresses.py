"""Where a request may go: origins in one spelling, and which addresses are the public internet's. Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def origin_of(url: str) -> str:
    """The origin of an http(s) address in its one spelling, `scheme://host[:port]`; raises ValueError.

    International names must come in their ASCII form. User names, backslashes and blanks are refused.
    """
    if not url.isascii() or re.search(r"[\x00-\x20\\\x7f]", url):
        raise ValueError("An address has no blanks, backslashes or non-ASCII letters.")
    parts = urlsplit(url)
    host, port = (parts.hostname or "").lower(), parts.port
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or port == 0 or parts.netloc.endswith(":"):
        raise ValueError("An address begins with https:// and a host name.")
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host)}]"
        if "%" in host:
            raise ValueError("An IPv6 address has no zone here.")
    elif len(host) > 253 or not _NAME.fullmatch(host):
        raise ValueError("The host name is not one.")
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}"


_V4_NOT_GLOBAL = [
    ipaddress.IPv4Network(block)
    for block in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ]
]
_V6_GLOBAL = ipaddress.IPv6Network("2000::/3")
# Protocol assignments with Teredo in them, documentation.
_V6_NOT_GLOBAL = [ipaddress.IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "3fff::/20")]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_PRIVATE = [
    ipaddress.ip_network(block)
    for block in ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
]
# The clouds' metadata services: in unique-local space, yet never a CRM.
_NEVER = {ipaddress.IPv6Address("fd00:ec2::254"), ipaddress.IPv6Address("fd20:ce::254")}


def _unwrap(address: Address) -> Address:
    """The IPv4 address inside a mapped, NAT64 or 6to4 one; any other address as it is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _6TO4:
            return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address


def is_global(address: Address) -> bool:
    """Whether an address is one of the public internet, judged by our own table (Python 3.11's has gaps)."""
    address = _unwrap(address)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in block for block in _V4_NOT_GLOBAL)
    return address in _V6_GLOBAL and not any(address in block for block in _V6_NOT_GLOBAL)


def is_private(address: Address) -> bool:
    """Whether an address is this machine's or a private network's; link-local and metadata ones are not."""
    address = _unwrap(address)
    return address not in _NEVER and any(address in block for block in _PRIVATE)
