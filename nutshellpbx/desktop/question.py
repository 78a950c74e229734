"""What a waiting desktop asks, read from its HTTP request within bounds."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from nutshellpbx import wire
from nutshellpbx.desktop.tokens import Fingerprint, find_bearer, find_fingerprint

MOST_WAIT_S = 55
#: Home routers and proxies cut connections that stay silent for a minute.
HEARTBEAT_S = 25
MOST_HEADER_BYTES = 8_192
MOST_QUERY_BYTES = 200

REFUSED = {
    "title": gettext_lazy("This desktop is not paired any more."),
    "next_step": gettext_lazy("Pair it again: nutshellpbx-client pair ADDRESS"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a desktop asks: who it is, what it has, how long it waits, how long nobody touched it."""

    kept: Fingerprint
    after: int
    wait_s: int
    idle_s: int | None
    as_stream: bool


class Refusal(Exception):
    """A request that is answered without looking into the database."""

    def __init__(self, status: int, title: str, next_step: str = "", field: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.body = {"title": title, "next_step": next_step, **({"field": field} if field else {})}


def read_question(scope: MutableMapping[str, Any]) -> Question:
    """What is asked for; raises Refusal for what is too long, unknown, not signed in, or not understood."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if len(headers) > 64 or sum(len(name) + len(value) for name, value in headers) > MOST_HEADER_BYTES:
        raise Refusal(431, _("The request's headers are too long."))
    if scope["path"] != "/push/instructions":
        raise Refusal(404, _("There is nothing here."))
    if scope["method"] != "GET":
        raise Refusal(405, _("Only GET is understood here."))
    if len(scope["query_string"]) > MOST_QUERY_BYTES:
        raise Refusal(414, _("The address is too long."))
    known = {name: value.decode("latin-1") for name, value in headers}
    kept = find_fingerprint(find_bearer(known.get(b"authorization", "")))
    if kept is None:
        raise Refusal(401, str(REFUSED["title"]), str(REFUSED["next_step"]))
    try:
        asked = dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=16))
    except ValueError as error:
        raise Refusal(400, _("The address has too many parts.")) from error
    as_stream = "text/event-stream" in known.get(b"accept", "")
    if as_stream and b"last-event-id" in known:
        asked["after"] = known[b"last-event-id"]
    idle_s = _read_number(asked, "idle", 10**9, default=-1)
    return Question(
        kept=kept,
        after=_read_number(asked, "after", wire.MAX_CURSOR, default=0),
        wait_s=_read_number(asked, "wait", MOST_WAIT_S, default=HEARTBEAT_S),
        idle_s=None if idle_s < 0 else idle_s,
        as_stream=as_stream,
    )


def _read_number(asked: dict[str, str], field: str, most: int, *, default: int) -> int:
    text = asked.get(field)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= most):
        said = _("`%(field)s` must be a whole number from 0 to %(most)s.") % {"field": field, "most": most}
        raise Refusal(400, said, field=field)
    return int(text)
