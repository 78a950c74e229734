"""Calls of yesterday under other rules: who would have seen and journaled what; nothing is done anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from nutshellpbx.calls import callers, cards, rules
from nutshellpbx.calls.decide import Known
from nutshellpbx.calls.models import Answer, Call
from nutshellpbx.calls.policy import Policy
from nutshellpbx.calls.rehearsal import Desk, House, Line, What, rehearse
from nutshellpbx.calls.rules import Rulebook
from nutshellpbx.calls.trace import events_of_all
from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.people.models import Company, Extension, User
from nutshellpbx.people.preferences import preferences_of


@dataclass(frozen=True, slots=True)
class Replayed:
    """One call under the rules in force and under the others; `who` and `crm` of the lines are primary keys,
    whose names stand in `names`.
    """

    call: Call
    now: tuple[Line, ...]
    then: tuple[Line, ...]
    names: Mapping[str, str]

    @property
    def is_changed(self) -> bool:
        return outcome_of(self.now) != outcome_of(self.then)


def replay_under(*, book: Rulebook, calls: Iterable[Call]) -> list[Replayed]:
    """Each call under these rules beside the rules in force, as the lines are granted and set up now.

    What the CRM answered is taken from the call itself; a call whose caller was never asked for counts as
    one whose record is known. Nothing of the book needs to be saved.
    """
    in_force = rules.rulebook_now()
    names = {str(pk): name for pk, name in User.objects.values_list("pk", "name")}
    names |= {str(pk): name for pk, name in Crm.objects.values_list("pk", "name")}
    now_at = _Houses(in_force)
    then_at = _Houses(book, now_at if book.company.quiet_hours == in_force.company.quiet_hours else None)
    replayed, played = [], list(calls)
    events, known = events_of_all(calls=played), known_of_all(played)
    for call in played:
        now = rehearse(events[call.pk], now_at.house_of(call, known[call.pk]))
        then = rehearse(events[call.pk], then_at.house_of(call, known[call.pk]))
        replayed.append(Replayed(call, tuple(now), tuple(then), names))
    return replayed


class _Houses:
    """The houses of one book: desks and policies are read once per phone system, not once per call.

    Of the company's row only the quiet hours stand in a desk: books that agree on them share their desks.
    """

    def __init__(self, book: Rulebook, alike: _Houses | None = None) -> None:
        self._book = book
        self._desks: dict[UUID, dict[str, Desk]] = alike._desks if alike else {}
        self._policies: dict[tuple[UUID, str], Policy] = {}

    def house_of(self, call: Call, known: Known) -> House:
        company = self._book.company
        country = callers.country_of(call=call, company=company)
        if call.pbx_id not in self._desks:
            self._desks[call.pbx_id] = desks_of(pbx_id=call.pbx_id, company=company)
        if (call.pbx_id, country) not in self._policies:
            policy = self._book.policy(country=country, pbx_id=call.pbx_id)
            self._policies[call.pbx_id, country] = policy
        return house_of(
            call=call,
            policy=self._policies[call.pbx_id, country],
            desks=self._desks[call.pbx_id],
            company=company,
            known=known,
        )


def outcome_of(lines: Iterable[Line]) -> list[tuple[str, ...]]:
    """What can be seen of a rehearsal: who was shown what, who kept the call; without the times.

    What goes away again follows from what was shown, so it is left out.
    """
    return [
        (line.what, line.who, line.crm, line.moment, line.why if line.what is What.LEFT_OUT else "")
        for line in lines
        if line.what not in {What.NOTHING, What.GONE}
    ]


def house_of(
    *,
    call: Call,
    policy: Policy,
    desks: Mapping[str, Desk],
    company: Company,
    known: Known,
) -> House:
    """The house in which a call is played."""
    country = callers.country_of(call=call, company=company)
    number = callers.caller_of(call=call, company=company)
    return House(
        desks=desks,
        policy=policy,
        known=known,
        never=callers.never_reason(
            number, own_numbers=company.own_numbers, extensions=desks.keys(), country=country, policy=policy
        ),
        is_never_log=policy.never_log.has(number),
        is_never_pop=policy.never_pop.has(number),
        is_private=call.is_private,
        dialled=rules.line_digits(call.dialled, country=country),
        presented_digits=callers.presented_digits(call.number),
    )


def desks_of(*, pbx_id: UUID, company: Company) -> dict[str, Desk]:
    """The lines of a PBX as they are set up now, by their number."""
    granted: dict[object, list[str]] = {}
    grants = Grant.objects.filter(extension__pbx=pbx_id, crm__is_enabled=True)
    for extension_id, crm_id in grants.values_list("extension_id", "crm_id"):
        granted.setdefault(extension_id, []).append(str(crm_id))
    desks = {}
    for line in Extension.objects.select_related("owner").filter(pbx=pbx_id):
        settings = preferences_of(user=line.owner)
        desks[line.number] = Desk(
            owner=str(line.owner_id or ""),
            crms=tuple(granted.get(line.pk, ())),
            open_mode=settings.open_mode,
            unknown=settings.unknown,
            open_after=settings.open_after,
            journaling=settings.journaling,
            longer_than=settings.longer_than,
            quiet_hours=rules.hours_of(user=line.owner, company=company),
            zone=rules.zone_of(user=line.owner, company=company),
        )
    return desks


def known_of(call: Call) -> Known:
    """What was known of the caller, as the first answer of a CRM says."""
    return known_of_all([call])[call.pk]


def known_of_all(calls: Sequence[Call]) -> dict[UUID, Known]:
    """The same of each call, by its id."""
    known: dict[UUID, Known] = {}
    for answer in Answer.objects.filter(call__in=calls).order_by("created_at", "pk"):
        known.setdefault(answer.call_id, _known_by(answer))
    return {call.pk: known.get(call.pk, Known.ONE) for call in calls}


def _known_by(answer: Answer) -> Known:
    if answer.result == Answer.Result.NOT_FOUND:
        return Known.NOBODY
    if answer.result == Answer.Result.UNAVAILABLE:
        return Known.NOT_ASKED
    return Known.ONE if cards.find_card(answer) is not None else Known.SEVERAL
