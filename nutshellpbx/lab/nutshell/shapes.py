"""How each record looks in an answer of the REST API, field by field and in the captured order."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

from nutshellpbx.lab.nutshell.numbers import format_number
from nutshellpbx.lab.nutshell.records import (
    Activity,
    Company,
    Event,
    Labelled,
    Note,
    Person,
    Phone,
    User,
    api_id,
    type_of,
)
from nutshellpbx.lab.nutshell.store import ACTIVITY_TYPES, INSTANCE_ID, SITE_ID, Store

_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_MENTION = re.compile(r"@\[Users:(\d+)\]")
_NOTE_EDITABLE_S = 24 * 3600


def slug_of(name: str) -> str:
    """A name as it stands in a page's address: ``mara-lindqvist``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_SLUG.sub("-", plain).strip("-")


def page_path(record: Person | Company | Note | Activity) -> str:
    """The path of the page that shows a record."""
    if isinstance(record, Person):
        return f"/person/{record.id}-{slug_of(record.name)}"
    if isinstance(record, Company):
        return f"/company/{record.id}-{slug_of(record.name)}"
    if isinstance(record, Note):
        return f"/note/{record.id}"
    return f"/activity/open-modal/{record.id}"


def instance_meta() -> dict[str, Any]:
    """The two marks of the instance that stand in every ``meta``."""
    return {"instanceId": INSTANCE_ID, "siteId": SITE_ID}


def formatted_count(count: int) -> dict[str, Any]:
    """A count as ``meta`` shows it beside the bare number."""
    return {"formatted": f"{count:,}", "prefix": "", "suffix": "", "value": count}


def phone_shape(phone: Phone) -> dict[str, Any]:
    """One number of a person or company; nulls stand where an unreadable one has nothing."""
    code, number = phone.country_code, phone.number
    formatted = format_number(code, number)
    return {
        "isPrimary": phone.is_primary,
        "name": phone.label,
        "isOptedOut": False,
        "value": {
            "countryCode": code or None,
            "number": number,
            "extension": phone.extension,
            "numberFormatted": formatted,
            "E164": f"+{code}{number}" if code else None,
            "countryCodeAndNumber": f"+{code} {formatted}" if code else formatted,
        },
    }


class Shapes:
    """Writes records for one store under one public address."""

    def __init__(self, *, store: Store, address: str) -> None:
        self.store = store
        self.address = address

    def person(self, person: Person) -> dict[str, Any]:
        """A contact."""
        ref = api_id(person.id, "contacts")
        return {
            "id": ref,
            "type": "contacts",
            "name": person.name,
            "description": person.about,
            "emails": [_labelled(email) for email in person.emails],
            "addresses": [_labelled(address) for address in person.addresses],
            "phones": [phone_shape(phone) for phone in person.phones],
            "urls": [_labelled(url) for url in person.urls],
            "jobTitle": person.title,
            "firstName": person.given,
            "lastName": person.family,
            "mcfxContactId": None,
            "href": f"{self.address}/rest/contacts/{ref}",
            "avatarUrl": self._avatar("contacts", person),
            "initials": person.given[:1] + person.family[:1],
            **self._page(person),
            "links": {
                "accounts": [api_id(number, "accounts") for number in person.company_ids],
                "emAudiences": [],
                "creator": person.creator_id,
                "owner": person.owner_id,
                "territory": None,
                "tags": list(person.tags),
                "files": [],
                "relatedFiles": [],
                "followup": None,
                "recurringTask": None,
            },
        }

    def company(self, company: Company) -> dict[str, Any]:
        """An account."""
        ref = api_id(company.id, "accounts")
        name = company.name.split()
        return {
            "id": ref,
            "type": "accounts",
            "name": company.name,
            "description": company.about,
            "emails": [_labelled(email) for email in company.emails],
            "addresses": [_labelled(address) for address in company.addresses],
            "phones": [phone_shape(phone) for phone in company.phones],
            "urls": [_labelled(url) for url in company.urls],
            "href": f"{self.address}/rest/accounts/{ref}",
            "revenue": None,
            "employeeCount": None,
            "avatarUrl": self._avatar("accounts", company),
            "initials": "".join(word[:1] for word in name[:1] + name[1:][-1:]),
            **self._page(company),
            "links": {
                "creator": company.creator_id,
                "owner": company.owner_id,
                "territory": None,
                "tags": list(company.tags),
                "files": [],
                "relatedFiles": [],
                "followup": None,
                "recurringTask": None,
                "contacts": [api_id(number, "contacts") for number in company.person_ids],
                "accountType": api_id(company.type_id, "accountTypes"),
                "industry": None
                if company.industry_id is None
                else api_id(company.industry_id, "industries"),
            },
        }

    def note(self, note: Note, *, reader_id: str) -> dict[str, Any]:
        """A note as its reader gets it; only its author may edit it, for a day."""
        ref = api_id(note.id, "notes")
        mentioned = [api_id(int(number), "users") for number in _MENTION.findall(note.markup)]
        fresh = self.store.now() - note.created_at < _NOTE_EDITABLE_S
        return {
            "id": ref,
            "type": "notes",
            "createdTime": note.created_at,
            "deletedTime": note.deleted_at,
            "href": f"{self.address}/rest/notes/{ref}",
            "body": _MENTION.sub(lambda found: self._user_name(found[1]), note.markup),
            "bodyHtml": self.note_html(note),
            "bodyMarkup": note.markup,
            "isEditable": fresh and reader_id == note.author_id,
            "parentType": type_of(note.parent_id),
            **self._page(note),
            "links": {
                "comments": [],
                "parent": note.parent_id,
                "accounts": [],
                "contacts": [],
                "leads": [],
                "users": mentioned,
                "teams": [],
            },
        }

    def note_html(self, note: Note) -> str:
        """A note's text as escaped HTML with its line ends and mentions marked up."""

        def mention(found: re.Match[str]) -> str:
            name = html.escape(self._user_name(found[1]))
            return (
                f'<span class="mention-rendered" data-entity-id="{found[1]}" data-entity-name="Users">'
                f'<a href="/setup/user/{found[1]}" data-behavior="ignore-modal-click">{name}</a></span>'
            )

        text = html.escape(note.markup).replace("&#x27;", "&#039;")
        return _MENTION.sub(mention, text).replace("\n", "<br />\n")

    def activity(self, activity: Activity) -> dict[str, Any]:
        """An activity; a logged one names its logger and its note."""
        ref = api_id(activity.id, "activities")
        over = activity.ends_at < self.store.now()
        return {
            "id": ref,
            "type": "activities",
            "name": activity.name,
            "agenda": activity.agenda,
            "createdTime": activity.created_at,
            "modifiedTime": activity.modified_at,
            "loggedTime": activity.logged_at,
            "startTime": activity.starts_at,
            "endTime": activity.ends_at,
            "deletedTime": activity.deleted_at,
            "isAllDay": activity.is_all_day,
            "isEditable": True,
            "isCancelled": activity.is_cancelled,
            "isFlagged": activity.is_flagged,
            "isLogged": activity.is_logged,
            "isOverdue": over and not activity.is_logged and not activity.is_cancelled,
            "isMediaLogged": False,
            "transcription": activity.transcription,
            "showTranscribeLoggingFlow": False,
            "externalMeetingServiceType": None,
            "href": f"{self.address}/rest/activities/{ref}",
            **self._page(activity),
            "links": {
                "comments": [],
                "accounts": list(activity.company_ids),
                "activityType": api_id(activity.type_id, "activityTypes"),
                "contacts": list(activity.person_ids),
                "creator": activity.creator_id,
                "leads": list(activity.lead_ids),
                "logger": activity.logger_id,
                "logNote": None if activity.note_id is None else api_id(activity.note_id, "notes"),
                "users": list(activity.user_ids),
            },
        }

    def activity_type(self, number: int) -> dict[str, Any]:
        """A kind of activity, named by the instance."""
        return {
            "id": api_id(number, "activityTypes"),
            "name": ACTIVITY_TYPES[number],
            "modifiedTime": 1_763_000_000,
            "isBenchmarkable": number <= 2,
        }

    def user(self, user: User) -> dict[str, Any]:
        """A user with what he may do."""
        ref = api_id(user.id, "users")
        words = user.name.split()
        return {
            "id": ref,
            "type": "users",
            "name": user.name,
            "firstName": words[0] if words else "",
            "modifiedTime": user.modified_at,
            "isEnabled": user.is_enabled,
            "isAdministrator": user.is_administrator,
            "isViewingRestricted": user.is_restricted,
            "emails": list(user.emails),
            "permissions": {
                "canAccessSetup": user.is_administrator,
                "canAccessCrm": True,
                "canBulkEdit": user.is_administrator,
                "canExport": user.is_administrator,
                "canImport": user.is_administrator,
                "canMergeEntities": user.is_administrator,
                "canDeleteEntities": user.may_delete,
                "canAssignEntities": True,
                "canViewSharedEmails": True,
            },
            "phonecallerType": None,
            "avatarUrl": f"{self.address}/avatar/users/{user.id}/{INSTANCE_ID}/x/{user.modified_at}",
            "initials": "".join(word[:1] for word in words[:1] + words[1:][-1:]),
            "links": {"teams": []},
        }

    def actor(self, actor_id: str) -> dict[str, Any]:
        """The one who acted: a user, or the key as an origin."""
        user = self.store.find_user(actor_id)
        if user:
            return self.user(user)
        return {"id": actor_id, "type": "origins", "name": self.store.name_of(actor_id)}

    def event(self, event: Event) -> dict[str, Any]:
        """One line of the change feed or of the deletion feed."""
        return {
            "id": api_id(event.id, "events"),
            "type": "events",
            "createdTime": event.at,
            "actorType": type_of(event.actor_id),
            "payloadType": type_of(event.payload_id),
            "action": event.action,
            "changes": event.changes,
            "count": None,
            "links": {"comments": [], "actor": event.actor_id, "payloads": [event.payload_id]},
        }

    def any(self, record: Any, *, reader_id: str) -> dict[str, Any]:
        """Any record, as the feed carries it."""
        if isinstance(record, Person):
            return self.person(record)
        if isinstance(record, Company):
            return self.company(record)
        if isinstance(record, Note):
            return self.note(record, reader_id=reader_id)
        return self.activity(record)

    def _page(self, record: Person | Company | Note | Activity) -> dict[str, str]:
        path = page_path(record)
        return {"htmlUrl": self.address + path, "htmlUrlPath": path}

    def _avatar(self, table: str, record: Person | Company) -> str:
        return f"{self.address}/avatar/{table}/{record.id}/{INSTANCE_ID}/x/{record.modified_at}"

    def _user_name(self, number: str) -> str:
        user = self.store.users.get(int(number))
        return user.name if user else f"@[Users:{number}]"


def _labelled(item: Labelled) -> dict[str, Any]:
    return {"isPrimary": item.is_primary, "name": item.label, "value": item.value}
