"""What a box needs before its processes start: keys, tables, static files. Harmless when repeated."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.management import call_command

from nutshellpbx.journal import box, clock, restored


def prepare(*, say: Callable[[str], None]) -> None:
    """Make keys and tables that are missing; `say` gets a line for each step."""
    settings.NUTSHELLPBX_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    say("keys")
    call_command("vault_keys", "make", verbosity=0)
    say("database")
    call_command("migrate", verbosity=0, interactive=False)
    if not settings.NUTSHELLPBX_ONE_DATABASE:
        call_command("migrate", database="index", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    say("journal")
    clock.heed()
    if box.hold() is None and restored.check(now=clock.now()):
        say("the database was restored: notes are searched for before they are written")
