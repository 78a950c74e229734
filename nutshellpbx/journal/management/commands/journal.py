"""`manage.py journal state | restored | adopt-box [--also]`: what only a person at the box can know."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from nutshellpbx.audit import book
from nutshellpbx.journal import box, clock, restored


class Command(BaseCommand):
    """Tell the journal that its database was restored, or that this machine is the one that writes."""

    help = "Say that the database was restored, or that this is the only box now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("state", help="say whether this box may write")
        verbs.add_parser("restored", help="an older database was put back: search before writing")
        adopt = verbs.add_parser("adopt-box", help="this is the only box now: write from here")
        adopt.add_argument("--also", action="store_true", help="further boxes share this database on purpose")

    def handle(self, *args: Any, **options: Any) -> None:
        verb = options["verb"]
        if verb == "restored":
            self._restored()
        elif verb == "adopt-box":
            self._adopt(also=options["also"])
        held = box.hold()
        self.stdout.write(f"held: {held.title} {held.next_step}" if held else "this box writes")

    def _restored(self) -> None:
        now = clock.now()
        with transaction.atomic():
            count = restored.declare(now=now)
            book.record(act="journal.restored", by=None, what="journal", detail={"entries": count}, now=now)
        self.stdout.write(f"{count} entries are searched for before they are written")

    def _adopt(self, *, also: bool) -> None:
        now = clock.now()
        with transaction.atomic():
            mine = box.adopt(now=now, also=also)
            clock.forget()
            count = 0 if also else restored.declare(now=now)
            detail = {"box": mine.name, "also": also, "entries": count}
            book.record(act="journal.box_adopted", by=None, what="journal", detail=detail, now=now)
        self.stdout.write(f"{mine.name} writes now; {count} entries are searched for first")
