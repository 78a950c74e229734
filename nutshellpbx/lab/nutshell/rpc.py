"""``/api/v1/json``, the older JSON-RPC interface, as far as notes are searched for with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from nutshellpbx.lab.nutshell import errors
from nutshellpbx.lab.nutshell.exchange import Answer, Request, json_answer
from nutshellpbx.lab.nutshell.instance import Instance
from nutshellpbx.lab.nutshell.records import Company, Note, Person, api_id, number_of
from nutshellpbx.lab.nutshell.rpc_shapes import RpcShapes
from nutshellpbx.lab.nutshell.sign_in import Actor, Refusal, sign_in

logger = logging.getLogger(__name__)

RPC_PATH = "/api/v1/json"

# ---- What nobody has shown of the real interface, all in this one place; change it here once it is known.
#: How many notes a full record brings: None is all of them. The captures show an empty list or a few.
NOTES_IN_A_RECORD: int | None = None
#: The notes of a record come newest first, and whole (a note's stub was never seen).
NEWEST_NOTE_FIRST = True
#: The code of the error for an id that nobody has, or that the asker may not see; its HTTP status is 200.
NO_SUCH_ENTITY = -32000
#: The codes of JSON-RPC 2.0 itself; only -32600 was ever seen.
PARSE_ERROR, INVALID_REQUEST, NO_SUCH_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
#: What a wrong or missing sign-in gets: the same page and status as on the REST side.
UNSIGNED: Callable[[], Answer] = errors.unauthorized
#: What a key for forms gets; it is known to be refused, not how.
FORMS_KEY: Callable[[], Answer] = errors.forbidden
#: The body of the service description that GET answers without a sign-in.
SERVICE: Mapping[str, Any] = {"SMDVersion": "2.0", "envelope": "JSON-RPC-2.0", "target": RPC_PATH}
#: Who acts when a key without impersonation asks who it is: no user at all.
NO_USER = None
# ----


class _Failed(Exception):
    """A call that ends in an error object."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def answer_rpc(instance: Instance, request: Request) -> Answer:
    """Answer one JSON-RPC call; an error of the call itself has status 200, too."""
    if request.method == "GET":
        return json_answer({**SERVICE, "services": {name: {} for name in _METHODS}})
    if request.method != "POST":
        return errors.not_allowed()
    actor = sign_in(store=instance.store, authorization=request.headers.get("authorization"))
    if isinstance(actor, Refusal):
        return UNSIGNED() if actor.status == 401 else FORMS_KEY()
    number: Any = None
    try:
        call = _read_call(request)
        number = call.get("id")
        result = _carry_out(instance, actor, call)
    except _Failed as failed:
        return _failure(failed.code, str(failed), number)
    except Exception:
        # The outermost border of a call: a fault of the practice server itself must not end it.
        logger.exception("the practice Nutshell failed at a JSON-RPC call")
        return errors.server_error()
    return json_answer({"result": result, "id": number, "error": None, "jsonrpc": "2.0"})


def _read_call(request: Request) -> dict[str, Any]:
    try:
        call = request.json
    except ValueError:
        raise _Failed(PARSE_ERROR, "Parse error") from None
    if not isinstance(call, dict) or not isinstance(call.get("method"), str):
        raise _Failed(INVALID_REQUEST, "Invalid Request")
    return call


def _carry_out(instance: Instance, actor: Actor, call: dict[str, Any]) -> Any:
    known = _METHODS.get(call["method"])
    if known is None:
        raise _Failed(NO_SUCH_METHOD, f"Method not found: {call['method']}")
    names, method = known
    given = call.get("params")
    if isinstance(given, list) and len(given) <= len(names):
        params = dict(zip(names, given, strict=False))
    elif isinstance(given, dict) and set(given) <= set(names):
        params = given
    elif given is None:
        params = {}
    else:
        raise _Failed(INVALID_PARAMS, "Invalid params")
    return method(instance, actor, params)


def _get_contact(instance: Instance, actor: Actor, params: dict[str, Any]) -> Any:
    person = _find(instance, actor, "contacts", params.get("contactId"))
    assert isinstance(person, Person)
    return RpcShapes(instance.shapes).person(person, notes=_notes_of(instance, "contacts", person.id))


def _get_account(instance: Instance, actor: Actor, params: dict[str, Any]) -> Any:
    company = _find(instance, actor, "accounts", params.get("accountId"))
    assert isinstance(company, Company)
    return RpcShapes(instance.shapes).company(company, notes=_notes_of(instance, "accounts", company.id))


def _get_note(instance: Instance, actor: Actor, params: dict[str, Any]) -> Any:
    note = _find(instance, actor, "notes", params.get("noteId"))
    assert isinstance(note, Note)
    return RpcShapes(instance.shapes).note(note)


def _get_user(instance: Instance, actor: Actor, params: dict[str, Any]) -> Any:
    if params.get("userId") is None:
        return RpcShapes(instance.shapes).user(actor.user) if actor.user else NO_USER
    user = instance.store.find_user(params["userId"])
    if user is None:
        raise _Failed(NO_SUCH_ENTITY, "No such entity")
    return RpcShapes(instance.shapes).user(user)


def _find(instance: Instance, actor: Actor, table: str, given: Any) -> Any:
    number = number_of(given, table)
    record = None if number is None else instance.store.tables[table].get(number)
    if record is None or record.deleted_at is not None or not actor.may_see(_owner_of(record, actor)):
        raise _Failed(NO_SUCH_ENTITY, "No such entity")
    return record


def _owner_of(record: Any, actor: Actor) -> str | None:
    owner: str | None = getattr(record, "owner_id", actor.actor_id)
    return owner


def _notes_of(instance: Instance, table: str, number: int) -> list[Note]:
    notes = list(
        islice(instance.store.notes_of(api_id(number, table), table="record_notes"), NOTES_IN_A_RECORD)
    )
    return notes if NEWEST_NOTE_FIRST else notes[::-1]


def _failure(code: int, message: str, number: Any) -> Answer:
    error = {"code": code, "message": message, "data": None}
    return json_answer({"result": None, "error": error, "id": number, "jsonrpc": "2.0"})


#: Each method with its parameters in order: they may come by name or by place.
_METHODS: Mapping[str, tuple[tuple[str, ...], Callable[[Instance, Actor, dict[str, Any]], Any]]] = {
    "getContact": (("contactId", "rev"), _get_contact),
    "getAccount": (("accountId", "rev"), _get_account),
    "getNote": (("noteId", "rev"), _get_note),
    "getUser": (("userId", "rev"), _get_user),
}
