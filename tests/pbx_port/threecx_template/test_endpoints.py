"""The template's questions over HTTP: one flat answer, our own address, a clear word for each bad one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from nutshellpbx.calls.models import Call, ContactRequest, Leg
from nutshellpbx.crm.models import Grant, IndexedCard, Sync
from nutshellpbx.pbx.models import Pbx, Received, Refusal
from tests.pbx_port.threecx_template.conftest import KEY, NUMBER, SHARED, House, ThroughClient, put

pytestmark = pytest.mark.django_db(databases=["default", "index"])
System = Callable[..., ThroughClient]


def ask(house: House, what: str, content: Any, *, key: str = KEY, remote: str = "203.0.113.7") -> Any:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Client().post(
        f"/hooks/{house.pbx.pk}/{what}",
        data=raw,
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"} if key else {},
        REMOTE_ADDR=remote,
    )


@pytest.mark.parametrize("version", [16, 18, 20])
def test_the_caller_is_shown_with_our_own_lasting_address(version: int, system: System, house: House) -> None:
    phone = system(version)
    contact = phone.ring(NUMBER)
    assert contact is not None
    assert (contact["FirstName"], contact["LastName"]) == ("Priya", "Raman")
    assert (contact["CompanyName"], contact["EntityType"]) == ("Quillmere Freight", "contacts")
    assert contact["ContactUrl"].endswith(f"/open/{house.crm.pk}/contacts/23-contacts")
    assert phone.ring("13125550142") is not None  # in any spelling, with the same address
    assert phone.phone_book["13125550142"]["ContactUrl"] == contact["ContactUrl"]
    assert phone.log == []


@pytest.mark.parametrize("number", ["(312) 555-0142", "0013125550142", " 13125550142", "+1 312-555-0142"])
def test_a_number_is_found_in_any_spelling(number: str, house: House) -> None:
    assert ask(house, "crm/lookup", {"number": number}).json()["contact"]["last"] == "Raman"


def test_several_records_are_one_contact_that_leads_to_the_choice(system: System) -> None:
    contact = system().ring(SHARED)
    assert contact is not None
    assert contact["CompanyName"] == "2 records: Ana Belmonte, Oskar Lindgren"
    assert contact["ContactUrl"].endswith("/pop?n=%2B13125550177")


def test_not_found_and_could_not_ask_are_two_answers_and_neither_is_a_contact(
    system: System, house: House
) -> None:
    phone = system()
    assert phone.ring("+13125550199") is None
    assert phone.asked[-1].answer == {"state": "not_found"}
    Sync.objects.all().delete()
    assert phone.ring("+13125550199") is None
    assert phone.asked[-1].answer == {"state": "not_asked"}
    assert phone.ring("101") is None
    assert phone.asked[-1].answer == {"state": "never"}


def test_a_crm_that_no_line_of_this_phone_system_has_a_grant_for_is_not_asked(
    system: System, house: House
) -> None:
    Grant.objects.all().delete()
    assert system().ring(NUMBER) is None


def test_a_search_finds_many(system: System, house: House) -> None:
    found = system().search("an")
    assert {contact["LastName"] for contact in found} == {"Raman", "Belmonte", "Lindgren"} - {"Lindgren"}
    assert all(contact["ContactUrl"] for contact in found)
    assert system().search("zzz") == []


def test_an_e_mail_is_known_when_its_contact_was_created_here(system: System, house: House) -> None:
    call = Call.objects.create(
        pbx=house.pbx, uid="c", key="c", started_at=timezone.now(), quiet_at=timezone.now()
    )
    ContactRequest.objects.create(
        call=call,
        crm=house.crm,
        user=house.ada,
        name="Priya Raman",
        number=NUMBER,
        email="priya@quillmere.example",
        state="done",
        card={"id": "23-contacts"},
        created_at=timezone.now(),
    )
    assert system().find_by_email("Priya@quillmere.example")[0]["LastName"] == "Raman"
    assert system().find_by_email("nobody@quillmere.example") == []


def test_a_contact_from_the_client_leads_to_our_page_and_is_created_for_who_speaks(
    system: System, house: House
) -> None:
    who = {"FirstName": "New", "LastName": "Person", "Email": "new@person.example", "Company": "[Company]"}
    (contact,) = system().create_contact(Number="+13125550111", **who)
    assert contact["ContactUrl"].endswith("/pop?n=%2B13125550111&name=New+Person")
    assert not ContactRequest.objects.exists()
    now = timezone.now()
    call = Call.objects.create(
        pbx=house.pbx,
        uid="c",
        key="c",
        e164="+13125550111",
        number="+13125550111",
        started_at=now,
        quiet_at=now,
    )
    line = house.ada.extensions.get()
    Leg.objects.create(
        call=call, uid="l", number="101", extension=line, owner=house.ada, state="talking", started_at=now
    )
    system().create_contact(Number="+13125550111", **who)
    system().create_contact(Number="+13125550111", **who)
    wanted = ContactRequest.objects.get()
    assert (wanted.name, wanted.user, wanted.email) == ("New Person", house.ada, "new@person.example")


def test_a_chat_is_kept_and_counted_and_leaves_no_call(system: System, house: House) -> None:
    phone = system(parameters={"ReportChatEnabled": "True"})
    phone.chat(Number=NUMBER, Agent="101", ChatStartTimeUTC=timezone.now(), ChatMessages="secret words")
    assert phone.asked[-1].status == 202
    row = Received.objects.get()
    assert (row.kind, row.state) == ("chat", "kept")
    assert "secret words" not in row.body
    assert not Call.objects.exists()


def test_journaling_that_is_switched_off_at_the_phone_system_sends_nothing(system: System) -> None:
    phone = system(parameters={"ReportCallEnabled": "False"})
    phone.report(call_type="Missed", number=NUMBER, agent="101", start=timezone.now())
    assert phone.asked == []


@pytest.mark.parametrize("what", ["crm/lookup", "crm/email", "crm/search", "crm/create", "events"])
def test_without_the_key_nothing_is_told_or_taken_and_the_admin_sees_it(
    what: str, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for key in ("", "wrong"):
            answer = ask(house, what, {"number": NUMBER}, key=key)
            assert answer.status_code == 401
            assert answer.json()["error"] == "The key is missing or wrong."
    assert Refusal.objects.get(pbx=house.pbx, reason="not_proven").count == 2
    assert "was refused: not_proven" in caplog.text
    assert NUMBER not in caplog.text
    assert not Received.objects.exists()


def test_the_wrong_network_is_refused_with_the_right_key_too(house: House, system: System) -> None:
    Pbx.objects.update(settings={"networks": "10.0.0.0/8, 203.0.113.0/24"})
    assert ask(house, "crm/lookup", {"number": NUMBER}).status_code == 200
    answer = ask(house, "crm/lookup", {"number": NUMBER}, remote="198.51.100.9")
    assert answer.status_code == 401
    assert "198.51.100.9" in answer.json()["error"]
    assert Refusal.objects.get().reason == "wrong_network"


def test_fields_of_10_kb_and_hostile_names_get_a_clear_answer_and_block_nobody(house: House) -> None:
    answer = ask(house, "crm/lookup", {"number": "7" * 10_000})
    assert (answer.status_code, answer.json()["field"]) == (400, "number")
    assert ask(house, "crm/lookup", b"x" * 70_000).status_code == 413
    hostile = "<script>alert(1)</script>{{ 7*7 }}[Number]"
    report = {
        "call_type": "Missed",
        "number": NUMBER,
        "agent": "101",
        "name": hostile + "x" * 10_000,
        "start": timezone.now().isoformat(),
    }
    assert ask(house, "events", report).status_code == 202
    assert Call.objects.get().name.startswith(hostile)
    put(house.crm, "66-contacts", hostile, "+13125550166")
    assert hostile.endswith(ask(house, "crm/lookup", {"number": "+13125550166"}).json()["contact"]["last"])
    assert ask(house, "crm/lookup", {"number": NUMBER}).status_code == 200
    reasons = set(Refusal.objects.values_list("reason", flat=True))
    assert reasons == {"bad_number", "too_large"}


def test_unknown_questions_and_other_phone_systems_are_not_there(house: House) -> None:
    assert ask(house, "crm/everything", {}).status_code == 404
    Pbx.objects.update(is_enabled=False)
    assert ask(house, "crm/lookup", {"number": NUMBER}).status_code == 404


def test_a_question_is_answered_though_the_index_has_lost_the_record(house: House) -> None:
    IndexedCard.objects.all().delete()
    assert ask(house, "crm/lookup", {"number": NUMBER}).json() == {"state": "not_found"}
