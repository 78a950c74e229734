from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nutshellpbx.calls.decide import Known
from nutshellpbx.calls.policy import EntryOwner, Policy
from nutshellpbx.calls.rehearsal import Desk, House, Line, Rehearsal, What
from nutshellpbx.calls.trace import MOST_SIGNS, read_trace
from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.events import CallEvent

#: No call may be silent for so long: what never ended is ended by its time-out.
LONG = timedelta(days=1)


class Command(BaseCommand):
    help = "Plays a call's trace and tells its story: who sees what, and who keeps the call."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="A trace, as a call's page gives it.")
        parser.add_argument("--open-mode", choices=["ring", "answer", "never"], default="ring")
        parser.add_argument("--group-policy", choices=["card", "open"], default="card")
        parser.add_argument("--entry-owner", choices=[str(owner) for owner in EntryOwner], default="longest")
        parser.add_argument("--known", choices=[str(known) for known in Known], default="one")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            with path.open(encoding="utf-8") as file:
                events = read_trace(file.read(MOST_SIGNS + 1))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        except Rejected as fault:
            raise CommandError(f"{fault.title}. {fault.next_step}") from fault
        desks = {
            event.extension: Desk(event.extension, ("CRM",), open_mode=options["open_mode"])
            for event in events
            if event.extension
        }
        policy = Policy(group_policy=options["group_policy"], entry_owner=EntryOwner(options["entry_owner"]))
        rehearsal = Rehearsal(House(desks=desks, policy=policy, known=Known(options["known"])))
        for event in events:
            self.stdout.write(_event_words(event))
            for line in rehearsal.hear(event):
                self.stdout.write(_line_words(line))
        for line in rehearsal.let_pass(LONG):
            self.stdout.write(_line_words(line))


def _event_words(event: CallEvent) -> str:
    who = event.extension or "the call"
    how = [str(word) for word in (event.cause, event.via, event.via_name) if word]
    return f"{event.at:%H:%M:%S}  {who} {event.kind}{' (' + ', '.join(how) + ')' if how else ''}"


def _line_words(line: Line) -> str:
    match line.what:
        case What.KEPT:
            words = f"the entry belongs to {line.who}"
        case What.LEFT_OUT:
            words = f"no entry: {line.why}"
        case What.GONE:
            words = f"{line.who}'s desk: taken away"
        case What.NOTHING:
            words = f"{line.who}'s desk: nothing ({line.why})"
        case _:
            words = f"{line.who}'s desk: {line.what} ({line.why})"
    return f"            → {words}"
