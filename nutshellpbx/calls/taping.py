"""A call's trace with the rules it is played by and what really came of it, out of the rows."""

from __future__ import annotations

from nutshellpbx.calls import rules
from nutshellpbx.calls.callers import country_of
from nutshellpbx.calls.models import Call, Step
from nutshellpbx.calls.rehearsal import House, What
from nutshellpbx.calls.replaying import desks_of, house_of, known_of
from nutshellpbx.calls.trace import export_trace
from nutshellpbx.calls.tracehouse import CIRCUMSTANCES, Outcome
from nutshellpbx.crm.models import Crm
from nutshellpbx.journal.models import Entry
from nutshellpbx.people.models import Company

SHOWN = ("shown_open", "shown_card")
#: A contact that was created at once was asked for by the rules as such, whatever page came of it.
CREATED = "contact_"


def tape(*, call: Call) -> str:
    """The trace of a call that is over: its events, the rules as they are now, what was shown and kept."""
    return export_trace(call=call, house=house_now(call=call), outcome=recorded_outcome(call=call))


def house_now(*, call: Call) -> House:
    """The house in which this call would be played now."""
    company = Company.get()
    country = country_of(call=call, company=company)
    return house_of(
        call=call,
        policy=rules.policy_now(country=country, pbx_id=call.pbx_id, company=company),
        desks=desks_of(pbx_id=call.pbx_id, company=company),
        company=company,
        known=known_of(call),
    )


def recorded_outcome(*, call: Call) -> Outcome:
    """What was shown to whom, and whose entry it is or why there is none, by the ids of users and CRMs."""
    crms = {crm.name: str(crm.pk) for crm in Crm.objects.all()}
    seen: list[tuple[str, str, str, str, str]] = []
    hindered: list[tuple[str, str, str, str]] = []
    for step in Step.objects.filter(call=call).select_related("leg"):
        facts = step.facts
        who = str(step.leg.owner_id or "") if step.leg else ""
        reason, moment = str(facts.get("reason", "")), str(facts.get("moment", ""))
        crm = crms.get(str(facts.get("crm", "")), "")
        if step.what in SHOWN:
            usual = What.RECORD if step.what == "shown_open" else What.CARD
            what = What.CREATE if reason.startswith(CREATED) else str(facts.get("show", usual))
            seen.append((what, who, crm, moment, reason))
        elif step.what == "not_shown" and reason in CIRCUMSTANCES:
            hindered += [(who, crm or each, moment, reason) for each in ([crm] if crm else crms.values())]
    entries = Entry.objects.filter(call_key=call.key)
    seen += [(What.KEPT, str(entry.user_id or ""), str(entry.crm_id), "", "") for entry in entries]
    if call.left_out and not entries:
        seen.append((What.LEFT_OUT, "", "", "", call.left_out))
    return Outcome(tuple(seen), tuple(hindered))
