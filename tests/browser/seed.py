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

from nutshellpbx.calls.models import Call  # noqa: E402
from nutshellpbx.crm.models import Crm  # noqa: E402
from nutshellpbx.desktop.models import Device, Pairing  # noqa: E402
from nutshellpbx.people.links import OneTimeLink, make_link  # noqa: E402
from nutshellpbx.people.models import Extension, User  # noqa: E402
from tests.dashboard.office import (  # noqa: E402
    Office,
    make_answer,
    make_call,
    make_card,
    make_device,
    make_extension,
    make_key,
    make_morning,
    make_office,
    make_ticket,
    make_user,
)


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
        "crm": str(office.crm.pk),
        "user": str(office.owner.pk),
        "invitation": make_link(purpose=OneTimeLink.Purpose.INVITATION, user=office.colleague, now=now),
        **{f"call_{name}": str(call.pk) for name, call in office.calls.items()},
        **links,
    }


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
