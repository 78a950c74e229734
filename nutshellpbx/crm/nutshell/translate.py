"""Nutshell's records into ours. Pure; tolerant in reading, everything cut to a length that we can keep."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nutshellpbx.crm.adapter import Card, CardNumber, Page, Ref, Table, WhoAmI, WrittenNote
from nutshellpbx.phone import PhoneNumber

# ---- What Nutshell's documents do not settle, all in this one table
# ---------------------------------------------- Each line is an assumption without public proof or with
# conflicting proof; the code reads more than is assumed and writes the best-proven form only.

#: Rows per page of a listing. 10,000 is said to be the most (one public connector); others use 500.
PAGE_LIMIT: Final = 500
#: Listings of contacts and accounts count their pages from 0 and end with an empty page, whatever
#: meta.count says.
FIRST_PAGE: Final = 0
#: The only documented search by number. Exact, prefix or part, and of which spelling, is not said: several
#: spellings are asked, and whatever comes back is compared here again.
PHONE_FILTER: Final = "filter[phone]"
#: Rows asked for per spelling: a number shared by more records than this is nobody's.
FIND_LIMIT: Final = 50
#: A number is written as a text in E.164: the object form is less proven, and without "+" the region's
#: prefix is added by Nutshell.
WRITTEN_NUMBER_LABEL: Final = "work"
#: Listings are asked for in the order of creation, so that what is new meanwhile comes at the end.
LISTING_SORT: Final = "createdTime"
#: Notes are listed newest first; when a page shows otherwise, this way of searching is taken as unanswered.
NOTES_SORT: Final = "-createdTime"
NOTES_PAGES: Final = 20
NOTES_LIMIT: Final = 100
#: Our clock and the CRM's may differ by this much without anybody noticing.
CLOCKS_DIFFER: Final = timedelta(seconds=60)
#: Events come newest first; `since_time` takes Unix seconds.
EVENTS_LIMIT: Final = 1000
#: A single record that is gone answers 404 (a page in HTML), or comes with a deletedTime.
GONE_STATUSES: Final = frozenset({404, 410})
#: The JSON-RPC interface stands beside REST and takes the same sign-in.
RPC_PATH: Final = "/api/v1/json"
REST_PATH: Final = "/rest"
#: A person's page is /person/<id>-<slug>; the id alone works too (one public client). Only used without
#: htmlUrl.
PAGE_WORDS: Final[Mapping[Table, str]] = {Table.CONTACTS: "person", Table.ACCOUNTS: "company"}
# ----------------------------------------------------------------------------------------------------------
# ---------

MAX_NAME: Final = 300
MAX_NUMBERS: Final = 40
MAX_NUMBER: Final = 200
MAX_ID: Final = 120
MAX_PATH: Final = 600
#: Longer notes are cut before the marker is added; no limit is documented.
MAX_NOTE: Final = 20_000

_PRIMARY = "--primary"
_UNLABELLED = frozenset({"phone", ""})
#: Anything that could pass for our marker line in a text that others wrote (a caller's name).
_LOOKS_LIKE_MARKER = re.compile(r"\[\s*npbx\b", re.IGNORECASE)
#: A path on the CRM itself: no second slash that could begin another host, no blanks, no backslashes.
_PATH = re.compile(r"/(?!/)[^\s\\]*")
_ID = re.compile(r"^(\d{1,18})(?:-([A-Za-z_]{1,40}))?$")


def card_from(
    record: Mapping[str, Any], *, table: Table, origin: str, companions: Mapping[str, str] = {}
) -> Card | None:
    """A card from a contact's or account's record; None when it has no id or is deleted.

    `origin` is the CRM's own, `companions` names companies by id, as they came beside the records.
    """
    record_id = id_from(record.get("id"), kind=table.value)
    if not record_id or record.get("deletedTime"):
        return None
    links = _mapping(record.get("links"))
    linked = ids_from(links.get("accounts" if table is Table.CONTACTS else "contacts"))
    company = ""
    if table is Table.CONTACTS:
        company = next((companions[each] for each in linked if each in companions), "")
        for stub in _list(record.get("accounts")):
            company = company or _text(_mapping(stub).get("name"), MAX_NAME)
    return Card(
        table=table,
        id=record_id,
        name=name_from(record),
        company=company,
        job_title=_text(record.get("jobTitle"), 200),
        numbers=numbers_from(record.get("phones", record.get("phone"))),
        page=page_from(record, origin=origin) or page_by_id(record_id, table=table, origin=origin),
        owner=next(iter(ids_from(links.get("owner") or record.get("owner"), kind="users")), ""),
        last_contacted_at=time_from(
            record.get("lastContactedTime", record.get("lastContactedDate", record.get("lastContacted")))
        ),
        links=linked,
    )


def numbers_from(value: Any) -> tuple[CardNumber, ...]:
    """Every number of a record: REST's array, the list form's groups or JSON-RPC's object by label."""
    found: list[CardNumber] = []
    if isinstance(value, Mapping):
        for label, each in value.items():
            if label != _PRIMARY:
                for one in each if isinstance(each, list) else [each]:
                    found.append(_number_from(one, "" if str(label).isdigit() else str(label)))
    else:
        for entry in _list(value):
            if isinstance(entry, Mapping) and "value" in entry:
                found.append(_number_from(entry["value"], _text(entry.get("name"), 60)))
            else:
                found.append(_number_from(entry, ""))
    kept = [number for number in found if number.raw or number.e164]
    return tuple(dict.fromkeys(kept))[:MAX_NUMBERS]


def _number_from(value: Any, label: str) -> CardNumber:
    label = "" if label.casefold() in _UNLABELLED else label[:60]
    if not isinstance(value, Mapping):
        return CardNumber(raw=_text(value, MAX_NUMBER), label=label)
    e164 = _text(value.get("E164"), 40)
    bare = _text(value.get("number"), MAX_NUMBER)
    country_code = _text(value.get("countryCode"), 4).lstrip("+")
    if not e164 and country_code and bare:
        e164 = "+" + country_code + "".join(sign for sign in bare if sign.isdecimal())
    return CardNumber(
        raw=_text(value.get("numberFormatted"), MAX_NUMBER) or bare or e164,
        e164=e164,
        label=label,
        extension=_text(value.get("extension"), 20),
    )


def name_from(record: Mapping[str, Any]) -> str:
    """The name of a record, whether a text or an object of parts."""
    name = record.get("name")
    if isinstance(name, Mapping):
        shown = _text(name.get("displayName"), MAX_NAME)
        return shown or " ".join(
            part for part in (_text(name.get("givenName"), 150), _text(name.get("familyName"), 150)) if part
        )
    parts = (_text(record.get("firstName"), 150), _text(record.get("lastName"), 150))
    return _text(name, MAX_NAME) or " ".join(part for part in parts if part)


def page_from(record: Mapping[str, Any], *, origin: str) -> Page | None:
    """The record's page as the CRM names it; a page elsewhere than on the CRM's own origin is not taken."""
    address, path = record.get("htmlUrl"), record.get("htmlUrlPath")
    if isinstance(address, str) and address.startswith(f"{origin}/"):
        path = address.removeprefix(origin)
    path = path.partition("#")[0].partition("?")[0] if isinstance(path, str) else ""
    if not _PATH.fullmatch(path) or len(path) > MAX_PATH or not path.isprintable():
        return None
    return Page(origin=origin, path=path)


def page_by_id(record_id: str, *, table: Table, origin: str) -> Page:
    """The page of a record that came without an address."""
    return Page(origin=origin, path=f"/{PAGE_WORDS[table]}/{record_id.partition('-')[0]}")


def note_from(record: Mapping[str, Any], *, origin: str) -> WrittenNote | None:
    """A note as it stands in the CRM; None when the record is no note."""
    note_id = id_from(record.get("id"), kind="notes")
    kind = _text(record.get("type"), 40) or _text(record.get("entityType"), 40)
    if not note_id or kind.casefold() not in {"notes", ""}:
        return None
    text = next(
        (
            record[key]
            for key in ("body", "note", "bodyMarkup", "noteMarkup")
            if isinstance(record.get(key), str)
        ),
        "",
    )
    links = _mapping(record.get("links"))
    parent = next(iter(ids_from(links.get("parent") or record.get("parent"))), "")
    for key, plural in (("contact", "contacts"), ("account", "accounts"), ("lead", "leads")):
        if not parent and isinstance(record.get(key), Mapping):
            parent = id_from(record[key].get("id"), kind=plural)
    return WrittenNote(
        ref=Ref(id=note_id, page=page_from(record, origin=origin)),
        text=text[: MAX_NOTE * 2],
        parent_id=parent,
        deleted=bool(record.get("deletedTime")),
    )


def note_record_from(body: Any) -> Mapping[str, Any] | None:
    """The one note of an answer: under `notes` as a list or an object, under `data`, or bare."""
    if not isinstance(body, Mapping):
        return None
    for key in ("notes", "data", "note", "result"):
        inner = body.get(key)
        if isinstance(inner, Mapping):
            return inner
        if isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
            return inner[0]
    return body if "id" in body else None


def records_from(body: Any, *, plural: str) -> list[Mapping[str, Any]] | None:
    """The records of a listing or of one record's answer; None when the answer has no such part."""
    if not isinstance(body, Mapping):
        return None
    inner = body.get(plural)
    if isinstance(inner, Mapping):
        return [inner]
    if isinstance(inner, list):
        return [record for record in inner if isinstance(record, Mapping)]
    return [body] if "id" in body and id_from(body["id"], kind=plural) else None


def company_names_from(body: Any) -> dict[str, str]:
    """The names of the companies that came beside people, by id."""
    names = {}
    for record in records_from(body, plural="accounts") or []:
        company_id = id_from(record.get("id"), kind="accounts")
        if company_id:
            names[company_id] = name_from(record)
    return names


def total_from(body: Any) -> int | None:
    """The CRM's own count of all records of a listing, where it tells one."""
    meta = _mapping(_mapping(body).get("meta"))
    for key in ("total", "count"):
        total = meta.get(key)
        if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
            return total
    return None


def who_from(users: Sequence[Mapping[str, Any]], *, email: str, instance_id: str = "") -> WhoAmI | None:
    """The enabled user with this e-mail; None when no user has it (the company's domain, for one)."""
    wanted = email.strip().casefold()
    for user in users:
        emails = {each.strip().casefold() for each in _list(user.get("emails")) if isinstance(each, str)}
        if wanted in emails and user.get("isEnabled") is not False:
            return WhoAmI(
                user_id=id_from(user.get("id"), kind="users"),
                name=name_from(user),
                email=email.strip(),
                instance_id=instance_id[:MAX_ID],
            )
    return None


def spellings_of(number: PhoneNumber) -> tuple[str, ...]:
    """The spellings in which a number is asked for, the likeliest to hit first."""
    spellings = [number.e164, number.national, number.e164.lstrip("+")]
    if number.country in {"US", "CA"} and len(number.national) == 10:
        national = number.national
        spellings.append(f"{national[:3]}-{national[3:6]}-{national[6:]}")
    if number.e164:
        significant = number.national.lstrip("0")
        spellings.append(significant[-8:] if len(significant) > 8 else significant)
    spellings.append(number.digits)
    return tuple(dict.fromkeys(spelling for spelling in spellings if spelling))


def with_marker(text: str, marker: str) -> str:
    """A note's text with the marker as its last line; what only looks like a marker is taken apart first."""
    clean = _LOOKS_LIKE_MARKER.sub("(npbx", text.replace("\x00", ""))
    return f"{clean[:MAX_NOTE].rstrip()}\n{marker}"


def has_marker(text: str, marker: str) -> bool:
    """Whether a note carries this marker as a line of its own (HTML line ends count as line ends)."""
    lines = re.split(r"\r\n|\r|\n|<br\s*/?>", text)
    return any(line.strip() == marker for line in lines)


def id_from(value: Any, *, kind: str) -> str:
    """An id in Nutshell's REST form ("23-contacts") from that form or a bare number; "" for anything else."""
    if isinstance(value, bool):
        return ""
    found = _ID.match(str(value)) if isinstance(value, (int, str)) else None
    if not found:
        return ""
    return f"{found.group(1)}-{found.group(2) or kind}"


def ids_from(value: Any, *, kind: str = "") -> tuple[str, ...]:
    """The ids of a link that may be nothing, one id, a list of ids or of stubs."""
    values = value if isinstance(value, list) else [value]
    found = []
    for each in values[:1000]:
        if isinstance(each, Mapping):
            each = each.get("id")
        record_id = id_from(each, kind=kind) if each is not None else ""
        if record_id:
            found.append(record_id.rstrip("-"))
    return tuple(dict.fromkeys(found))


def time_from(value: Any) -> datetime | None:
    """A point in time from Unix seconds (also as text) or an ATOM text, whose offset may lack its colon."""
    if isinstance(value, bool) or value in (None, "", 0):
        return None
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, tz=UTC)
        if isinstance(value, str):
            if value.isdecimal() and len(value) <= 11:
                return datetime.fromtimestamp(int(value), tz=UTC)
            moment = datetime.fromisoformat(value.strip()[:40])
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _text(value: Any, limit: int) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)[: limit * 2]).split())[
        :limit
    ]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
