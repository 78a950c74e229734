"""The marker: one short line at a note's end by which this box knows its own note again.

`[npbx 7Q2K-9F4M-XD3B-R-1]`: 60 bits of an HMAC over the call's key and the CRM, a check character, the
generation. It depends on nothing but the box's secret and what it names, so it survives the loss of our own
database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
MAX_LENGTH = 40
MAX_GENERATION = 9999

_SHAPE = re.compile(
    r"\[npbx ([0-9A-Z]{4})-([0-9A-Z]{4})-([0-9A-Z]{4})-([0-9A-Z])-([1-9][0-9]{0,3})\]", re.IGNORECASE
)
#: Anything that a reader or a search could take for a marker; wider than the shape on purpose.
_LOOK_ALIKE = re.compile(r"\[\s*npbx\b[^\]\n]{0,80}\]?", re.IGNORECASE)
#: What people write for a character that the alphabet leaves out.
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0"})


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker taken apart; `code` is twelve characters without hyphens."""

    code: str
    generation: int

    def __str__(self) -> str:
        code = self.code
        return f"[npbx {code[:4]}-{code[4:8]}-{code[8:]}-{_check(code, self.generation)}-{self.generation}]"


def make(*, secret: bytes, call_key: str, crm_id: str, generation: int) -> Marker:
    """The marker of one call in one CRM; always the same for the same secret.

    Raises ValueError for a secret under 16 bytes or a generation that does not fit.
    """
    if len(secret) < 16:
        raise ValueError("the marker's secret is too short")
    if not 1 <= generation <= MAX_GENERATION:
        raise ValueError(f"generation {generation} does not fit into a marker")
    named = b"".join(_sized(part) for part in ("npbx marker 1", call_key, crm_id))
    bits = int.from_bytes(hmac.new(secret, named, hashlib.sha256).digest()[:8], "big") >> 4
    return Marker("".join(ALPHABET[bits >> shift & 31] for shift in range(55, -5, -5)), generation)


def find_markers(text: str) -> list[Marker]:
    """Every well-formed marker in a text, in order; one whose check character is wrong is left out."""
    found = []
    for match in _SHAPE.finditer(text):
        code = "".join(match.group(1, 2, 3)).upper().translate(_MISREAD)
        generation = int(match.group(5))
        check = match.group(4).upper().translate(_MISREAD)
        if all(letter in ALPHABET for letter in code) and check == _check(code, generation):
            found.append(Marker(code, generation))
    return found


def without_look_alikes(text: str) -> str:
    """The text with everything that could be taken for a marker made harmless."""
    return _LOOK_ALIKE.sub(lambda match: "(" + match.group().strip("[]").strip() + ")", text)


def _sized(part: str) -> bytes:
    raw = part.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(4, "big") + raw


def _check(code: str, generation: int) -> str:
    """A character that changes with any one character, and with any two that swap places (GF(32))."""
    total, weight = 0, 1
    for letter in code + f"{generation:04d}":
        weight = _times_two(weight)
        total ^= _times(ALPHABET.index(letter), weight)
    return ALPHABET[total]


def _times_two(value: int) -> int:
    doubled = value << 1
    return doubled ^ 0b100101 if doubled & 0b100000 else doubled


def _times(left: int, right: int) -> int:
    product = 0
    while right:
        if right & 1:
            product ^= left
        left, right = _times_two(left), right >> 1
    return product
