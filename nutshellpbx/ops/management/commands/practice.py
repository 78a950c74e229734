from __future__ import annotations

import json
import signal
import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from nutshellpbx import doorbell
from nutshellpbx.ops import practice


class Command(BaseCommand):
    """The made-up office of the demo, the tests and the benchmark, told and asked in JSON lines."""

    help = "Practice only: make an office from a spec on stdin, approve a desktop, follow calls."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("office", help="read a spec from stdin and enter it")
        approve = verbs.add_parser("approve", help="approve a desktop's code as this user")
        approve.add_argument("--code", required=True)
        approve.add_argument("--email", required=True)
        ready = verbs.add_parser("ready", help="how far keys and sync are")
        ready.add_argument("--crm", required=True)
        verbs.add_parser("desks", help="pair a desk for each user; their tokens")
        verbs.add_parser("waits", help="how long pops and instructions waited, step by step")
        follow = verbs.add_parser("follow", help="what happens to calls, as it happens")
        follow.add_argument("--pbx", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])(options)
        except practice.NotPractice:
            raise CommandError("This server is not a practice one: set NUTSHELLPBX_PRACTICE=1.") from None

    def office(self, options: dict[str, Any]) -> None:
        self._say(practice.make_office(spec=json.load(sys.stdin)))
        doorbell.flush(timeout_s=2.0)

    def approve(self, options: dict[str, Any]) -> None:
        practice.approve_pairing(code=options["code"], email=options["email"])

    def ready(self, options: dict[str, Any]) -> None:
        self._say(practice.readiness(crm_id=options["crm"]))

    def desks(self, options: dict[str, Any]) -> None:
        self._say(practice.pair_desks())

    def waits(self, options: dict[str, Any]) -> None:
        self._say(practice.waits())

    def follow(self, options: dict[str, Any]) -> None:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        self._say({"what": "following"})
        for event in practice.follow(pbx_id=options["pbx"], stop=stop.is_set):
            self._say(event)

    def _say(self, content: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(content, cls=DjangoJSONEncoder))
        self.stdout.flush()
