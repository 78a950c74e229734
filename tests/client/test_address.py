from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.client.address import Refused, build, normal_origin
from nutshellpbx.wire import Page, Result
from tests.client.hostile import CONFIRMED, GOOD, HOSTILE

PLAIN = re.compile(
    r"https?://[a-z0-9.:\[\]-]+/[A-Za-z0-9/._~%-]*(\?[A-Za-z0-9._~%=&-]+)?(#[A-Za-z0-9/._~%!?=:-]+)?"
)


def test_the_corpus_is_no_toy() -> None:
    assert len(HOSTILE) >= 150


@pytest.mark.parametrize("page", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_page_is_refused(page: Page) -> None:
    with pytest.raises(Refused):
        build(page, CONFIRMED)


@pytest.mark.parametrize(("page", "address"), GOOD)
def test_a_good_page_comes_out_exactly(page: Page, address: str) -> None:
    assert build(page, CONFIRMED) == address


def test_an_origin_that_nobody_confirmed_is_told_apart_from_a_broken_one() -> None:
    with pytest.raises(Refused) as unknown:
        build(Page("https://other.example", "/x"), CONFIRMED)
    assert unknown.value.result is Result.REFUSED_ORIGIN
    with pytest.raises(Refused) as broken:
        build(Page("javascript:alert(1)", "/x"), CONFIRMED)
    assert broken.value.result is Result.REFUSED_ADDRESS


TEXTS = st.text(max_size=40) | st.sampled_from(["..", "//evil.example", "\\", "%0a", "-x", "a b", "+1312"])
ORIGIN_TEXTS = (
    st.sampled_from(sorted(CONFIRMED)) | st.text(max_size=60) | TEXTS.map(lambda text: f"https://{text}")
)


@settings(max_examples=500, deadline=None)
@given(
    ORIGIN_TEXTS,
    TEXTS.map(lambda text: f"/{text}") | TEXTS,
    st.lists(st.tuples(TEXTS, TEXTS), max_size=3),
    TEXTS,
)
def test_whatever_is_sent_what_comes_out_is_plain_and_of_a_confirmed_origin(
    origin: str, path: str, query: list[tuple[str, str]], fragment: str
) -> None:
    try:
        address = build(Page(origin, path, tuple(query), fragment), CONFIRMED)
    except Refused:
        return
    assert PLAIN.fullmatch(address)
    assert len(address) <= 2048
    assert any(address.startswith(f"{known}/") for known in CONFIRMED)


@pytest.mark.parametrize("text", ["https://a.example", "http://127.0.0.1:1", "https://[::1]:9"])
def test_a_normal_origin_is_its_own_normal_form(text: str) -> None:
    assert normal_origin(normal_origin(text)) == normal_origin(text)
