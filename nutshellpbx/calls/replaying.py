"""Calls of yesterday under other rules: who would have seen and journaled what; nothing is done anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from nutshellpbx.calls import callers, cards, rules
from nutshellpbx.calls.decide import Known
from nutshellpbx.calls.models import Answer, Call
from nutshellpbx.calls.policy import Policy
from nutshellpbx.calls.rehearsal import Desk, House, Line, What, rehearse
from nutshellpbx.calls.trace import events_of
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


def replay_under(*, policy: Policy, calls: Iterable[Call], company: Company | None = None) -> list[Replayed]:
    """Each call under these rules beside the rules in force, as the lines are granted and set up now.

    What the CRM answered is taken from the call itself; a call whose caller was never asked for counts as
    one whose record is known. `company` brings own numbers and quiet hours (default: as they are kept).
    """
    kept = Company.get()
    houses: dict[UUID, tuple[Mapping[str, Desk], Mapping[str, Desk]]] = {}
    names = {str(pk): name for pk, name in User.objects.values_list("pk", "name")}
    names |= {str(pk): name for pk, name in Crm.objects.values_list("pk", "name")}
    replayed = []
    for call in calls:
        if call.pbx_id not in houses:
            houses[call.pbx_id] = (
                desks_of(pbx_id=call.pbx_id, company=kept),
                desks_of(pbx_id=call.pbx_id, company=company or kept),
            )
        country = callers.country_of(call=call, company=kept)
        in_force = rules.policy_now(country=country, pbx_id=call.pbx_id, company=kept)
        now_desks, then_desks = houses[call.pbx_id]
        events = events_of(call=call)
        now = rehearse(events, house_of(call=call, policy=in_force, desks=now_desks, company=kept))
        then = rehearse(events, house_of(call=call, policy=policy, desks=then_desks, company=company or kept))
        replayed.append(Replayed(call, tuple(now), tuple(then), names))
    return replayed


def outcome_of(lines: Iterable[Line]) -> list[tuple[str, ...]]:
    """What can be seen of a rehearsal: who was shown what, who kept the call; without the times."""
    return [
        (line.what, line.who, line.crm, line.moment, line.why if line.what is What.LEFT_OUT else "")
        for line in lines
        if line.what is not What.NOTHING
    ]


def house_of(*, call: Call, policy: Policy, desks: Mapping[str, Desk], company: Company) -> House:
    """The house in which a call is played."""
    country = callers.country_of(call=call, company=company)
    number = callers.caller_of(call=call, company=company)
    return House(
        desks=desks,
        policy=policy,
        known=_known(call),
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


def _known(call: Call) -> Known:
    answer = Answer.objects.filter(call=call).order_by("created_at").first()
    if answer is None:
        return Known.ONE
    if answer.result == Answer.Result.NOT_FOUND:
        return Known.NOBODY
    if answer.result == Answer.Result.UNAVAILABLE:
        return Known.NOT_ASKED
    return Known.ONE if cards.find_card(answer) is not None else Known.SEVERAL
