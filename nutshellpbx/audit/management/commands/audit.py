"""`manage.py audit verify [--kept HEAD] [--json]` and `audit list [--what W] [--last N]`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from nutshellpbx.audit import book
from nutshellpbx.audit.models import Act


class Command(BaseCommand):
    """Check the audit book's chain, or print its acts; exit code 1 when the chain is broken."""

    help = "Check the audit book's chain, or print its newest acts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        check = verbs.add_parser("verify", help="walk the whole chain; exit code 1 when it is broken")
        check.add_argument("--kept", default="", help="a head that an earlier check printed: NUMBER:HASH")
        check.add_argument("--json", action="store_true", help="print one JSON object")
        show = verbs.add_parser("list", help="print the newest acts, one line each")
        show.add_argument("--last", type=int, default=50, help="how many (50)")
        show.add_argument("--what", default="", help="only what was done to this, such as entry:<id>")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            return self._list(last=options["last"], what=options["what"])
        try:
            verdict = book.verify(kept=options["kept"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(verdict)))
        else:
            for fault in verdict.faults:
                self.stdout.write(fault)
            ends = "the chain is whole" if verdict.is_whole else "the chain is BROKEN"
            self.stdout.write(f"{verdict.acts} acts, {ends}. Head (keep it elsewhere): {verdict.head}")
        if not verdict.is_whole:
            raise SystemExit(1)
        return None

    def _list(self, *, last: int, what: str) -> None:
        acts = book.acts_of(what=what) if what else Act.objects.order_by("-number")
        for each in acts[: max(last, 0)]:
            who = each.by_email or "this program"
            at = each.at.strftime("%Y-%m-%d %H:%M:%S")
            self.stdout.write(f"{each.number} {at}Z {each.act} {each.what} by {who} {each.detail}")
