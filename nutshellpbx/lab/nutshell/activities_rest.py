"""``/rest/activities`` and ``/rest/activitytypes``: a logged call is an activity with ``isLogged``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nutshellpbx.lab.nutshell.errors import Invalid, NotFound
from nutshellpbx.lab.nutshell.exchange import Answer, Request, json_answer
from nutshellpbx.lab.nutshell.fields import read_limit, read_page, read_time
from nutshellpbx.lab.nutshell.notes_rest import add_note
from nutshellpbx.lab.nutshell.records import Activity, api_id, number_of, type_of
from nutshellpbx.lab.nutshell.shapes import instance_meta
from nutshellpbx.lab.nutshell.sign_in import Actor
from nutshellpbx.lab.nutshell.store import ACTIVITY_TYPES, Store
from nutshellpbx.lab.nutshell.typed_fields import read_text

if TYPE_CHECKING:
    from nutshellpbx.lab.nutshell.instance import Instance

_DEFAULT_LIMIT = 50


def list_activities(instance: Instance, request: Request, actor: Actor) -> Answer:
    """Activities, newest first, as the filters say; raises Invalid."""
    rows = _filtered(instance.store, request)
    rows.sort(key=lambda activity: (activity.starts_at, activity.id), reverse=True)
    if request.first("page[limit]", "page[page]") is not None:
        number, size = read_page(request)
    else:
        number, size = 0, read_limit(request, default=_DEFAULT_LIMIT)
    shown = rows[number * size : (number + 1) * size]
    meta = {"count": len(rows), "total": instance.store.count_live("activities"), **instance_meta()}
    shapes = [instance.shapes.activity(activity) for activity in shown]
    return json_answer({"meta": meta, "links": {}, "activities": shapes})


def read_activity(instance: Instance, request: Request, actor: Actor, text: str) -> Answer:
    """One activity with its note beside it; raises NotFound."""
    return _answer(instance, _get(instance.store, text), actor)


def create_activity(instance: Instance, request: Request, actor: Actor) -> Answer:
    """Create exactly one activity; raises Invalid."""
    draft = _read_draft(request)
    store = instance.store
    now = store.now()
    type_id = _read_type(draft.get("activityType"))
    starts_at = _read_moment(draft, "startTime", default=now)
    activity = Activity(
        id=store.next_id("activities"),
        name=read_text(draft.get("name"), field="name") or ACTIVITY_TYPES[type_id],
        type_id=type_id,
        starts_at=starts_at,
        ends_at=_read_moment(draft, "endTime", default=starts_at),
        creator_id=actor.actor_id,
        created_at=now,
        modified_at=now,
    )
    _take_in(store, activity, draft, actor)
    store.add(
        table="activities",
        record=activity,
        actor_id=actor.actor_id,
        action="log" if activity.is_logged else "create",
    )
    return _answer(instance, activity, actor, status=201)


def replace_activity(instance: Instance, request: Request, actor: Actor, text: str) -> Answer:
    """Change an activity by PUT; fields that are not given stay; raises NotFound and Invalid."""
    store = instance.store
    activity = _get(store, text)
    draft = _read_draft(request)
    type_id = _read_type(draft["activityType"]) if "activityType" in draft else activity.type_id
    starts_at = _read_moment(draft, "startTime", default=activity.starts_at)
    ends_at = _read_moment(draft, "endTime", default=activity.ends_at)
    store.touch(table="activities", record=activity)
    was_logged = activity.is_logged
    activity.name = read_text(draft.get("name"), field="name") or activity.name
    activity.type_id, activity.starts_at, activity.ends_at = type_id, starts_at, ends_at
    _take_in(store, activity, draft, actor)
    logged = activity.is_logged and not was_logged
    store.changed(
        table="activities",
        record=activity,
        actor_id=actor.actor_id,
        changes=[{"attribute": "status", "oldValue": "0", "newValue": "1"}] if logged else [],
        action="log" if logged else "update",
    )
    return _answer(instance, activity, actor)


def list_activity_types(instance: Instance, request: Request, actor: Actor) -> Answer:
    """The kinds of activity that this instance has named."""
    types = [instance.shapes.activity_type(number) for number in ACTIVITY_TYPES]
    return json_answer({"meta": instance_meta(), "activityTypes": types})


def _take_in(store: Store, activity: Activity, draft: dict[str, Any], actor: Actor) -> None:
    """Set what create and change have in common: texts, flags, participants, the outcome note."""
    links = draft.get("links")
    if isinstance(links, dict) and "participants" in links:
        _set_participants(store, activity, links["participants"])
    activity.agenda = read_text(draft.get("description", activity.agenda), field="description")
    activity.location = read_text(draft.get("location", activity.location), field="location")
    activity.transcription = draft.get("transcription", activity.transcription)
    activity.is_flagged = bool(draft.get("isFlagged", activity.is_flagged))
    activity.is_all_day = bool(draft.get("isAllDay", activity.is_all_day))
    activity.is_logged = bool(draft.get("isLogged", activity.is_logged))
    if activity.is_logged and activity.logged_at is None:
        activity.logged_at = store.now()
        activity.logger_id = actor.actor_id if actor.actor_id.endswith("-users") else None
        store.contact_now([*activity.person_ids, *activity.company_ids])
    outcome = read_text(draft.get("note"), field="note")
    if not outcome:
        return
    if activity.note_id is None:
        parent_id = api_id(activity.id, "activities")
        activity.note_id = add_note(store, parent_id=parent_id, text=outcome, author_id=actor.actor_id).id
    else:
        note = store.notes[activity.note_id]
        store.touch(table="notes", record=note)
        note.markup = outcome


def _set_participants(store: Store, activity: Activity, participants: Any) -> None:
    if not isinstance(participants, list):
        raise Invalid("Invalid participants", field="participants")
    groups: dict[str, list[str]] = {"users": [], "contacts": [], "accounts": [], "leads": []}
    for text in map(str, participants):
        table = type_of(text)
        known = store.find_user(text) if table == "users" else None
        if table in ("contacts", "accounts"):
            known = store.find(table, text)
        if known is None:
            raise Invalid("Invalid participants", detail=f"No such entity: {text}", field="participants")
        groups[table].append(text)
    activity.user_ids, activity.person_ids = tuple(groups["users"]), tuple(groups["contacts"])
    activity.company_ids, activity.lead_ids = tuple(groups["accounts"]), tuple(groups["leads"])


def _filtered(store: Store, request: Request) -> list[Activity]:
    rows: Iterable[Activity] = store.live("activities")
    participants = set(request.every("filter[participant][]", "filter[participant]"))
    if participants:
        rows = [
            row
            for row in rows
            if participants & {*row.user_ids, *row.person_ids, *row.company_ids, *row.lead_ids}
        ]
    statuses = set(request.every("filter[status][]", "filter[status]"))
    if statuses:
        rows = [row for row in rows if _status_of(row) in statuses]
    types = {number_of(text, "activityTypes") for text in request.every("filter[activityType]")}
    if types:
        rows = [row for row in rows if row.type_id in types]
    if request.first("filter[flagged]", "filter[isImportant]") in ("true", "1"):
        rows = [row for row in rows if row.is_flagged]
    first, last = request.first("filter[dateMin]"), request.first("filter[dateMax]")
    if first:
        earliest = read_time(first)
        rows = [row for row in rows if row.starts_at >= earliest]
    if last:
        latest = read_time(last)
        rows = [row for row in rows if row.starts_at <= latest]
    query = (request.first("q") or "").casefold()
    return [row for row in rows if query in f"{row.name} {row.agenda} {_outcome(store, row)}".casefold()]


def _status_of(activity: Activity) -> str:
    if activity.is_cancelled:
        return "cancelled"
    return "logged" if activity.is_logged else "scheduled"


def _outcome(store: Store, activity: Activity) -> str:
    return "" if activity.note_id is None else store.notes[activity.note_id].markup


def _read_draft(request: Request) -> dict[str, Any]:
    try:
        written = request.json
    except ValueError:
        raise Invalid("The request body is not valid JSON.") from None
    drafts = written.get("activities") if isinstance(written, dict) else None
    if not isinstance(drafts, list) or len(drafts) != 1 or not isinstance(drafts[0], dict):
        raise Invalid("You may only create one activities resource per request.")
    return drafts[0]


def _read_type(value: Any) -> int:
    if value is None:
        return min(ACTIVITY_TYPES)
    number = number_of(value, "activityTypes")
    if number not in ACTIVITY_TYPES:
        raise Invalid("Invalid activityType", detail=f"No such activity type: {value}", field="activityType")
    return number


def _read_moment(draft: dict[str, Any], field: str, *, default: int) -> int:
    value = draft.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(f"Invalid value for {field}", field=field)
    return value


def _get(store: Store, text: str) -> Activity:
    activity = store.find("activities", text)
    if not isinstance(activity, Activity) or activity.deleted_at is not None:
        raise NotFound
    return activity


def _answer(instance: Instance, activity: Activity, actor: Actor, *, status: int = 200) -> Answer:
    notes = [] if activity.note_id is None else [instance.store.notes[activity.note_id]]
    body = {
        "meta": instance_meta(),
        "links": {},
        "activities": [instance.shapes.activity(activity)],
        "notes": [instance.shapes.note(note, reader_id=actor.actor_id) for note in notes],
        "activityTypes": [instance.shapes.activity_type(activity.type_id)],
    }
    return json_answer(body, status=status)
