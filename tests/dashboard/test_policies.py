"""The admin's policies: saved as entered, tried on calls first, refused in words, written in the book."""

from __future__ import annotations

import pytest
from django.urls import reverse

from nutshellpbx.audit.models import Act
from nutshellpbx.calls.linerules import CallRule
from nutshellpbx.calls.models import Call
from nutshellpbx.people.models import Company
from tests.dashboard.conftest import signed_in
from tests.dashboard.filled import EVENING, FORM, LINE, fields_of, make_rule
from tests.dashboard.office import make_pbx, make_user

HTMX = {"HX-Request": "true"}


def test_policies_are_saved_and_written_in_the_book(office, as_admin):
    values = FORM | EVENING | {"group_policy": "open", "entry_owner": "last", "quiet_shows": "nothing"}
    answer = as_admin.post(reverse("policies"), values)
    assert answer.status_code == 302
    company = Company.get()
    assert (company.group_policy, company.entry_owner, company.quiet_shows) == ("open", "last", "nothing")
    assert company.quiet_hours == [{"days": [0, 4], "from": "18:00", "to": "08:00"}]
    act = Act.objects.get(act="policy.changed")
    assert act.by_email == office.admin.email
    assert act.details["changed"]["group_policy"] == ["card", "open"]
    assert company.name == "Tannhaven Office Supply", "what this page does not show stays"


def test_saving_what_stands_already_leaves_no_line_in_the_book(office, as_admin):
    as_admin.post(reverse("policies"), FORM)
    assert not Act.objects.filter(act="policy.changed").exists()


def test_numbers_are_kept_tidy(office, as_admin):
    typed = "020 7946 0812\n\n +44 20 7946 0812 \n+44 161 *\n112\n+44 161 *"
    as_admin.post(reverse("policies"), FORM | {"never_log_numbers": typed})
    assert Company.get().never_log_numbers == ["112", "+44 161 *", "+44 20 7946 0812"]
    page = as_admin.get(reverse("policies"))
    assert page.context["form"]["never_log_numbers"].value() == "112\n+44 161 *\n+44 20 7946 0812"


def test_bad_number_is_refused_with_its_line_and_nothing_typed_is_lost(office, as_admin):
    typed = (
        FORM | EVENING | {"never_pop_numbers": "+44 20 7946 0812\nthe fax\n<b>1</b>", "entry_owner": "first"}
    )
    answer = as_admin.post(reverse("policies"), typed)
    assert answer.status_code == 422
    body = answer.content.decode()
    assert "Line 2: “the fax” is no number" in body
    assert "Line 3: “&lt;b&gt;1&lt;/b&gt;” is no number" in body
    assert "+44 20 7946 0812\nthe fax" in body.replace("\r", "")
    assert fields_of(body)["entry_owner"] == ["first"]
    assert fields_of(body)["from-0"] == ["18:00"] and fields_of(body)["days-0"] == ["0", "4"]
    assert Company.get().never_pop_numbers == [] and Company.get().entry_owner == "longest"


@pytest.mark.parametrize(
    ("stretch", "why"),
    [
        ({"from-0": "18:00", "to-0": "08:00"}, "Choose at least one weekday."),
        ({"days-0": ["1"], "from-0": "18:00"}, "Enter when it begins and when it ends"),
        ({"days-0": ["1"], "from-0": "late", "to-0": "08:00"}, "Enter times such as 18:00."),
    ],
)
def test_half_a_stretch_of_quiet_hours_is_refused_in_words(stretch, why, office, as_admin):
    answer = as_admin.post(reverse("policies"), FORM | {"stretches": "1"} | stretch)
    assert answer.status_code == 422
    assert why in answer.content.decode()
    assert Company.get().quiet_hours == []


def test_stretch_is_added_and_taken_out_without_saving(office, as_admin):
    typed = FORM | EVENING | {"never_log_numbers": "not a number yet", "do": "more"}
    body = as_admin.post(reverse("policies"), typed).content.decode()
    fields = fields_of(body)
    assert fields["stretches"] == ["2"] and fields["from-0"] == ["18:00"] and fields["from-1"] == [""]
    assert "not a number yet" in body
    body = as_admin.post(reverse("policies"), typed | {"do": "less-0"}).content.decode()
    assert fields_of(body)["stretches"] == ["0"] and "every hour is alike" in body
    assert Company.get().quiet_hours == []


def test_stretch_with_nothing_in_it_is_none(office, as_admin):
    as_admin.post(reverse("policies"), FORM | {"stretches": "1", "from-0": "", "to-0": ""})
    assert Company.get().quiet_hours == []


def test_page_says_whose_clock_quiet_hours_go_by(office, as_admin):
    assert "By the clock of Europe/London" in as_admin.get(reverse("policies")).content.decode()


@pytest.mark.parametrize("role", ["user", "supervisor"])
def test_policies_are_the_admins_alone(role, office):
    client = signed_in(make_user("Nadia Karim", role=role))
    for name in ("policies", "line_rule_add", "note_texts"):
        assert client.get(reverse(name)).status_code == 403
        assert client.post(reverse(name), FORM | {"group_policy": "open"}).status_code == 403
    assert Company.get().group_policy == "card"


# ---- rules of lines


def test_rule_of_a_line_is_added_with_its_crm_and_settings(office, as_admin):
    values = LINE | {"crms": [str(office.crm.pk)], "open_mode": "answer", "journaling": "off"}
    assert as_admin.post(reverse("line_rule_add"), values).status_code == 302
    rule = CallRule.objects.get()
    assert (rule.kind, rule.match, rule.pbx, rule.open_mode) == ("queue", "Service", None, "answer")
    assert (rule.journaling, rule.open_after, list(rule.crms.all())) == (False, None, [office.crm])
    body = as_admin.get(reverse("policies")).content.decode()
    assert "only Nutshell Europe" in body and "Contact Open Mode: On answer" in body
    assert "Service" in Act.objects.get(act="policy.line_added").details["rule"]


def test_rule_is_changed_and_the_book_says_from_what_to_what(office, as_admin):
    rule = make_rule("Service", position=1, journaling=True)
    page = as_admin.get(reverse("line_rule", args=[rule.pk]))
    assert page.context["form"]["journaling"].value() == "on"
    assert fields_of(page.content.decode())["journaling"] == ["on"]
    as_admin.post(reverse("line_rule", args=[rule.pk]), LINE | {"open_mode": "ring"})
    rule.refresh_from_db()
    assert (rule.open_mode, rule.journaling, rule.position) == ("ring", None, 1)
    before, after = Act.objects.get(act="policy.line_changed").details["changed"]["rule"]
    assert "Don't open" in before and "On ring" in after


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"kind": "dialled", "match": "sales", "open_mode": "ring"}, "“sales” is no number"),
        ({"kind": "queue", "match": "Service"}, "This rule changes nothing"),
        ({"kind": "queue", "match": "sERVICE", "open_mode": "ring"}, "There is a rule for this line already"),
        (
            {"kind": "dialled", "match": "+44 20 7946 0100", "open_mode": "ring"},
            "There is a rule for this line already",
        ),
        ({"kind": "", "match": "Service", "open_mode": "ring"}, "This field is required"),
        ({"kind": "queue", "match": "", "open_mode": "ring"}, "This field is required"),
    ],
)
def test_rule_that_cannot_be_is_refused_in_words_and_stays_in_the_form(typed, why, office, as_admin):
    if "already" in why:
        make_rule("Service", position=1)
        make_rule("020 7946 0100", position=2, kind="dialled")
    count = CallRule.objects.count()
    answer = as_admin.post(reverse("line_rule_add"), LINE | {"unknown": "", "open_after": ""} | typed)
    assert answer.status_code == 422
    body = answer.content.decode()
    assert why in body
    assert fields_of(body)["match"] == [typed["match"]]
    assert CallRule.objects.count() == count


def test_same_queue_name_on_two_phone_systems_is_two_rules(office, as_admin):
    other = make_pbx("Branch")
    for pbx in ("", str(office.pbx.pk), str(other.pk)):
        as_admin.post(reverse("line_rule_add"), LINE | {"pbx": pbx, "open_mode": "ring"})
    assert CallRule.objects.filter(match="Service").count() == 3


def test_rules_are_moved_and_the_list_is_swapped_in_place(office, as_admin):
    first, second = make_rule("Sales", position=0), make_rule("Service", position=0)
    body = as_admin.post(reverse("line_rule_move", args=[second.pk, "up"]), headers=HTMX).content.decode()
    assert body.index("Service") < body.index("Sales") and 'id="lines"' in body
    assert list(CallRule.objects.all()) == [second, first]
    as_admin.post(reverse("line_rule_move", args=[second.pk, "up"]))
    assert list(CallRule.objects.all()) == [second, first], "it stands first already"
    assert Act.objects.filter(act="policy.line_moved").count() == 1
    assert as_admin.post(reverse("line_rule_move", args=[second.pk, "away"])).status_code == 404


def test_rule_is_taken_out(office, as_admin):
    rule = make_rule("Service", position=1)
    assert as_admin.post(reverse("line_rule_remove", args=[rule.pk])).status_code == 302
    assert not CallRule.objects.exists()
    assert Act.objects.filter(act="policy.line_removed").exists()


def test_lines_that_calls_came_through_are_suggested(office, as_admin):
    call = office.calls["known"]
    call.legs.update(via="queue", via_name="Front desk")
    Call.objects.filter(pk=call.pk).update(dialled="+442079460100")
    assert as_admin.get(reverse("line_rule_add")).context["known"] == ["+442079460100", "Front desk"]
