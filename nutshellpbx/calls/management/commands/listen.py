from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from nutshellpbx import redact
from nutshellpbx.calls import listening, singleton
from nutshellpbx.vault import keys


class Command(BaseCommand):
    help = "Hears the connected phone systems; one such process per company."

    def handle(self, *args: Any, **options: Any) -> None:
        redact.install()
        keys.demand(settings.NUTSHELLPBX_ROLE)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            with singleton.hold(name="listen", stop=stop.is_set) as held:
                if held:
                    self.stdout.write("listening")
                    listening.run(stop=stop.is_set, check=held.check)
        except singleton.Lost as error:
            # another listener may be at work already: whoever supervises us starts us anew, to wait for it
            raise CommandError(f"{error} This listener ends; it has to be started again.") from error
