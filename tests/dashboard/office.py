"""An office to look at: three people and an admin, a phone system, a CRM, calls of every kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from nutshellpbx.calls import tickets
from nutshellpbx.calls.models import Answer, Call, Heard, Leg, Step
from nutshellpbx.crm.models import Credential, Crm, Grant, Sync
from nutshellpbx.desktop.models import Device, Instruction
from nutshellpbx.journal.models import Attempt, Entry
from nutshellpbx.pbx.models import Pbx, Received, Refusal
from nutshellpbx.people.models import Company, Extension, User
from nutshellpbx.vault.models import Sealed

PASSWORD = "walnut harbour lantern"
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


@dataclass
class Office:
    """What stands in the office, by name."""

    admin: User
    owner: User
    colleague: User
    stranger: User
    pbx: Pbx
    crm: Crm
    extension: Extension
    device: Device
    calls: dict[str, Call] = field(default_factory=dict)


def make_user(name: str, *, role: str = User.Role.USER, password: str | None = None) -> User:
    """Without a password by default: hashing one takes its time, on purpose."""
    email = f"{name.split()[0].lower()}@tannhaven.example"
    return User.objects.create_user(email, password, name=name, role=role)


def make_office() -> Office:
    """A small company on an ordinary morning; every number is from a range kept for stories."""
    company = Company.get()
    company.name, company.country, company.time_zone = "Tannhaven Office Supply", "GB", "Europe/London"
    company.locks = ["compare_digits", "journaling"]
    company.save()
    admin = make_user("Ingrid Solvay", role=User.Role.ADMIN)
    owner, colleague, stranger = map(make_user, ("Mara Lindqvist", "Dele Okafor", "Jonas Brandt"))
    pbx = make_pbx("Main office", state=Pbx.State.CONNECTED)
    crm = Crm.objects.create(
        kind="nutshell", name="Nutshell Europe", settings={"address": "https://app.nutshell.com"}
    )
    extension = make_extension(pbx, "204", "Mara L.", owner, crm)
    make_extension(pbx, "209", "Dele O.", colleague, crm)
    make_extension(pbx, "205", "Jonas B.", stranger, None)
    make_extension(pbx, "231", "Petra N.", None, crm)
    make_key(crm, owner)
    make_key(crm, None)
    device = make_device(owner, "Mara-PC")
    office = Office(admin, owner, colleague, stranger, pbx, crm, extension, device)
    for table, seen in (("contacts", 23_410), ("accounts", 4_180)):
        at = timezone.now() - timedelta(minutes=4)
        Sync.objects.create(
            crm=crm, table=table, state="complete", seen=seen, expected=seen, as_of=at, completed_at=at
        )
    return office


def make_pbx(name: str, *, state: str = Pbx.State.NEVER, kind: str = "webhook") -> Pbx:
    now = timezone.now()
    settings = {"auth": "signed"} if kind == "webhook" else {}
    return Pbx.objects.create(
        kind=kind,
        name=name,
        settings=settings,
        state=state,
        state_at=now,
        last_event_at=now - timedelta(seconds=9),
    )


def make_extension(pbx: Pbx, number: str, name: str, owner: User | None, crm: Crm | None) -> Extension:
    extension = Extension.objects.create(pbx=pbx, number=number, name=name, department="Sales", owner=owner)
    if crm is not None:
        Grant.objects.create(extension=extension, crm=crm, granted_at=timezone.now())
    return extension


def make_sealed() -> Sealed:
    """A row of the vault that nobody can open; pages never try."""
    now = timezone.now()
    return Sealed.objects.create(
        purpose="crm", bound_to="tests", key_id="k0", ciphertext=b"0", created_at=now, changed_at=now
    )


def make_key(crm: Crm, user: User | None, *, state: str = Credential.State.OK) -> Credential:
    now = timezone.now()
    return Credential.objects.create(
        crm=crm,
        user=user,
        email=user.email if user else "office@tannhaven.example",
        sealed=make_sealed(),
        hint="c41f",
        state=state,
        created_at=now - timedelta(days=80),
        checked_at=now - timedelta(hours=6),
        who_name=user.name if user else "Office",
    )


def make_device(user: User, name: str) -> Device:
    return Device.objects.create(
        user=user,
        name=name,
        os="Windows 11",
        client_version="0.1.0",
        browsers=[{"id": "firefox", "label": "Firefox"}, {"id": "edge", "label": "Microsoft Edge"}],
        token_prefix=name[:8],
        token_hash="0" * 64,
        last_seen_at=timezone.now(),
    )


def make_card(
    record: str, name: str, *, table: str = "contacts", job: str = "", company: str = ""
) -> dict[str, Any]:
    return {
        "table": table,
        "id": record,
        "name": name,
        "company": company,
        "job_title": job,
        "numbers": [["(020) 7946-0812", "+442079460812", "work", ""]],
        "page": {
            "origin": "https://app.nutshell.com",
            "path": f"/person/{record}",
            "query": [],
            "fragment": "",
        },
    }


def make_call(
    office: Office,
    uid: str,
    *,
    at: datetime,
    number: str = "02079460812",
    e164: str = "+442079460812",
    name: str = "",
    direction: str = "inbound",
    rang_s: float = 9,
    talked_s: float | None = 500,
    user: User | None = None,
    **values: Any,
) -> Call:
    """A call at the owner's extension, over unless it says otherwise, with its events."""
    user = user or office.owner
    answered = at + timedelta(seconds=rang_s) if talked_s is not None else None
    ended = (answered or at + timedelta(seconds=rang_s)) + timedelta(seconds=talked_s or 0)
    over = values.get("state", Call.State.ENDED) == Call.State.ENDED
    call = Call.objects.create(
        pbx=office.pbx,
        uid=uid,
        key=f"{office.pbx.pk}:{uid}",
        **{"state": Call.State.ENDED, **values},
        direction=direction,
        number=number,
        e164=e164,
        name=name,
        started_at=at,
        quiet_at=at,
        answered_at=answered,
        ended_at=ended if over else None,
        cause="" if answered else "gave_up",
    )
    extension = Extension.objects.get(owner=user)
    leg = Leg.objects.create(
        call=call,
        uid=f"{uid}-1",
        number=extension.number,
        extension=extension,
        owner=user,
        state=Leg.State.OVER if over else Leg.State.TALKING if answered else Leg.State.RINGING,
        started_at=at,
        rang_at=at,
        answered_at=answered,
        ended_at=ended if over else None,
    )
    moments = [("ringing", at), ("answered", answered), ("ended", ended if over else None)]
    for kind, moment in moments:
        if moment is not None:
            Heard.objects.create(
                call=call,
                pbx=office.pbx,
                seen_id=f"{uid}-{kind}",
                kind=kind,
                leg_uid=leg.uid,
                number=leg.number,
                at=moment,
                taken_at=moment,
            )
    return call


def make_answer(office: Office, call: Call, cards: list[dict[str, Any]], *, result: str = "found") -> Answer:
    at = call.started_at + timedelta(milliseconds=11)
    Step.objects.create(
        call=call,
        at=at,
        what=f"answer_{result}",
        tone="good" if result == "found" else "plain",
        took_ms=6.2,
        facts={"crm": office.crm.name, "source": "index", "matches": str(len(cards)), "problem": ""},
    )
    return Answer.objects.create(
        call=call,
        crm=office.crm,
        asked_for=call.legs.get().owner,
        result=result,
        source="index",
        as_of=at,
        cards=cards,
        chosen_id=cards[0]["id"] if len(cards) == 1 else "",
        why={"compared": "+442079460812", "form": "e164", "written": "(020) 7946-0812", "label": "work"},
        created_at=at,
        took_ms=6.2,
    )


def show_page(office: Office, call: Call) -> None:
    """The page of the call was opened on the owner's desk."""
    leg = call.legs.get()
    at = call.started_at + timedelta(milliseconds=96)
    Step.objects.create(
        call=call, leg=leg, at=at, what="shown_open", tone="desk", took_ms=61, facts={"reason": "one_match"}
    )
    Instruction.objects.create(
        device=office.device,
        cursor=Instruction.objects.count() + 1,
        call_key=call.key,
        subject=leg.uid,
        verb="open",
        body={},
        created_at=at,
        expires_at=at + timedelta(seconds=60),
        outcome="opened",
        outcome_at=at + timedelta(milliseconds=88),
        took_ms=88,
    )


def make_entry(office: Office, call: Call, *, state: str = "verified", **values: Any) -> Entry:
    end = call.ended_at or call.started_at
    entry = Entry.objects.create(
        crm=office.crm,
        call_key=call.key,
        state=state,
        user=call.legs.get().owner,
        extension_number="204",
        direction=call.direction,
        number=call.number,
        happened_at=call.started_at,
        text="Answered incoming call from +44 20 7946 0812 to Mara Lindqvist (204) (8:20)",
        created_at=end,
        updated_at=end,
        trying_since=end,
        **{
            "marker": "npbx·7Q4K·M2XD",
            "ref_id": "9001-notes",
            "attempt": 1,
            "card_name": "Priya Raman",
            **values,
        },
    )
    Step.objects.create(call=call, at=end, what="entry_made", facts={"crm": office.crm.name})
    kinds = [("write", "written"), ("read", "verified")] if state == "verified" else [("write", "refused")]
    for n, (kind, outcome) in enumerate(kinds, start=1):
        started = end + timedelta(seconds=n)
        Attempt.objects.create(
            entry=entry,
            number=n,
            kind=kind,
            generation=1,
            started_at=started,
            ended_at=started + timedelta(milliseconds=240),
            outcome=outcome,
        )
    return entry


def make_morning(office: Office) -> Office:
    """Calls of every kind, so that each page has something to show."""
    now = timezone.now()
    priya = make_card("23-contacts", "Priya Raman", job="Head of purchasing", company="Quillmere Freight")
    call = office.calls["known"] = make_call(office, "a1", at=now - timedelta(minutes=31))
    make_answer(office, call, [priya])
    show_page(office, call)
    make_entry(office, call)
    call = office.calls["missed"] = make_call(
        office,
        "a2",
        at=now - timedelta(minutes=52),
        number="01614960733",
        e164="+441614960733",
        talked_s=None,
        rang_s=12,
    )
    make_answer(office, call, [], result="not_found")
    make_entry(office, call, state="waiting", card_name="", ref_id="", marker="", attempt=0)
    call = office.calls["several"] = make_call(
        office, "a3", at=now - timedelta(hours=1), number="02079460377", e164="+442079460377", talked_s=108
    )
    clinics = [
        make_card("31-contacts", "Ana Belmonte", job="Practice manager", company="Pennarrow Clinics"),
        make_card("32-contacts", "Oskar Lindgren", job="IT", company="Pennarrow Clinics"),
        make_card("7-accounts", "Pennarrow Clinics", table="accounts"),
    ]
    make_answer(office, call, clinics)
    waits = {"card_name": "", "ref_id": "", "marker": "", "attempt": 0, "reason": "several"}
    make_entry(office, call, state="waiting", reason_title="3 records have this number.", **waits)
    call = office.calls["parked"] = make_call(office, "a4", at=now - timedelta(hours=2), talked_s=185)
    make_answer(office, call, [make_card("40-contacts", "Gregor Falk", company="Lumbrick Interiors")])
    make_entry(
        office,
        call,
        state="parked",
        card_name="Gregor Falk",
        ref_id="",
        reason="refused",
        reason_title="Nutshell answered “not found” (404): the contact was deleted.",
        next_step="Choose another record on the page of the call.",
        parked_at=now,
    )
    call = office.calls["hostile"] = make_call(
        office,
        "a5",
        at=now - timedelta(hours=3),
        number="<b>0800</b>'; DROP TABLE",
        e164="",
        name=HOSTILE,
        talked_s=None,
        left_out="never_log",
    )
    make_answer(office, call, [], result="unavailable")
    office.calls["out"] = make_call(
        office,
        "a6",
        at=now - timedelta(days=1),
        direction="outbound",
        left_out="journaling_off",
        talked_s=723,
    )
    office.calls["live"] = make_call(
        office, "a7", at=now - timedelta(seconds=20), talked_s=None, rang_s=20, state=Call.State.LIVE
    )
    office.calls["colleague's"] = make_call(
        office, "a8", at=now - timedelta(hours=4), user=office.colleague, left_out="journaling_off"
    )
    Refusal.objects.create(
        pbx=office.pbx, reason="signature", text="The signature does not fit.", count=3, last_at=now
    )
    Received.objects.create(
        pbx=office.pbx, raw_id="m1", body='{"kind": "parked"}', state="kept", kind="parked", received_at=now
    )
    return office


def make_ticket(office: Office, call: Call, *, purpose: str) -> str:
    """A ticket's token, as the desk gets it in an address."""
    ticket, token = tickets.issue(
        purpose=purpose, user=office.owner, call=call, crm=office.crm, now=timezone.now()
    )
    tickets.bind(ticket=ticket, device=office.device)
    return token
