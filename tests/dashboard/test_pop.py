"""Pages opened by ticket: once, in time, for that call and its choice only."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.calls.models import Answer, ContactRequest, Ticket
from nutshellpbx.crm.models import ChosenCard
from tests.dashboard.office import make_ticket


@pytest.fixture
def desk() -> Client:
    """A browser that nobody has signed in with."""
    return Client()


def opened(desk: Client, office, name: str, purpose: str) -> str:
    """Open the page of a ticket; the pass for its posts."""
    token = make_ticket(office, office.calls[name], purpose=purpose)
    body = desk.get(reverse("pop", args=[token])).content.decode()
    return body.split('name="pass" value="')[1].split('"')[0]


def test_chooser_lists_the_records_in_their_order_without_a_sign_in(office, desk):
    token = make_ticket(office, office.calls["several"], purpose="choose")
    body = desk.get(reverse("pop", args=[token])).content.decode()
    assert body.index("Ana Belmonte") < body.index("Oskar Lindgren") < body.index('value="7-accounts"')
    assert 'data-key="1"' in body


def test_ticket_opens_its_page_once(office, desk):
    token = make_ticket(office, office.calls["several"], purpose="choose")
    assert desk.get(reverse("pop", args=[token])).status_code == 200
    assert desk.get(reverse("pop", args=[token])).status_code == 410


def test_ticket_is_too_old_after_its_minute(office, desk):
    token = make_ticket(office, office.calls["several"], purpose="choose")
    Ticket.objects.update(expires_at=timezone.now())
    assert desk.get(reverse("pop", args=[token])).status_code == 410


def test_revoked_desktop_s_ticket_opens_nothing(office, desk):
    token = make_ticket(office, office.calls["several"], purpose="choose")
    office.device.revoked_at = timezone.now()
    office.device.save()
    assert desk.get(reverse("pop", args=[token])).status_code == 410


def test_choice_goes_on_to_the_record_and_is_remembered(office, desk):
    page_pass = opened(desk, office, "several", "choose")
    body = desk.post(reverse("pop_choose"), {"pass": page_pass, "card": "32-contacts"}).content.decode()
    assert 'content="0;url=https://app.nutshell.com/person/32-contacts"' in body
    assert Answer.objects.get(call=office.calls["several"]).chosen_id == "32-contacts"
    assert ChosenCard.objects.get(user=office.owner).record_id == "32-contacts"


def test_record_that_is_not_one_of_the_call_s_cannot_be_chosen(office, desk):
    page_pass = opened(desk, office, "several", "choose")
    answer = desk.post(reverse("pop_choose"), {"pass": page_pass, "card": "23-contacts"})
    assert answer.status_code == 409
    assert Answer.objects.get(call=office.calls["several"]).chosen_id == ""


@pytest.mark.parametrize("page_pass", ["", "forged", "a:b:c"])
def test_forged_pass_is_refused(page_pass, office, desk):
    for name in ("pop_choose", "pop_create", "pop_created"):
        assert (
            desk.post(reverse(name), {"pass": page_pass, "card": "32-contacts", "name": "X"}).status_code
            == 410
        )


def test_new_contact_s_page_cannot_choose(office, desk):
    page_pass = opened(desk, office, "missed", "new_contact")
    assert desk.post(reverse("pop_choose"), {"pass": page_pass, "card": "32-contacts"}).status_code == 410


def test_one_click_asks_for_the_contact_once(office, desk):
    page_pass = opened(desk, office, "missed", "new_contact")
    for _click in range(2):
        desk.post(reverse("pop_create"), {"pass": page_pass, "name": "Rosa Hale", "email": ""})
    wanted = ContactRequest.objects.get()
    assert (wanted.name, wanted.number, wanted.user) == ("Rosa Hale", "+441614960733", office.owner)


def test_page_waits_and_goes_on_when_the_contact_is_there(office, desk):
    page_pass = opened(desk, office, "missed", "new_contact")
    htmx = {"HX-Request": "true"}
    waiting = desk.post(reverse("pop_create"), {"pass": page_pass, "name": "Rosa Hale"}, headers=htmx)
    assert "hx-trigger" in waiting.content.decode()
    card = {"table": "contacts", "id": "99-contacts", "name": "Rosa Hale"}
    card["page"] = {"origin": "https://app.nutshell.com", "path": "/person/99", "query": [["a", "b c"]]}
    ContactRequest.objects.update(state="done", card=card)
    done = desk.post(reverse("pop_created"), {"pass": page_pass}, headers=htmx)
    assert done["HX-Redirect"] == "https://app.nutshell.com/person/99?a=b+c"


def test_unclear_end_is_told_and_not_tried_again(office, desk):
    page_pass = opened(desk, office, "missed", "new_contact")
    desk.post(reverse("pop_create"), {"pass": page_pass, "name": "Rosa Hale"})
    ContactRequest.objects.update(state="unclear", problem="No clear answer.", next_step="Look into the CRM.")
    body = desk.post(reverse("pop_create"), {"pass": page_pass, "name": "Rosa Hale"}).content.decode()
    assert "No clear answer." in body and "hx-trigger" not in body
    assert ContactRequest.objects.get().state == "unclear"


def test_caller_s_hostile_name_in_the_form_is_text(office, desk):
    token = make_ticket(office, office.calls["hostile"], purpose="new_contact")
    body = desk.get(reverse("pop", args=[token])).content.decode()
    assert "<script>alert" not in body and "onerror=alert(2)>" not in body.replace("&gt;", "")
