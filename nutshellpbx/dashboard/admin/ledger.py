"""Which entries a reader wants to see: read from the address, turned into a query, and back into links."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy

from nutshellpbx.crm.models import Crm
from nutshellpbx.journal import proof
from nutshellpbx.journal.models import Entry, Reason
from nutshellpbx.people.models import User

PAGE_SIZE = 50
PERIODS = (
    (1, gettext_lazy("Today")),
    (7, gettext_lazy("7 days")),
    (30, gettext_lazy("30 days")),
    (0, gettext_lazy("All")),
)
DEFAULT_DAYS = 7
LONG_AGO_DAYS = 36_500
LONGEST_TEXT = 80


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filter of the ledger; empty values filter nothing."""

    days: int = DEFAULT_DAYS
    show: str = ""
    reason: str = ""
    crm: str = ""
    user: str = ""
    q: str = ""

    @property
    def period(self) -> tuple[datetime, datetime]:
        """From midnight here, so many days back, until now."""
        return period_of(self.days)

    @property
    def is_filtered(self) -> bool:
        return bool(self.show or self.reason or self.crm or self.user or self.q)

    def entries(self) -> QuerySet[Entry]:
        """What the filter lets through."""
        since, until = self.period
        if self.show:
            rows = proof.list_term(term=self.show, since=since, until=until)
        else:
            rows = proof.in_period(since=since, until=until)
        for name, value in (("reason", self.reason), ("crm", self.crm), ("user", self.user)):
            if value:
                rows = rows.filter(**{name: value})
        return rows.filter(_with_text(self.q)) if self.q else rows

    def query(self, **other: Any) -> str:
        """The filter for an address, with some values replaced."""
        values = {name: getattr(self, name) for name in self.__slots__} | other
        if values["days"] == DEFAULT_DAYS:
            del values["days"]
        return urlencode({name: value for name, value in values.items() if value not in ("", None)})

    def fields(self) -> list[tuple[str, Any]]:
        """The filter for a form that posts it back."""
        return [(name, getattr(self, name)) for name in self.__slots__]


def read(values: Mapping[str, Any]) -> Wanted:
    """The filter that stands in an address or form; what makes no sense is left out."""
    days = next((days for days, _label in PERIODS if str(days) == values.get("days")), DEFAULT_DAYS)
    show, reason = values.get("show", ""), values.get("reason", "")
    return Wanted(
        days=days,
        show=show if show in proof.TERMS else "",
        reason=reason if reason in Reason.values else "",
        crm=_key(values.get("crm", "")),
        user=_key(values.get("user", "")),
        q=str(values.get("q", "")).strip()[:LONGEST_TEXT],
    )


def choices() -> dict[str, list[tuple[str, Any]]]:
    """What the filter's lists offer."""
    used = Entry.objects.exclude(reason="").order_by().values_list("reason", flat=True).distinct()
    labels = dict(Reason.choices)
    users = User.objects.filter(entries__isnull=False).distinct().order_by("name")
    return {
        "reasons": sorted((name, labels.get(name, name)) for name in used),
        "crms": [(str(crm.pk), crm.name) for crm in Crm.objects.order_by("name")],
        "users": [(str(user.pk), user.name) for user in users],
    }


def page_of(rows: QuerySet[Entry], before: str) -> tuple[list[Entry], str]:
    """The newest entries before a place, and the place at which the next page begins ("": there is none)."""
    moment, _tilde, key = before.partition("~")
    with suppress(ValueError):
        at, pk = datetime.fromisoformat(moment), UUID(key)
        rows = rows.filter(Q(happened_at__lt=at) | Q(happened_at=at, pk__lt=pk))
    found = list(rows.select_related("crm", "user").order_by("-happened_at", "-pk")[: PAGE_SIZE + 1])
    page = found[:PAGE_SIZE]
    more = f"{page[-1].happened_at.isoformat()}~{page[-1].pk}" if len(found) > PAGE_SIZE else ""
    return page, more


def period_of(days: int) -> tuple[datetime, datetime]:
    """From midnight here, so many days back (0: from the beginning), until now."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight - timedelta(days=(days or LONG_AGO_DAYS) - 1)
    return since, timezone.now() + timedelta(minutes=1)


def _with_text(text: str) -> Q:
    wanted = Q(name__icontains=text) | Q(card_name__icontains=text)
    digits = "".join(sign for sign in text if sign.isdecimal())
    if digits and len(digits) >= len(text.replace(" ", "")) - 4:
        wanted |= Q(number__contains=digits) | Q(number__contains=digits.lstrip("0"))
    code = text.strip("[]").removeprefix("npbx").strip()
    if len(code) >= 4:
        wanted |= Q(marker__icontains=code)
    return wanted


def _key(text: Any) -> str:
    try:
        return str(UUID(str(text)))
    except ValueError:
        return ""
