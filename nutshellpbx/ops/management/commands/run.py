from __future__ import annotations

import signal
import threading
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand

from nutshellpbx.ops.prepare import prepare
from nutshellpbx.ops.supervise import Supervisor, programs_of
from nutshellpbx.people.models import User

READY_S = 60.0


class Command(BaseCommand):
    """The whole server on this machine, for real use with the embedded default: SQLite and a Redis of its
    own.
    """

    help = "Run all processes of the server here, with embedded stores, until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-redis", action="store_true", help="use the server of NUTSHELLPBX_REDIS_URL")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        prepare(say=lambda step: self.stdout.write(f"preparing: {step}"))
        supervisor = Supervisor(
            programs_of(
                folder=settings.NUTSHELLPBX_DIR,
                web_port=settings.NUTSHELLPBX_WEB_PORT,
                push_port=settings.NUTSHELLPBX_PUSH_PORT,
                embedded_redis=not options["no_redis"],
            ),
            folder=settings.NUTSHELLPBX_DIR,
        )
        supervisor.start()
        threading.Thread(target=self._tell_when_ready, args=(stop,), daemon=True).start()
        supervisor.watch(stop.is_set)

    def _tell_when_ready(self, stop: threading.Event) -> None:
        web = f"http://127.0.0.1:{settings.NUTSHELLPBX_WEB_PORT}/healthz"
        push = f"http://127.0.0.1:{settings.NUTSHELLPBX_PUSH_PORT}/push/healthz"
        until = time.monotonic() + READY_S
        while not stop.is_set() and time.monotonic() < until:
            if _answers(web) and _answers(push):
                self.stdout.write(f"ready: {settings.NUTSHELLPBX_PUBLIC_URL}")
                self._first_link()
                return
            time.sleep(0.1)
        if not stop.is_set():
            self.stderr.write(f"Not ready after {READY_S:.0f} s; see {settings.NUTSHELLPBX_DIR}/log")

    def _first_link(self) -> None:
        if User.objects.filter(role=User.Role.ADMIN, is_active=True).exists():
            return
        try:
            self.stdout.write("Open this link to set the company up (24 hours, once):")
            call_command("first_admin_link", stdout=self.stdout)
        except CommandError as error:
            self.stderr.write(str(error))


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
