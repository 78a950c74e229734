"""Replay under other rules: tried on a day's calls, told call by call, nothing saved until it is said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.audit.models import Act
from nutshellpbx.calls.linerules import CallRule
from nutshellpbx.calls.models import Call, Pop
from nutshellpbx.crm.models import Crm
from nutshellpbx.desktop.models import Instruction
from nutshellpbx.journal.models import Entry
from nutshellpbx.people.models import Company, User
from tests.dashboard.filled import EVENING, FORM, LINE, fields_of, make_rule
from tests.dashboard.office import make_answer, make_call, make_card


@pytest.fixture
def yesterdays(office):
    """One answered call of yesterday at noon, of somebody who is known."""
    return call_of(office, "y1", days=1)


def call_of(office, uid: str, *, days: int, **values) -> Call:
    """A call of a number that no other call of the office has."""
    at = timezone.localtime() - timedelta(days=days)
    values |= {"number": "02079460444", "e164": "+442079460444"}
    call = make_call(office, uid, at=at.replace(hour=12, minute=0), **values)
    make_answer(office, call, [make_card("23-contacts", "Priya Raman")])
    call.heard.update(said={"direction": "inbound", "has_number": True})
    return call


def test_changed_policy_is_tried_on_yesterdays_calls_and_nothing_is_saved(office, as_admin, yesterdays):
    before = counts()
    number = "+44 20 7946 0444"
    page = as_admin.post(reverse("policies"), FORM | {"never_log_numbers": number, "do": "try"})
    assert page.status_code == 200
    (tried,) = page.context["tried"]
    assert (tried.call, tried.is_changed) == (yesterdays, True)
    assert words_of(tried.now)[0] == (
        "Mara Lindqvist (204) the record when it rings, [the record after the call]"
    )
    assert words_of(tried.now)[-1] == "Mara Lindqvist (204) [note]"
    assert words_of(tried.then)[-1] == "[no note] This number is never journaled."
    (change,) = page.context["draft"].changed
    assert (change.title, change.before, change.after) == ("Never journal", "", number)
    figures = {str(each.title): (each.now, each.then) for each in page.context["figures"]}
    assert figures["Notes written"][0] - figures["Notes written"][1] == 1
    assert Company.get().never_log_numbers == []
    assert counts() == before
    assert not Act.objects.filter(act__startswith="policy.").exists()


def test_tried_rules_are_saved_from_the_same_page(office, as_admin, yesterdays):
    typed = FORM | EVENING | {"never_log_numbers": "020 7946 0812\n112", "do": "try"}
    page = as_admin.post(reverse("policies"), typed)
    fields = fields_of(page.content.decode())
    as_admin.post(page.context["draft"].form_at, fields | {"do": "save"})
    company = Company.get()
    assert company.never_log_numbers == ["112", "+44 20 7946 0812"]
    assert company.quiet_hours == [{"days": [0, 4], "from": "18:00", "to": "08:00"}]


def test_back_from_trying_everything_stands_in_the_form_unsaved(office, as_admin, yesterdays):
    typed = FORM | EVENING | {"never_log_numbers": "112", "do": "try"}
    fields = fields_of(as_admin.post(reverse("policies"), typed).content.decode())
    body = as_admin.post(reverse("policies"), fields | {"do": "edit"}).content.decode()
    assert fields_of(body)["from-0"] == ["18:00"]
    assert "112" in body
    assert Company.get().never_log_numbers == [] and Company.get().quiet_hours == []


def test_rule_that_is_not_saved_yet_is_tried(office, as_admin):
    call = call_of(office, "y1", days=1)
    call.heard.update(said={"via": "queue", "via_name": "Service", "has_number": True})
    page = as_admin.post(reverse("line_rule_add"), LINE | {"journaling": "off", "do": "try"})
    (tried,) = page.context["tried"]
    assert words_of(tried.then)[-1] == "[no note] Journaling is off for the one who had the call."
    assert not CallRule.objects.exists()
    fields = fields_of(page.content.decode())
    as_admin.post(page.context["draft"].form_at, fields | {"do": "save"})
    assert CallRule.objects.get().journaling is False


def test_rule_for_another_crm_alone_is_tried_before_it_is_saved(office, as_admin):
    other = Crm.objects.create(kind="nutshell", name="Nutshell Brand B", settings={})
    call = call_of(office, "y1", days=1, dialled="+442079460100")
    page = as_admin.post(
        reverse("line_rule_add"),
        LINE | {"kind": "dialled", "match": "020 7946 0100", "crms": [str(other.pk)], "do": "try"},
    )
    (tried,) = page.context["tried"]
    assert tried.call == call
    assert words_of(tried.then) == ["[no note] The extension has no grant for this CRM."]


def test_absence_of_a_rule_is_tried(office, as_admin):
    rule = make_rule("020 7946 0100", position=1, kind="dialled", journaling=False)
    call_of(office, "y1", days=1, dialled="+442079460100")
    page = as_admin.post(reverse("line_rule_remove", args=[rule.pk]), {"do": "try"})
    (tried,) = page.context["tried"]
    assert words_of(tried.then)[-1] == "Mara Lindqvist (204) [note]"
    assert CallRule.objects.filter(pk=rule.pk).exists()


def test_another_day_is_tried_and_unchanged_calls_are_shown_when_asked_for(office, as_admin):
    call_of(office, "y3", days=3)
    day = (timezone.localdate() - timedelta(days=3)).isoformat()
    page = as_admin.post(reverse("policies"), FORM | {"do": "try", "day": day})
    assert (page.context["played"], page.context["tried"]) == (1, [])
    assert "would have gone as it did" in page.content.decode()
    page = as_admin.post(reverse("policies"), FORM | {"do": "try", "day": day, "all": "1"})
    (tried,) = page.context["tried"]
    assert words_of(tried.now) == words_of(tried.then) != []


@pytest.mark.parametrize("day", ["", "soon", "0001-01-01", "9999-12-31"])
def test_day_that_makes_no_sense_is_no_fault(day, office, as_admin):
    assert as_admin.post(reverse("policies"), FORM | {"do": "try", "day": day}).status_code == 200


def test_day_without_calls_names_the_newest_that_has_some(office, as_admin):
    Call.objects.exclude(pk=office.calls["out"].pk).delete()
    Call.objects.update(started_at=timezone.now() - timedelta(days=4))
    page = as_admin.post(reverse("policies"), FORM | {"do": "try"})
    assert page.context["latest"] == timezone.localdate() - timedelta(days=4)


def test_only_so_many_calls_are_played_and_the_page_says_so(office, as_admin, monkeypatch):
    monkeypatch.setattr("nutshellpbx.dashboard.admin.tryout.MOST_CALLS", 2)
    for place in range(3):
        call_of(office, f"y{place}", days=2)
    day = (timezone.localdate() - timedelta(days=2)).isoformat()
    page = as_admin.post(reverse("policies"), FORM | {"do": "try", "day": day})
    assert (page.context["total"], page.context["played"]) == (3, 2)
    assert "The day has 3 calls; the newest 2 are played." in page.content.decode()


def test_bad_form_is_not_tried(office, as_admin):
    answer = as_admin.post(reverse("policies"), FORM | {"never_log_numbers": "x", "do": "try"})
    assert answer.status_code == 422
    assert as_admin.post(reverse("line_rule_add"), LINE | {"do": "try"}).status_code == 422


def test_callers_hostile_text_and_private_numbers_stay_hidden_in_a_trial(office, as_admin):
    hostile, private = office.calls["hostile"], call_of(office, "y1", days=1)
    Call.objects.filter(pk=hostile.pk).update(started_at=private.started_at)
    Call.objects.filter(pk=private.pk).update(is_private=True)
    body = as_admin.post(reverse("policies"), FORM | {"do": "try", "all": "1"}).content.decode()
    assert "<script>alert" not in body and "<b>0800" not in body
    assert "Private call" in body and "7946 0444" not in body


def counts() -> tuple[int, ...]:
    """What a trial must leave as it is."""
    return tuple(model.objects.count() for model in (Call, Pop, Entry, Instruction, CallRule, User))


def words_of(said) -> list[str]:
    """The lines as they are read; what the other side lacks in brackets."""
    told = []
    for each in said:
        parts = [f"[{text}]" if is_other else text for text, is_other in each.parts]
        told.append(" ".join(part for part in (each.who, ", ".join(parts), each.why) if part))
    return told
