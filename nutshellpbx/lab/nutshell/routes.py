"""Which function answers which address of the REST API, and what becomes of its refusals."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from typing import Any

from nutshellpbx.lab.nutshell import activities_rest, errors, events_rest, notes_rest, people_rest, users_rest
from nutshellpbx.lab.nutshell.exchange import Answer, Request
from nutshellpbx.lab.nutshell.instance import Instance
from nutshellpbx.lab.nutshell.lists import CommaInName
from nutshellpbx.lab.nutshell.sign_in import Actor, Refusal, sign_in

logger = logging.getLogger(__name__)

_PEOPLE = r"(contacts|accounts)"

# Method, path below /rest, function; the groups of the path are its last arguments. The first match wins.
_TABLE: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", rf"/{_PEOPLE}", people_rest.list_records),
    ("POST", rf"/{_PEOPLE}", people_rest.create_record),
    ("GET", rf"/{_PEOPLE}/list", people_rest.list_items),
    ("GET", rf"/{_PEOPLE}/list/fields", people_rest.list_fields),
    ("GET", rf"/{_PEOPLE}/([^/]+)", people_rest.read_records),
    ("PATCH", rf"/{_PEOPLE}/([^/]+)", people_rest.patch_record),
    ("DELETE", rf"/{_PEOPLE}/([^/]+)", people_rest.delete_record),
    ("POST", rf"/{_PEOPLE}/([^/]+)/undelete", people_rest.undelete_record),
    ("GET", rf"/{_PEOPLE}/([^/]+)/customfields", people_rest.read_custom_fields),
    ("GET", r"/notes", notes_rest.list_notes),
    ("POST", r"/notes", notes_rest.create_note),
    ("GET", r"/notes/([^/]+)", notes_rest.read_note),
    ("DELETE", r"/notes/([^/]+)", notes_rest.delete_note),
    ("POST", r"/notes/([^/]+)/undelete", notes_rest.undelete_note),
    ("GET", r"/activities", activities_rest.list_activities),
    ("POST", r"/activities", activities_rest.create_activity),
    ("GET", r"/activities/([^/]+)", activities_rest.read_activity),
    ("PUT", r"/activities/([^/]+)", activities_rest.replace_activity),
    ("GET", r"/activitytypes", activities_rest.list_activity_types),
    ("GET", r"/users", users_rest.list_users),
    ("GET", r"/users/([^/]+)", users_rest.read_user),
    ("GET", r"/events", events_rest.list_events),
    ("GET", r"/events/deleted", events_rest.list_deletions),
]
_ROUTES = [(method, re.compile(f"/rest{pattern}/?"), answer) for method, pattern, answer in _TABLE]


def answer_rest(instance: Instance, request: Request) -> Answer:
    """Answer one request below ``/rest``, refusals and failures included."""
    actor = sign_in(store=instance.store, authorization=request.headers.get("authorization"))
    if isinstance(actor, Refusal):
        answer = errors.unauthorized() if actor.status == 401 else errors.forbidden()
    else:
        answer = _answer_signed_in(instance, request, actor)
    answer.headers["x-nutshell-request-id"] = uuid.uuid4().hex
    return answer


def _answer_signed_in(instance: Instance, request: Request, actor: Actor) -> Answer:
    plural = request.path.removeprefix("/rest/").partition("/")[0]
    known_address = False
    for method, pattern, answer in _ROUTES:
        found = pattern.fullmatch(request.path)
        if not found:
            continue
        known_address = True
        if method == request.method:
            return _refuse_well(answer, instance, request, actor, plural, found.groups())
    return errors.not_allowed() if known_address else errors.not_found()


def _refuse_well(
    answer: Callable[..., Answer],
    instance: Instance,
    request: Request,
    actor: Actor,
    plural: str,
    groups: tuple[str | Any, ...],
) -> Answer:
    try:
        return answer(instance, request, actor, *groups)
    except errors.Invalid as invalid:
        return errors.bad_request(invalid, plural=plural)
    except errors.NotFound:
        return errors.not_found()
    except CommaInName:
        return errors.server_error()
    except Exception:
        # The outermost border of a request: a fault of the practice server itself must not end it.
        logger.exception("the practice Nutshell failed at %s %s", request.method, request.path)
        return errors.server_error()
