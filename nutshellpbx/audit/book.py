"""The one way into the audit book, and the check that nothing in it was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from nutshellpbx import redact
from nutshellpbx.audit import chain
from nutshellpbx.audit.models import Act, Head

#: The one row of Head.
HEAD = 1
MAX_DETAIL = 8_000
#: So many faults are named; a book that was rewritten has as many as it has acts.
NAMED_FAULTS = 20


class NotRecorded(Exception):
    """The act could not be written into the book; so it must not happen either."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain found: how many acts, the head ("number:hash"), each fault as a sentence."""

    acts: int
    head: str
    faults: tuple[str, ...] = field(default=())

    @property
    def is_whole(self) -> bool:
        return not self.faults


def record(
    *, act: str, by: Any | None, what: str, detail: Mapping[str, Any] | None = None, now: datetime
) -> None:
    """Write one act into the book, in the caller's transaction: both stand or fall together.

    `by` is a user (pk, email), or None for this program itself; `now` is aware. Details are redacted. Writers
    stand in line until each other's transactions end, so record last. Raises NotRecorded.
    """
    if now.tzinfo is None:
        raise NotRecorded("the time of an act must have a zone")
    with transaction.atomic():
        head = _lock_head()
        fields: dict[str, Any] = {
            "number": head.number + 1,
            "at": now.astimezone(UTC),
            "act": act,
            "by_id": str(by.pk) if by is not None else "",
            "by_email": str(by.email) if by is not None else "",
            "what": what,
            "detail": _detail_text(detail or {}),
        }
        for name, value in fields.items():
            limit = getattr(Act._meta.get_field(name), "max_length", None)
            if limit is not None and len(str(value)) > limit:  # a database that cuts it would break the chain
                raise NotRecorded(f"{name} is longer than {limit} characters")
        mark = chain.digest(previous=head.hash, **fields)
        Act.objects.create(previous=head.hash, hash=mark, **fields)
        if not Head.objects.filter(pk=HEAD, number=head.number).update(number=head.number + 1, hash=mark):
            raise NotRecorded("the head of the book is somebody else's")


def verify(*, kept: str = "") -> Verdict:
    """Walk the whole chain, oldest first; `kept` is a head ("number:hash") that somebody wrote down before.

    Finds what was changed, removed, put in between or put elsewhere, and an end that was cut off.
    """
    # No transaction: on SQLite it would keep every writer waiting. An act and its head are committed
    # together, so the head read before is never newer than what is walked, and the one after never older.
    heads = [(*_take_apart(kept), "kept head")] if kept else []
    before = _find_head()
    heads.append((before.number, before.hash, "head"))
    faults: list[str] = []
    count, seen, previous = 0, 0, chain.START
    for each in Act.objects.order_by("number").iterator(chunk_size=500):
        faults += _faults_of(each, expected=seen + 1, previous=previous)
        for number, mark, name in heads:
            if number == each.number and mark != each.hash:
                faults.append(f"{each.number}: is not the act that the {name} names")
        count, seen, previous = count + 1, each.number, each.hash
    for number, _mark, name in heads:
        if number > seen:
            faults.append(f"{seen}: the book ends here, but its {name} names {number}")
    if seen > _find_head().number:
        faults.append(f"{seen}: the book goes on behind its head")
    return Verdict(acts=count, head=f"{seen}:{previous}", faults=tuple(faults[:NAMED_FAULTS]))


def acts_of(*, what: str) -> QuerySet[Act]:
    """The acts that were done to one thing, newest first."""
    return Act.objects.filter(what=what)


def _lock_head() -> Head:
    """The head, locked until the transaction's end; made when there is none yet."""
    heads = Head.objects.select_for_update() if connection.features.has_select_for_update else Head.objects
    head = heads.filter(pk=HEAD).first()
    if head is None:
        Head.objects.get_or_create(pk=HEAD, defaults={"number": 0, "hash": chain.START})
        head = heads.get(pk=HEAD)
    return head


def _find_head() -> Head:
    return Head.objects.filter(pk=HEAD).first() or Head(number=0, hash=chain.START)


def _faults_of(act: Act, *, expected: int, previous: str) -> list[str]:
    faults = []
    if act.number != expected:
        faults.append(f"{act.number}: {act.number - expected} before it are not there")
    if act.previous != previous:
        faults.append(f"{act.number}: does not hang on the act before it")
    own = chain.digest(
        previous=act.previous,
        number=act.number,
        at=act.at,
        act=act.act,
        by_id=act.by_id,
        by_email=act.by_email,
        what=act.what,
        detail=act.detail,
    )
    if act.hash != own:
        faults.append(f"{act.number}: was changed")
    return faults


def _detail_text(detail: Mapping[str, Any]) -> str:
    text = chain.canonical(redact.scrub_value(detail))
    return text if len(text) <= MAX_DETAIL else chain.canonical({"cut": text[: MAX_DETAIL // 2]})


def _take_apart(kept: str) -> tuple[int, str]:
    number, _colon, mark = kept.strip().partition(":")
    if not (number.isdigit() and len(mark) == len(chain.START)):
        raise ValueError("a head looks like 412:9f3c…, as `audit verify` prints it")
    return int(number), mark
