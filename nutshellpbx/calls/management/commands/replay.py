from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nutshellpbx.calls import tracehouse
from nutshellpbx.calls.decide import Known
from nutshellpbx.calls.policy import EntryOwner, Policy
from nutshellpbx.calls.rehearsal import Desk, House, Line, Rehearsal, What
from nutshellpbx.calls.trace import MOST_SIGNS, read_rules, read_trace
from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.events import CallEvent

#: No call may be silent for so long: what never ended is ended by its time-out.
LONG = timedelta(days=1)


class Command(BaseCommand):
    help = (
        "Plays a call's trace and tells its story: who sees what, and who keeps the call. A trace that "
        "carries its rules is played by them and held against what was recorded; the options change them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="A trace, as a call's page gives it.")
        parser.add_argument("--open-mode", choices=["ring", "answer", "never"])
        parser.add_argument("--group-policy", choices=["card", "open"])
        parser.add_argument("--entry-owner", choices=[str(owner) for owner in EntryOwner])
        parser.add_argument("--known", choices=[str(known) for known in Known])
        parser.add_argument("--check", action="store_true", help="Fail when the outcome is another one.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            with path.open(encoding="utf-8") as file:
                text = file.read(MOST_SIGNS + 1)
            events, rules = read_trace(text), read_rules(text)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        except Rejected as fault:
            raise CommandError(f"{fault.title}. {fault.next_step}") from fault
        house = _changed(rules.house if rules else _any_house(events), options)
        rehearsal = Rehearsal(house)
        lines: list[Line] = []
        for event in events:
            self.stdout.write(_event_words(event))
            lines += self._tell(rehearsal.hear(event))
        lines += self._tell(rehearsal.let_pass(LONG))
        if rules is not None:
            self._hold_against(rules.outcome, lines, is_checked=options["check"])
        elif options["check"]:
            raise CommandError("This trace does not say what came of its call: nothing to check.")

    def _tell(self, lines: list[Line]) -> list[Line]:
        for line in lines:
            self.stdout.write(_line_words(line))
        return lines

    def _hold_against(self, outcome: tracehouse.Outcome, lines: list[Line], *, is_checked: bool) -> None:
        for _who, _crm, moment, why in outcome.hindered:
            self.stdout.write(f"on {moment} the circumstances counted, not the rules: {why}")
        difference = tracehouse.compare(outcome, lines)
        if not difference.is_any:
            self.stdout.write("The outcome is the one that was recorded.")
            return
        for words in difference.missing:
            self.stdout.write(f"recorded, not in this replay: {words}")
        for words in difference.new:
            self.stdout.write(f"in this replay, not recorded: {words}")
        if is_checked:
            raise CommandError("The outcome is not the one that was recorded.")


def _any_house(events: list[CallEvent]) -> House:
    """For a trace without rules: each extension has an owner of its own and one CRM."""
    desks = {event.extension: Desk(event.extension, ("CRM",)) for event in events if event.extension}
    return House(desks=desks, policy=Policy())


def _changed(house: House, options: dict[str, Any]) -> House:
    """The house under the rules that the options name."""
    policy = house.policy
    if options["group_policy"]:
        policy = replace(policy, group_policy=options["group_policy"])
    if options["entry_owner"]:
        policy = replace(policy, entry_owner=EntryOwner(options["entry_owner"]))
    if options["open_mode"]:
        house = tracehouse.with_settings(house, open_mode=options["open_mode"])
    known = Known(options["known"]) if options["known"] else house.known
    return replace(house, policy=policy, known=known)


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
