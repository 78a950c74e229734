"""`manage.py vault_doctor [--json]`: does every secret still open? Exit code 1 if one does not."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from nutshellpbx.vault import doctor, keys


class Command(BaseCommand):
    """Open every secret that this process may open and name each one that does not open."""

    help = "Open every sealed secret that this user may open; names each one that does not open."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        role = settings.NUTSHELLPBX_ROLE
        seen = doctor.visit(ring=keys.owner_ring() if role == "manage" else keys.process_ring())
        if options["json"]:
            self.stdout.write(json.dumps(asdict(seen)))
        else:
            for finding in seen.findings:
                self.stdout.write(
                    f"{finding.purpose} {finding.row} of {finding.bound_to}: {finding.title} {finding.remedy}"
                )
            for purpose, count in seen.not_ours.items():
                self.stdout.write(f"{purpose}: {count} not looked at, they are not for the role {role}.")
            self.stdout.write(f"{seen.opened} open, {len(seen.findings)} do not.")
        if seen.findings:
            raise SystemExit(1)
