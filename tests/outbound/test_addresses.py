"""Which addresses are the public internet's, and how an origin is spelled."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nutshellpbx import outbound

NOT_GLOBAL = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
]
GLOBAL = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2600::1",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", NOT_GLOBAL)
def test_not_global(address: str) -> None:
    assert not outbound.is_global(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", GLOBAL)
def test_global(address: str) -> None:
    assert outbound.is_global(ipaddress.ip_address(address))
    assert not outbound.is_private(ipaddress.ip_address(address))


@given(st.ip_addresses())
def test_no_address_is_both_global_and_private(address: Any) -> None:
    assert not (outbound.is_global(address) and outbound.is_private(address))
    if outbound.is_global(address) and address.version == 4:
        assert not (address.is_private or address.is_multicast or address.is_reserved or address.is_loopback)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://App.Nutshell.com/rest?x=1#f", "https://app.nutshell.com"),
        ("https://crm.example.com:443/", "https://crm.example.com"),
        ("https://crm.example.com:8443", "https://crm.example.com:8443"),
        ("http://127.0.0.1:80/", "http://127.0.0.1"),
        ("https://[2A00::0001]:8443/", "https://[2a00::1]:8443"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert outbound.origin_of(url) == origin
    assert outbound.origin_of(origin) == origin


@given(st.text(max_size=60))
def test_any_text_is_an_origin_of_known_form_or_none(text: str) -> None:
    for url in (text, f"https://{text}", f"https://a.test{text}"):
        try:
            origin = outbound.origin_of(url)
        except ValueError:
            continue
        scheme, _separator, rest = origin.partition("://")
        assert scheme in ("http", "https")
        assert rest and all(character in "abcdefghijklmnopqrstuvwxyz0123456789.-:[]" for character in rest)
