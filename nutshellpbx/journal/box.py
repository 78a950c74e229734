"""Which machine this is, and whether it may write: a database that woke up elsewhere waits for a word.

A cloned box has the same database, the same keys and the same markers: two of them would write every note
twice, and neither search would help while both are at it. So the database knows its machine, and on another
one nothing is written until an admin says that this is the only box now (`manage.py journal adopt-box`).
"""

from __future__ import annotations

import hashlib
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from nutshellpbx.journal.models import Box, Entry, Standing

logger = logging.getLogger(__name__)

#: Where this machine says which one it is; tests put other places here.
MACHINE_ID = Path("/etc/machine-id")
NETWORK = Path("/sys/class/net")
#: So many doubled markers within this time are no accident.
HOLD_AT, HOLD_WITHIN = 3, timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Machine:
    """What tells machines apart: a digest of the machine's id, digests of its network cards' addresses."""

    digest: str
    cards: tuple[str, ...]
    name: str

    def is_of(self, row: Box) -> bool:
        """Whether a row is this machine's; a card more or less makes no other machine, all others do."""
        same_cards = not self.cards or not row.cards or bool(set(self.cards) & set(row.cards))
        return row.machine.partition(".")[0] == self.digest and same_cards


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing is written, and what a person can do; `code` is one of Standing.Hold."""

    code: str
    title: str
    next_step: str
    since: datetime | None = None


def hold() -> Hold | None:
    """Whether this box's writer is held, and why; None when it may write."""
    standing = Standing.objects.filter(pk=1).first()
    if standing is not None and standing.hold == Standing.Hold.DOUBLE:
        return Hold(
            standing.hold,
            _("A marker of ours stands in two notes; another box may be writing the same calls: %(where)s.")
            % {"where": standing.hold_detail},
            _("Switch the other box off, remove one of the notes, then run `manage.py journal adopt-box`."),
            standing.held_since,
        )
    if find_mine() is None:
        return Hold(
            Standing.Hold.OTHER_BOX,
            _("This database comes from another machine. Nothing is written, lest it be written twice."),
            _("If this is the only box now, run `manage.py journal adopt-box`; else switch this one off."),
        )
    return None


def find_mine(*, locked: bool = False) -> Box | None:
    """This machine's row; the first machine ever gets one by itself, None for another one."""
    machine = this_machine()
    rows = Box.objects.select_for_update() if locked else Box.objects.all()
    known = list(rows.order_by("pk"))
    if not known and not locked:
        return _enter(machine)
    return next((row for row in known if machine.is_of(row)), None)


def adopt(*, now: datetime, also: bool = False) -> Box:
    """Let this machine write; the others' rows go, unless several boxes share the database on purpose."""
    machine = this_machine()
    with transaction.atomic():
        if not also:
            Box.objects.all().delete()
        for row in Box.objects.all():
            if machine.is_of(row):
                row.delete()
        mine = _create(machine, now)
        Standing.objects.filter(pk=1).update(hold=Standing.Hold.NONE, hold_detail="", held_since=None)
    return mine


def hold_for_double(*, marker: str, note_ids: Sequence[str], now: datetime) -> None:
    """Two notes carry one marker: say so, and hold the writer when that keeps happening.

    Once may be somebody who copied a note by hand; `HOLD_AT` within a day are another box at work.
    """
    where = f"{marker}: {', '.join(note_ids)}"[:500]
    logger.error("a marker of ours stands in two notes (%s)", where)
    others = Entry.objects.filter(copies__gt=1, seen_at__gte=now - HOLD_WITHIN).exclude(marker=marker)
    if others.count() + 1 < HOLD_AT:
        return
    logger.error("this box writes nothing until `manage.py journal adopt-box`")
    Standing.objects.get_or_create(pk=1)
    Standing.objects.filter(pk=1, hold=Standing.Hold.NONE).update(
        hold=Standing.Hold.DOUBLE, hold_detail=where, held_since=now
    )


def this_machine() -> Machine:
    """This machine, as far as it can be told."""
    return _machine(settings.NUTSHELLPBX_BOX_ID, MACHINE_ID, NETWORK)


@lru_cache(maxsize=16)
def _machine(given: str, machine_id: Path, network: Path) -> Machine:
    name = socket.gethostname()[:80]
    if given:
        return Machine(_digest("given", given), (), name)
    try:
        text = machine_id.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        text = ""
    cards = []
    for device in sorted(network.glob("*/device")):  # virtual interfaces have no device
        try:
            address = (device.parent / "address").read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue
        if address.strip("0:"):
            cards.append(_digest("card", address.lower()))
    return Machine(_digest("machine", text), tuple(sorted(cards)), name)


def _enter(machine: Machine) -> Box | None:
    try:
        with transaction.atomic():
            return _create(machine, timezone.now())
    except IntegrityError:  # another process of this machine was first
        return Box.objects.order_by("pk").first()


def _create(machine: Machine, now: datetime) -> Box:
    key = f"{machine.digest}.{_digest(*machine.cards)}"
    return Box.objects.create(machine=key, cards=list(machine.cards), name=machine.name, adopted_at=now)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(("npbx box 1", *parts)).encode()).hexdigest()[:24]
