"""Which records may have a number that ends with given digits: two sorted arrays and a bisection.

The reversed digits of each number are one integer in base 11 (digit + 1, so that a shorter number is a range
of longer ones). 220,000 numbers take 3.5 MB. The index may name a record that has lost the number since; who
asks compares with the record itself.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

_WIDTH = 18
_DIGIT_PLUS_ONE = str.maketrans("0123456789", "123456789a")
_POWERS: list[int] = [11**n for n in range(_WIDTH + 1)]


class PhoneIndex:
    """Numbers by their last digits."""

    def __init__(self) -> None:
        self._keys = array("Q")
        self._owners = array("Q")

    def fill(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Replace the whole content by pairs of digits and record id."""
        rows = sorted(_key(digits) << 64 | owner for digits, owner in pairs if digits)
        self._keys = array("Q", (row >> 64 for row in rows))
        self._owners = array("Q", (row & 0xFFFF_FFFF_FFFF_FFFF for row in rows))

    def add(self, *, digits: str, owner: int) -> None:
        """Add one number of one record."""
        if not digits:
            return
        key = _key(digits)
        place = bisect_left(self._keys, key)
        self._keys.insert(place, key)
        self._owners.insert(place, owner)

    def find_owners(self, digits: str) -> list[int]:
        """Ids of the records with a number that ends with these digits, each once, in rising order."""
        if not digits:
            return []
        low = _key(digits)
        span = _POWERS[_WIDTH - min(len(digits), _WIDTH)]
        start = bisect_left(self._keys, low)
        end = bisect_left(self._keys, low + span, start)
        return sorted(set(self._owners[start:end]))

    def __len__(self) -> int:
        return len(self._keys)


def _key(digits: str) -> int:
    last = digits[: -_WIDTH - 1 : -1]
    return int(last.translate(_DIGIT_PLUS_ONE), 11) * _POWERS[_WIDTH - len(last)]
