"""Reads the values that a client writes: numbers, addresses, names and links of people and companies."""

from __future__ import annotations

from typing import Any

from nutshellpbx.lab.nutshell.errors import Invalid
from nutshellpbx.lab.nutshell.numbers import ReadNumber, digits_of, read_number
from nutshellpbx.lab.nutshell.records import Labelled, Phone, number_of
from nutshellpbx.lab.nutshell.store import Store


def read_phones(value: Any) -> tuple[Phone, ...]:
    """Numbers as a list of texts or of labelled ones, whose value is a text or an object; raises Invalid."""
    phones = []
    for item in _items(value, "phones"):
        label, content, is_primary = _labelled(item, default="phone", field="phones")
        phones.append(Phone(label, *_read_number(content), is_primary))
    return tuple(_with_one_primary(phones))


def read_labelled(value: Any, *, default: str, field: str) -> tuple[Labelled, ...]:
    """E-mail, web or postal addresses; raises Invalid."""
    items = []
    for item in _items(value, field):
        label, content, is_primary = _labelled(item, default=default, field=field)
        if field == "addresses" and not isinstance(content, dict):
            content = {"address_1": str(content)}
        items.append(Labelled(label, content, is_primary))
    return tuple(_with_one_primary(items))


def split_name(name: Any) -> tuple[str, str]:
    """A full name as given and family name, the last word being the family's; raises Invalid."""
    words = read_text(name, field="name").split()
    return (" ".join(words[:-1]), words[-1]) if len(words) > 1 else (" ".join(words), "")


def read_text(value: Any, *, field: str) -> str:
    """A text, or nothing for null; raises Invalid."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Invalid(f"Invalid value for {field}", field=field)
    return value


def read_links(value: Any, *, table: str, store: Store) -> tuple[int, ...]:
    """Ids of existing records of one table; raises Invalid."""
    if not isinstance(value, list):
        value = [] if value is None else [value]
    numbers = []
    for text in value:
        record = store.find(table, text)
        if record is None or record.deleted_at is not None:
            raise Invalid("Invalid link", detail=f"No such {table}: {text}", field="links")
        numbers.append(record.id)
    return tuple(dict.fromkeys(numbers))


def read_owner(value: Any, *, store: Store) -> str | None:
    """The id of an existing user, or None for null; raises Invalid."""
    if value is None:
        return None
    user = store.find_user(value)
    if user is None:
        raise Invalid("Invalid link", detail=f"No such users: {value}", field="owner")
    return f"{user.id}-users"


def read_type(value: Any) -> int:
    """The number of a company type; raises Invalid."""
    number = number_of(value, "accountTypes")
    if number is None or not 1 <= number <= 5:
        raise Invalid("Invalid link", detail=f"No such accountTypes: {value}", field="accountType")
    return number


def _read_number(content: Any) -> ReadNumber:
    if isinstance(content, dict):
        code = digits_of(str(content.get("countryCode") or ""))
        typed = str(content.get("number") or content.get("E164") or "")
        extension = content.get("extension")
        found = read_number(f"+{code} {typed}" if code else typed)
        return found._replace(extension=digits_of(str(extension)) if extension else found.extension)
    return read_number(str(content))


def _items(value: Any, field: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Invalid(f"Invalid value for {field}", field=field)
    return value


def _labelled(item: Any, *, default: str, field: str) -> tuple[str, Any, bool]:
    if not isinstance(item, dict):
        return default, item, False
    if "value" not in item:
        raise Invalid(f"Invalid value for {field}", detail="A value is missing.", field=field)
    return str(item.get("name") or default), item["value"], bool(item.get("isPrimary"))


def _with_one_primary(items: list[Any]) -> list[Any]:
    chosen = next((place for place, item in enumerate(items) if item.is_primary), 0)
    return [item._replace(is_primary=place == chosen) for place, item in enumerate(items)]
