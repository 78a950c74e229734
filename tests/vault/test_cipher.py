"""The sealed box by itself: only the right key, in the right context, on an unchanged box."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.vault.cipher import NotOpened, close_box, context_of, open_box

PRIVATE = X25519PrivateKey.generate()
PUBLIC = PRIVATE.public_key()


def context(**changes: Any) -> bytes:
    parts: dict[str, Any] = {
        "purpose": "crm",
        "row": "5e0c9a6e-2b1d-4a77-8f25-446655440000",
        "bound_to": "user:1",
        "version": 1,
        "key_id": "0001-3fa9c1d2",
        "origins": ["https://a.test", "https://b.test"],
    }
    return context_of(**(parts | changes))


@given(st.binary(max_size=2000))
@settings(max_examples=30)
def test_what_was_closed_opens(plain: bytes) -> None:
    assert open_box(close_box(plain, public=PUBLIC, context=b"c"), private=PRIVATE, context=b"c") == plain


def test_the_same_secret_never_looks_the_same() -> None:
    boxes = {close_box(b"secret", public=PUBLIC, context=b"c") for _each in range(50)}
    assert len({box[:45] for box in boxes}) == 50
    assert len({box[45:] for box in boxes}) == 50


def test_every_single_flipped_bit_is_refused() -> None:
    box = close_box(b"a secret of some length", public=PUBLIC, context=b"c")
    for bit in range(len(box) * 8):
        flipped = bytearray(box)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(NotOpened):
            open_box(bytes(flipped), private=PRIVATE, context=b"c")


def test_every_shortened_or_lengthened_box_is_refused() -> None:
    box = close_box(b"secret", public=PUBLIC, context=b"c")
    for wrong in [box[:length] for length in range(len(box))] + [box + b"\0", b"\0" + box, box + box]:
        with pytest.raises(NotOpened):
            open_box(wrong, private=PRIVATE, context=b"c")


def test_a_public_key_of_small_order_is_refused() -> None:
    box = close_box(b"secret", public=PUBLIC, context=b"c")
    with pytest.raises(NotOpened):
        open_box(box[:1] + bytes(32) + box[33:], private=PRIVATE, context=b"c")


def test_another_key_does_not_open_it() -> None:
    box = close_box(b"secret", public=PUBLIC, context=b"c")
    with pytest.raises(NotOpened):
        open_box(box, private=X25519PrivateKey.generate(), context=b"c")


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "web"},
        {"row": "5e0c9a6e-2b1d-4a77-8f25-446655440001"},
        {"bound_to": "user:2"},
        {"version": 2},
        {"key_id": "0002-3fa9c1d2"},
        {"origins": ["https://a.test"]},
        {"origins": ["https://a.test", "https://b.test", "https://c.test"]},
        {"origins": []},
        {"origins": ["https://a.testhttps://b.test"]},
        {"purpose": "crm5", "row": "e0c9a6e-2b1d-4a77-8f25-446655440000"},
        {"bound_to": "user:", "version": 11},
    ],
)
def test_any_change_of_what_it_is_bound_to_is_refused(changes: dict[str, Any]) -> None:
    box = close_box(b"secret", public=PUBLIC, context=context())
    assert open_box(box, private=PRIVATE, context=context()) == b"secret"
    with pytest.raises(NotOpened):
        open_box(box, private=PRIVATE, context=context(**changes))


def test_without_a_context_a_box_could_be_moved() -> None:
    # The counterpart of the test above: it is the context, and nothing else, that nails a box to its row.
    box = close_box(b"secret", public=PUBLIC, context=b"")
    assert open_box(box, private=PRIVATE, context=b"") == b"secret"


def test_the_order_of_origins_does_not_matter() -> None:
    assert context() == context(origins=["https://b.test", "https://a.test"])


_parts = st.lists(st.text(max_size=6), max_size=3)


@given(_parts, _parts, st.text(max_size=6), st.text(max_size=6))
def test_no_two_contexts_are_the_same_bytes(
    ours: list[str], theirs: list[str], owner: str, other: str
) -> None:
    same = (sorted(ours), owner) == (sorted(theirs), other)
    assert (context(origins=ours, bound_to=owner) == context(origins=theirs, bound_to=other)) == same
