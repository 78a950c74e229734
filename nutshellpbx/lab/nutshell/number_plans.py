"""The telephone numbers that made-up people have, by country, and the ways in which people type them.

Numbers in country 1 stand in the 555 exchange, which belongs to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from random import Random

_US_AREAS = """
    201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 248
    251 252 253 254 256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315
    316 317 318 319 320 321 323 325 330 334 336 337 339 347 351 352 360 361 386 401 402 404 405 406 407
    408 409 410 412 413 414 415 417 419 423 425 430 432 434 435 440 443 469 478 479 480 484 501 502 503
    504 505 507 508 509 510 512 513 515 516 517 518 520 530 540 541 551 559 561 562 563 567 570 571 573
    574 580 585 586 601 602 603 605 606 607 608 609 610 612 614 615 616 617 618 619 620 623 626 630 631
    636 641 646 650 651 660 661 662 678 682 701 702 703 704 706 707 708 712 713 714 715 716 717 718 719
    720 724 727 731 732 734 740 754 757 760 763 765 770 772 773 774 775 781 785 786 801 802 803 804 805
    806 808 810 812 813 814 815 816 817 818 828 830 831 832 843 845 847 848 850 856 857 858 859 860 863
    864 865 870 878 901 903 904 906 907 908 909 910 912 913 914 915 916 917 918 919 920 925 928 931 936
    937 940 941 947 949 951 952 954 956 970 971 972 973 978 979 980 985 989"""


@dataclass(frozen=True, slots=True)
class Plan:
    """One country: its code, its share of all numbers, its trunk prefix, prefixes and digits after them."""

    country: str
    code: str
    share: float
    trunk: str
    city: str
    prefixes: tuple[str, ...]
    free: int

    @property
    def size(self) -> int:
        """How many different numbers the plan has."""
        return len(self.prefixes) * int(10**self.free)

    def number_at(self, place: int) -> str:
        """The national number at a place from 0 to size - 1."""
        return f"{self.prefixes[place % len(self.prefixes)]}{place // len(self.prefixes):0{self.free}d}"


PLANS = (
    Plan("US", "1", 0.70, "1", "Duluth", tuple(f"{area}555" for area in _US_AREAS.split()), 4),
    Plan("GB", "44", 0.06, "0", "Leeds", ("2079", "1614", "7712", "7723", "7400"), 6),
    Plan("DE", "49", 0.05, "0", "Bremen", ("3020", "8921", "4022", "15123", "17023", "16023"), 6),
    Plan("FR", "33", 0.03, "0", "Lyon", ("142", "472", "612", "678", "755"), 6),
    Plan("CH", "41", 0.03, "0", "Bern", ("446", "313", "791", "787", "764"), 6),
    Plan("NL", "31", 0.02, "0", "Utrecht", ("206", "306", "612", "625", "653"), 6),
    Plan("SE", "46", 0.02, "0", "Malmo", ("701", "702", "730", "732", "761"), 6),
    Plan("AT", "43", 0.01, "0", "Linz", ("6641", "6645", "6761", "6991"), 6),
    Plan("IT", "39", 0.02, "", "Turin", ("023", "068", "347", "348", "333"), 6),
    Plan("ES", "34", 0.015, "", "Bilbao", ("912", "932", "612", "622", "655"), 6),
    Plan("PL", "48", 0.01, "", "Gdansk", ("226", "601", "602", "692", "512"), 6),
    Plan("AU", "61", 0.015, "0", "Perth", ("293", "393", "412", "413", "423"), 6),
    Plan("IN", "91", 0.01, "0", "Pune", ("9820", "9821", "9845", "9900"), 6),
    Plan("TN", "216", 0.01, "", "Tunis", ("71", "98", "22", "50"), 6),
)


class NumberSource:
    """Numbers of one plan, each once, in an order that the seed decides."""

    def __init__(self, *, plan: Plan, rng: Random, taken: frozenset[str] = frozenset()) -> None:
        self.plan = plan
        self._taken = taken
        self._place = rng.randrange(plan.size)
        self._step = rng.randrange(plan.size // 3, plan.size) | 1
        while gcd(self._step, plan.size) != 1:
            self._step += 2

    def take(self) -> str:
        """The next national number."""
        while True:
            self._place = (self._place + self._step) % self.plan.size
            number = self.plan.number_at(self._place)
            if number not in self._taken:
                return number


def type_number(*, plan: Plan, national: str, rng: Random) -> str:
    """Type a number the way an office does: mostly well, sometimes in a form that the CRM reads wrongly."""
    die = rng.random()
    if plan.code == "1":
        area, exchange, line = national[:3], national[3:6], national[6:]
        if die < 0.30:
            return f"{area}-{exchange}-{line}"
        if die < 0.50:
            return f"({area}) {exchange}-{line}"
        if die < 0.62:
            return national
        if die < 0.80:
            return f"+1 {area} {exchange} {line}"
        if die < 0.90:
            return f"{area}.{exchange}.{line}"
        if die < 0.95:
            return f"1 {area} {exchange} {line}"
        if die < 0.995:
            return f"{area}-{exchange}-{line} Ext. {rng.randrange(100, 1000)}"
        return f"{exchange}-{line}"
    grouped = f"{national[:2]} {national[2:5]} {national[5:]}"
    if die < 0.86:
        return f"+{plan.code} {grouped}"
    if die < 0.94:
        return f"+{plan.code}{national}"
    if die < 0.96:
        return f"+{plan.code} ({plan.trunk}){grouped}" if plan.trunk else f"+{plan.code} {grouped}"
    if die < 0.98:
        return f"00{plan.code} {grouped}"
    return f"{plan.trunk}{grouped}"
