"""The pages that a browser opens: person, company, note, activity, sign-in and a practice new-person form."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from nutshellpbx.lab.nutshell.errors import Invalid, not_allowed, not_found
from nutshellpbx.lab.nutshell.exchange import Answer, Request
from nutshellpbx.lab.nutshell.instance import Instance
from nutshellpbx.lab.nutshell.numbers import digits_of
from nutshellpbx.lab.nutshell.page_layout import page, picture, stylesheet
from nutshellpbx.lab.nutshell.people_edit import new_person
from nutshellpbx.lab.nutshell.records import Activity, Company, Note, Person, Phone, api_id, type_of
from nutshellpbx.lab.nutshell.shapes import page_path, phone_shape

_RECORD_PAGE = re.compile(r"/(person|company|note|activity/open-modal)/(\d{1,15})(?:-[^/]*)?")
_AVATAR = re.compile(r"/avatar/(contacts|accounts|users)/(\d{1,15})/.*")
_TABLES = {
    "person": "contacts",
    "company": "accounts",
    "note": "notes",
    "activity/open-modal": "activities",
}


def answer_page(instance: Instance, request: Request) -> Answer:
    """Answer one request for a page or what belongs to it."""
    if request.path == "/person/new":
        return _new_person(instance, request)
    if request.method not in ("GET", "HEAD"):
        return not_allowed()
    if request.path == "/assets/practice.css":
        return stylesheet()
    if request.path in ("/assets/icon.svg", "/favicon.ico"):
        return picture("N")
    if request.path == "/login":
        return _login()
    if request.path == "/":
        return _home(instance)
    found = _AVATAR.fullmatch(request.path)
    if found:
        return _avatar(instance, found[1], int(found[2]))
    found = _RECORD_PAGE.fullmatch(request.path)
    record = instance.store.find(_TABLES[found[1]], found[2]) if found else None
    if record is None or record.deleted_at is not None:
        return not_found()
    show: Callable[[Instance, Any], Answer] = _SHOWN[type(record)]
    return show(instance, record)


def _person_page(instance: Instance, person: Person) -> Answer:
    companies = [instance.store.companies[number] for number in person.company_ids]
    sub = ", ".join(
        ([html.escape(person.title)] if person.title else []) + [_link(company) for company in companies]
    )
    body = _who(person.name, person.given[:1] + person.family[:1], sub)
    body += _facts(person) + _history(instance, api_id(person.id, "contacts"))
    return page(title=person.name, body=body)


def _company_page(instance: Instance, company: Company) -> Answer:
    body = _who(company.name, company.name[:1], "Company") + _facts(company)
    people = [instance.store.people[number] for number in company.person_ids[:50]]
    if people:
        body += (
            "<h2>People</h2>\n<ul>" + "".join(f"<li>{_link(person)}</li>" for person in people) + "</ul>\n"
        )
    return page(title=company.name, body=body + _history(instance, api_id(company.id, "accounts")))


def _note_page(instance: Instance, note: Note) -> Answer:
    parent = instance.store.find(type_of(note.parent_id), note.parent_id)
    body = "<h1>Note</h1>\n" + (f'<p class="sub">on {_link(parent)}</p>\n' if parent is not None else "")
    return page(title="Note", body=body + _note(instance, note))


def _activity_page(instance: Instance, activity: Activity) -> Answer:
    body = f"<h1>{html.escape(activity.name)}</h1>\n<dl>"
    body += f"<dt>From</dt><dd>{_time(activity.starts_at)}</dd><dt>To</dt><dd>{_time(activity.ends_at)}</dd>"
    body += f"<dt>Logged</dt><dd>{'yes' if activity.is_logged else 'no'}</dd></dl>\n"
    if activity.note_id is not None:
        body += _note(instance, instance.store.notes[activity.note_id])
    return page(title=activity.name, body=body)


_SHOWN: dict[type, Callable[[Instance, Any], Answer]] = {
    Person: _person_page,
    Company: _company_page,
    Note: _note_page,
    Activity: _activity_page,
}


def _login() -> Answer:
    body = (
        "<h1>Sign in</h1>\n<form><label for=email>E-mail</label>"
        "<input id=email type=email autocomplete=username>"
        "<label for=password>Password</label><input id=password type=password autocomplete=current-password>"
        "<button type=button>Sign in</button></form>\n"
        '<p class="sub">The practice pages are open without it.</p>\n'
    )
    return page(title="Sign in", body=body)


def _home(instance: Instance) -> Answer:
    people = instance.store.count_live("contacts")
    companies = instance.store.count_live("accounts")
    first = instance.store.people.get(23)
    body = f"<h1>{people:,} people, {companies:,} companies</h1>\n"
    body += f"<p>For example {_link(first)}.</p>\n" if first else ""
    return page(title="Home", body=body)


def _new_person(instance: Instance, request: Request) -> Answer:
    """A form filled from the query (practice only: the address of the real form is not known)."""
    if request.method == "GET":
        given = {
            "name": request.first("name", "displayName", "contactName") or "",
            "phone": request.first("number", "phone", "tel") or "",
            "email": request.first("email") or "",
        }
        return _form(given)
    if request.method != "POST":
        return not_allowed()
    written = dict(parse_qsl(request.body.decode("utf-8", "replace"), max_num_fields=20))
    draft = {
        "name": written.get("name", ""),
        "phones": [written["phone"]] if written.get("phone") else [],
        "emails": [written["email"]] if written.get("email") else [],
    }
    try:
        person = new_person(instance.store, draft, actor_id="1-users")
    except Invalid as invalid:
        return _form(
            {name: written.get(name, "") for name in ("name", "phone", "email")}, error=invalid.title
        )
    return Answer(status=303, headers={"Location": page_path(person)})


def _form(given: dict[str, str], *, error: str = "") -> Answer:
    labels = {"name": "Name", "phone": "Phone", "email": "E-mail"}
    body = "<h1>New person</h1>\n" + (f'<p role="alert">{html.escape(error)}</p>\n' if error else "")
    body += '<form method="post" action="/person/new">'
    for name, value in given.items():
        value = html.escape(value[:500])
        body += f'<label for="{name}">{labels[name]}</label><input id="{name}" name="{name}" value="{value}">'
    body += "<button>Create person</button></form>\n"
    return page(title="New person", body=body, status=400 if error else 200)


def _who(name: str, initials: str, sub: str) -> str:
    return (
        f'<div class="who"><div class="face">{html.escape(initials)}</div><div><h1>{html.escape(name)}</h1>'
        f'<p class="sub">{sub}</p></div></div>\n'
    )


def _facts(record: Person | Company) -> str:
    rows = [(phone.label, _phone(phone)) for phone in record.phones]
    rows += [(email.label, html.escape(str(email.value))) for email in record.emails]
    rows += [("about", html.escape(record.about))] if record.about else []
    if not rows:
        return '<p class="empty">No number and no address.</p>\n'
    return (
        "<h2>Reach</h2>\n<dl>"
        + "".join(f"<dt>{html.escape(label)}</dt><dd>{value}</dd>" for label, value in rows)
        + "</dl>\n"
    )


def _phone(phone: Phone) -> str:
    value = phone_shape(phone)["value"]
    text = html.escape(
        value["countryCodeAndNumber"] + (f" ext. {phone.extension}" if phone.extension else "")
    )
    return f'<a href="tel:+{digits_of(phone.digits)}">{text}</a>' if phone.digits else text


def _history(instance: Instance, parent_id: str) -> str:
    store = instance.store
    notes = list(store.notes_of(parent_id))
    logged = [
        store.notes[activity.note_id]
        for activity in store.live("activities")
        if activity.note_id is not None and parent_id in (*activity.person_ids, *activity.company_ids)
    ]
    rows = sorted(notes + logged, key=lambda note: note.id, reverse=True)
    shown = "".join(_note(instance, note) for note in rows[:100])
    return f"<h2>Notes ({len(rows)})</h2>\n" + (shown or '<p class="empty">No notes yet.</p>\n')


def _note(instance: Instance, note: Note) -> str:
    author = html.escape(instance.store.name_of(note.author_id))
    return (
        f'<div class="note" id="note-{note.id}">{instance.shapes.note_html(note)}'
        f"<small>{author}, {_time(note.created_at)}</small></div>\n"
    )


def _link(record: Any) -> str:
    return f'<a href="{html.escape(page_path(record))}">{html.escape(record.name)}</a>'


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _avatar(instance: Instance, table: str, number: int) -> Answer:
    rows = instance.store.users if table == "users" else instance.store.tables[table]
    record = rows.get(number)
    if record is None:
        return not_found()
    words = record.name.split()
    return picture("".join(word[:1] for word in words[:1] + words[1:][-1:]))
