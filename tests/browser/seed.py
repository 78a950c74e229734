"""Fill an empty server with the office of tests/dashboard, or make one more ticket or link there.

python -m tests.browser.seed                     prints what was made as one line of JSON
python -m tests.browser.seed choose|new_contact  prints a ticket's token
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.utils import timezone  # noqa: E402

from nutshellpbx.audit import book  # noqa: E402
from nutshellpbx.calls.linerules import CallRule  # noqa: E402
from nutshellpbx.calls.models import Call, Pop  # noqa: E402
from nutshellpbx.crm.models import Crm, IndexedCard  # noqa: E402
from nutshellpbx.desktop.models import Device, Instruction, Pairing  # noqa: E402
from nutshellpbx.journal.models import Attempt, Entry, Proving  # noqa: E402
from nutshellpbx.pbx.config import keep_secret  # noqa: E402
from nutshellpbx.pbx.models import Alias, Pbx  # noqa: E402
from nutshellpbx.people.links import OneTimeLink, make_link  # noqa: E402
from nutshellpbx.people.models import Extension, User  # noqa: E402
from nutshellpbx.redact import Secret  # noqa: E402
from tests.dashboard.office import (  # noqa: E402
    Office,
    make_answer,
    make_call,
    make_card,
    make_device,
    make_entry,
    make_extension,
    make_key,
    make_morning,
    make_office,
    make_pbx,
    make_ticket,
    make_user,
)

#: What the cloud's posts prove themselves with.
CLOUD_TOKEN = "walnut-harbour-lantern-walnut-harbour"


def fill() -> dict[str, str]:
    """The office, and what the stories need by name."""
    office = make_morning(make_office())
    now = timezone.now()
    dele = Extension.objects.get(owner=office.colleague)
    live = office.calls["live"]
    live.legs.update(owner=office.colleague, extension=dele, number=dele.number, answered_at=live.started_at)
    Call.objects.filter(pk=live.pk).update(answered_at=live.started_at)
    make_answer(office, live, [make_card("41-contacts", "Joost van Aerden", company="Brindlemoor Cafés")])
    for number, name in (("206", "Tomas Ferreira"), ("207", "Aiko Brennan"), ("210", "Luca Marchetti")):
        person = make_user(name)
        make_extension(office.pbx, number, name.split()[0], person, office.crm)
        make_key(office.crm, person, state="refused" if number == "207" else "ok")
        if number == "206":
            make_device(person, "Tomas-PC")
    _time_steps(office)
    ringing = make_call(
        office,
        "ringing",
        at=now - timedelta(seconds=8),
        number="02079460377",
        e164="+442079460377",
        talked_s=None,
        state=Call.State.LIVE,
        via="queue",
        via_name="Service",
    )
    clinics = [
        make_card("31-contacts", "Ana Belmonte", job="Practice manager", company="Pennarrow Clinics"),
        make_card("32-contacts", "Oskar Lindgren", job="IT", company="Pennarrow Clinics"),
        make_card("7-accounts", "Pennarrow Clinics", table="accounts"),
    ]
    make_answer(office, ringing, clinics)
    Pairing.objects.create(
        code="KTMRQWXD",
        poll_hash="0" * 64,
        name="Mara-Laptop",
        os="Windows 11",
        address="192.168.1.20",
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    people = {"admin": office.admin, "owner": office.owner, "stranger": office.stranger}
    links = {
        name: make_link(purpose=OneTimeLink.Purpose.SIGN_IN, user=person, now=now)
        for name, person in people.items()
    }
    return {
        "pbx": str(office.pbx.pk),
        "cloud": str(_make_cloud(office).pk),
        "templated": str(make_pbx("Branch office", kind="threecx_template").pk),
        "cloud_token": CLOUD_TOKEN,
        "crm": str(office.crm.pk),
        "user": str(office.owner.pk),
        "rule": str(CallRule.objects.create(kind="dialled", match="+44 20 7946 0100", open_mode="answer").pk),
        "day_before": f"{timezone.localtime(office.calls['out'].started_at):%m%d%Y}",
        "invitation": make_link(purpose=OneTimeLink.Purpose.INVITATION, user=office.colleague, now=now),
        **{f"call_{name}": str(call.pk) for name, call in office.calls.items()},
        **{f"entry_{name}": str(entry.pk) for name, entry in _make_ledger(office).items()},
        **links,
    }


def _make_cloud(office: Office) -> Pbx:
    """A phone system that names people: one name is given, two wait."""
    now = timezone.now()
    cloud = make_pbx("Cloud telephony", kind="zammad", state=Pbx.State.CONNECTED)
    keep_secret(pbx=cloud, field="token", secret=Secret(CLOUD_TOKEN))
    make_extension(cloud, "301", "Pia H.", make_user("Pia Holm"), office.crm)
    make_extension(cloud, "302", "Rune D.", make_user("Rune Dahl"), office.crm)
    given = {"extension": "302", "chosen_at": now}
    for kind, text, more in (
        ("user", "Front desk", given),
        ("user", "reception@tannhaven.example", {}),
        ("number", "+44 20 7946 0155", {}),
    ):
        seen_at = now - timedelta(minutes=12)
        Alias.objects.create(pbx=cloud, kind=kind, key=text.casefold(), text=text, seen_at=seen_at, **more)
    return cloud


def _time_steps(office: Office) -> None:
    """The known call's page was slow to be fetched."""
    call = office.calls["known"]
    at = call.started_at
    Pop.objects.create(
        leg=call.legs.get(),
        user=office.owner,
        crm=office.crm,
        moment="ring",
        state="shown",
        verb="open",
        created_at=at,
        claimed_at=at + timedelta(milliseconds=8),
        settled_at=at + timedelta(milliseconds=99),
    )
    Instruction.objects.filter(call_key=call.key).update(
        delivered_at=at + timedelta(milliseconds=830), outcome_at=at + timedelta(milliseconds=918)
    )
    end = call.ended_at or at
    Entry.objects.filter(call_key=call.key).update(
        written_at=end + timedelta(milliseconds=1240), verified_at=end + timedelta(milliseconds=2240)
    )


def _make_ledger(office: Office) -> dict[str, Entry]:
    """More entries than one page shows, some acts in the audit book, and a proof that has run."""
    now = timezone.now()
    entries = {
        name: Entry.objects.get(call_key=office.calls[name].key) for name in ("known", "missed", "parked")
    }
    names = ("Lena Ostrow", "Edwin Achterberg", "Marten Rooij", "Hazelby School Trust", "Sofia Arandt")
    for place in range(60):
        call = make_call(office, f"old{place}", at=now - timedelta(hours=5, minutes=13 * place))
        make_entry(office, call, card_name=names[place % len(names)], card_id=f"{300 + place}-contacts")
    call = make_call(office, "unclear", at=now - timedelta(hours=2, minutes=20), talked_s=340)
    entries["unclear"] = make_entry(
        office,
        call,
        state="parked",
        card_name="Ana Belmonte",
        ref_id="",
        outcome="unknown",
        reason="outcome_unknown",
        reason_title="Nobody can tell whether this note was written: Nutshell did not answer in time",
        next_step="We go on looking. If you find it in the CRM, mark it as done by hand.",
        parked_at=now,
        attempt=4,
    )
    Attempt.objects.create(
        entry=entries["unclear"],
        number=2,
        kind="search",
        generation=1,
        started_at=now - timedelta(hours=2),
        ended_at=now - timedelta(hours=2) + timedelta(seconds=3),
        outcome="unsent",
        title="Nutshell could not be searched for the note",
        asked="[npbx 7Q2K-9F4M-XD3B-R-1]",
        answered="504 Gateway Time-out",
        ways=[
            {"way": "events", "outcome": "unanswered", "reason": "Nutshell did not answer in time"},
            {"way": "newest notes", "outcome": "unanswered", "reason": "not everything could be seen"},
        ],
    )
    what = f"entry:{entries['unclear'].pk}"
    book.record(act="entry.sent_again", by=office.admin, what=what, detail={"was": "parked"}, now=now)
    changed = {"changed": {"longer_than": [3, 5]}}
    book.record(act="setting.default_changed", by=office.admin, what="company", detail=changed, now=now)
    Proving.objects.create(
        kind="hourly",
        since=now - timedelta(days=1),
        until=now - timedelta(minutes=12),
        started_at=now - timedelta(minutes=12),
        ended_at=now - timedelta(minutes=11),
        calls=412,
        left_out={"internal": 9, "private": 5},
        entries=398,
        terms={"verified": 398},
        asked=398,
    )
    for number, name in enumerate(names):
        IndexedCard.objects.create(
            crm_id=office.crm.pk,
            table="contacts",
            record_id=f"{300 + number}-contacts",
            name=name,
            company="Corvane Bearings",
            digest=b"0",
        )
    return entries


def one_more(purpose: str) -> str:
    """A fresh ticket for the office's owner."""
    owner = User.objects.get(email="mara@tannhaven.example")
    device = Device.objects.get(user=owner)
    extension = Extension.objects.get(owner=owner)
    office = Office(owner, owner, owner, owner, extension.pbx, Crm.objects.get(), extension, device)
    call = Call.objects.get(uid="ringing" if purpose == "choose" else "a2")
    return make_ticket(office, call, purpose=purpose)


if __name__ == "__main__":
    print(one_more(sys.argv[1]) if len(sys.argv) > 1 else json.dumps(fill()))
