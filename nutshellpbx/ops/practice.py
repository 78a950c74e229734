"""A made-up office for the demo, the tests and the benchmark: everything that an admin and a user would
enter.

Refused outside practice (NUTSHELLPBX_PRACTICE): nothing here may ever touch a real office.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from nutshellpbx import doorbell, wire
from nutshellpbx.calls.models import Call, Heard, Pop, Step
from nutshellpbx.calls.words import reason_of, sentence_of
from nutshellpbx.crm import signin
from nutshellpbx.crm.models import Credential, Crm, Grant, Sync
from nutshellpbx.desktop import pairing
from nutshellpbx.desktop.models import Instruction, Pairing
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx import config as pbx_config
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, Preferences, User
from nutshellpbx.redact import Secret

LOOK_S = 0.02


class NotPractice(Exception):
    """This server is not a practice one."""


def make_office(*, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Enter company, people, phone system, CRM, grants and keys of a spec; the new ids by name.

    `spec`: company {name, country}; pbx {kind, name, settings, secrets}; crm {kind, name, address};
    people [{email, name, role, extensions, key, preferences}].
    """
    if not settings.NUTSHELLPBX_PRACTICE:
        raise NotPractice
    now = timezone.now()
    company = Company.get()
    for name, value in spec.get("company", {}).items():
        setattr(company, name, value)
    company.full_clean()
    company.save()
    pbx = _make_pbx(spec["pbx"])
    crm = Crm.objects.create(
        kind=spec["crm"].get("kind", "nutshell"),
        name=spec["crm"].get("name", "Nutshell"),
        settings={"address": spec["crm"]["address"]},
        is_practice=True,
    )
    if company_key := spec["crm"].get("company_key"):
        _offer_key(crm, None, company_key["email"], company_key["key"], now)
    people = {person["email"]: _make_person(person, pbx, crm, now) for person in spec["people"]}
    return {"pbx": str(pbx.pk), "crm": str(crm.pk), "people": people}


def approve_pairing(*, code: str, email: str) -> None:
    """Approve a desktop's pairing as this user would on the page."""
    if not settings.NUTSHELLPBX_PRACTICE:
        raise NotPractice
    pairing.approve(code=code, user=User.objects.get(email=email), now=timezone.now())


def pair_desks() -> dict[str, list[str]]:
    """Pair one desk for each user that has an extension; their tokens, for the benchmark."""
    if not settings.NUTSHELLPBX_PRACTICE:
        raise NotPractice
    tokens = []
    for user in User.objects.filter(extensions__isnull=False).distinct():
        now = timezone.now()
        request = wire.PairingRequest(name=f"Desk of {user.name}", os="bench", client_version="0")
        opened, secret = pairing.start(request=request, address=None, now=now)
        pairing.approve(code=opened.code, user=user, now=now)
        claimed = pairing.claim(poll_secret=secret, now=now)
        Pairing.objects.all().delete()
        tokens += [claimed[1]] if claimed else []
    return {"tokens": tokens}


def waits() -> dict[str, list[float]]:
    """Milliseconds that each shown pop and each instruction waited, step by step."""
    shown = Pop.objects.filter(moment=Pop.Moment.RING, claimed_at__isnull=False)
    moments = [(pop.created_at, pop.claimed_at, pop.settled_at) for pop in shown]
    given = Instruction.objects.filter(verb="open", delivered_at__isnull=False)
    return {
        "queued": [_ms(created, claimed) for created, claimed, _settled in moments],
        "worked": [_ms(claimed, settled) for _created, claimed, settled in moments if settled],
        "given": [_ms(row.created_at, row.delivered_at) for row in given],
    }


def _ms(start: datetime | None, end: datetime | None) -> float:
    return (end - start).total_seconds() * 1000 if start and end else 0.0


def readiness(*, crm_id: str) -> dict[str, Any]:
    """How far the office is: keys that work or were refused, and the first sync."""
    close_old_connections()
    states = list(Credential.objects.filter(crm_id=crm_id).values_list("state", flat=True))
    syncs = list(
        Sync.objects.filter(crm_id=crm_id).values("table", "state", "seen", "expected", "completed_at")
    )
    return {
        "keys_ok": states.count(Credential.State.OK),
        "keys_waiting": states.count(Credential.State.CANDIDATE),
        "seen": sum(sync["seen"] for sync in syncs),
        "expected": sum(sync["expected"] or 0 for sync in syncs),
        "synced": len(syncs) == 2 and all(sync["completed_at"] for sync in syncs),
        "connected": Pbx.objects.filter(state=Pbx.State.CONNECTED).exists(),
    }


def follow(*, pbx_id: str, stop: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """What happens to this PBX's calls from now on, as it happens: one dictionary for each thing."""
    heard_after = Heard.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    step_after = Step.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    told: set[tuple[str, str]] = set()
    since = timezone.now() - timedelta(seconds=1)
    while not stop():
        close_old_connections()
        for row in (
            Heard.objects.filter(pbx_id=pbx_id, pk__gt=heard_after).select_related("call").order_by("pk")
        ):
            heard_after = row.pk
            yield {
                "what": row.kind,
                "call": row.call.key,
                "at": row.at,
                "seen_at": row.taken_at,
                "who": row.number,
            }
        for step in (
            Step.objects.filter(call__pbx_id=pbx_id, pk__gt=step_after).select_related("call").order_by("pk")
        ):
            step_after = step.pk
            yield {
                "what": step.what,
                "call": step.call.key,
                "at": step.at,
                "text": sentence_of(step),
                "reason": reason_of(step),
                "took_ms": step.took_ms,
                "facts": step.facts,
            }
        keys = list(Call.objects.filter(pbx_id=pbx_id, started_at__gte=since).values_list("key", flat=True))
        yield from _told(Entry.objects.filter(call_key__in=keys), "entry", "state", "updated_at", told)
        done = Instruction.objects.filter(call_key__in=keys).exclude(outcome="")
        yield from _told(done, "desk", "outcome", "outcome_at", told)
        time.sleep(LOOK_S)


def _told(rows: Any, what: str, field: str, at: str, told: set[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        mark = (str(row.pk), str(getattr(row, field)))
        if mark not in told:
            told.add(mark)
            extra = (
                {"took_ms": row.took_ms, "verb": row.verb, "phase": row.phase}
                if field == "outcome"
                else {
                    "card": row.card_name,
                    "ref": row.ref_id,
                    "reason": row.reason_title,
                }
            )
            yield {"what": what, "call": row.call_key, "at": getattr(row, at), field: mark[1], **extra}


def _make_pbx(spec: Mapping[str, Any]) -> Pbx:
    pbx = Pbx.objects.create(
        kind=spec["kind"],
        name=spec.get("name", "Practice"),
        settings=spec.get("settings", {}),
        is_practice=True,
    )
    for field, value in spec.get("secrets", {}).items():
        pbx_config.keep_secret(pbx=pbx, field=field, secret=Secret(value))
    return pbx


def _make_person(spec: Mapping[str, Any], pbx: Pbx, crm: Crm, now: datetime) -> dict[str, Any]:
    user = User.objects.create_user(
        spec["email"], password=spec.get("password"), name=spec["name"], role=spec.get("role", User.Role.USER)
    )
    extensions: Sequence[str] = spec.get("extensions", ())
    for number in extensions:
        line = Extension.objects.create(pbx=pbx, number=number, name=user.name, owner=user)
        Grant.objects.create(extension=line, crm=crm, granted_at=now)
    if "preferences" in spec:
        Preferences.objects.create(user=user, **spec["preferences"])
    made: dict[str, Any] = {"user": str(user.pk)}
    if key := spec.get("key"):
        made["credential"] = str(_offer_key(crm, user, user.email, key, now).pk)
    return made


def _offer_key(crm: Crm, user: User | None, email: str, key: str, now: datetime) -> Credential:
    credential = signin.offer_candidate(crm=crm, user=user, email=email, secret=Secret(key), now=now)
    doorbell.ring_on_commit(task="crm.check_candidate", ids=[credential.pk], queue="slow")
    return credential
