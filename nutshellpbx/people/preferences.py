"""What counts for a user now: his own settings over the company's, unless the admin locked them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from nutshellpbx.people.models import Company, Preferences, User


@dataclass(frozen=True, slots=True)
class Effective:
    """The settings in force for one user, by the names of PRODUCT.md's table (browser: per desktop)."""

    open_mode: str = Preferences.OpenMode.RING
    longer_than: int = 5
    journaling: bool = True
    open_after: bool = True
    unknown: str = Preferences.Unknown.FORM
    compare_digits: int = 0
    lookup: str = Preferences.Lookup.CONTACTS_ACCOUNTS

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables to search, in order."""
        return tuple(self.lookup.split(","))


NAMES = tuple(field.name for field in fields(Effective))


def company_defaults() -> Effective:
    """The company's own defaults over the built-in ones."""
    row = Preferences.objects.filter(user__isnull=True).first()
    return _over(Effective(), row, skip=())


def preferences_of(*, user: User | None) -> Effective:
    """The settings in force for a user now, read afresh: a change counts from the next call on."""
    company = company_defaults()
    if user is None:
        return company
    row = Preferences.objects.filter(user=user).first()
    return _over(company, row, skip=locked_names())


def locked_names() -> tuple[str, ...]:
    """The settings that the admin locked for everybody."""
    locks = Company.objects.filter(pk=1).values_list("locks", flat=True).first() or []
    return tuple(name for name in NAMES if name in locks)


def _over(below: Effective, row: Preferences | None, *, skip: tuple[str, ...]) -> Effective:
    chosen = {
        name: value
        for name in NAMES
        if name not in skip and row is not None and (value := getattr(row, name)) is not None
    }
    return Effective(**{name: chosen.get(name, getattr(below, name)) for name in NAMES})
