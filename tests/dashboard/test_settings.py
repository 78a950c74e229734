"""My settings and the company's: saved one by one, in force at once, locks hold."""

from __future__ import annotations

import itertools

import pytest
from django.urls import reverse

from nutshellpbx.dashboard.effect import effect_of
from nutshellpbx.dashboard.rows import ROWS
from nutshellpbx.people.models import Company, Preferences
from nutshellpbx.people.preferences import NAMES, Effective, preferences_of

VALUES = {
    "open_mode": "answer",
    "longer_than": "7",
    "unknown": "off",
    "lookup": "accounts",
    "compare_digits": "9",
    "open_after": "",
    "journaling": "",
}


def test_every_setting_of_the_product_has_its_row():
    assert set(ROWS) == set(NAMES) == set(VALUES)


@pytest.fixture
def no_locks(office):
    Company.objects.update(locks=[])


@pytest.mark.parametrize(("name", "value"), VALUES.items())
def test_each_change_is_saved_and_in_force_at_once(name, value, no_locks, office, as_owner):
    before = preferences_of(user=office.owner)
    answer = as_owner.post(
        reverse("my_setting", args=[name]), {name: value} if value else {}, headers={"HX-Request": "true"}
    )
    assert "Saved" in answer.content.decode()
    after = preferences_of(user=office.owner)
    assert str(getattr(after, name)) == (value or "False")
    changed = [one for one in NAMES if getattr(before, one) != getattr(after, one)]
    assert changed == [name]
    assert preferences_of(user=office.colleague) == before


def test_new_sentence_comes_with_the_answer(office, as_owner):
    answer = as_owner.post(
        reverse("my_setting", args=["open_mode"]), {"open_mode": "answer"}, headers={"HX-Request": "true"}
    )
    body = answer.content.decode()
    assert 'id="effect"' in body and "<b>when you answer</b>" in body


def test_locked_setting_is_shown_and_cannot_be_changed(office, as_owner):
    body = as_owner.get(reverse("my_settings")).content.decode()
    assert "Always on here" in body and "Set by your admin" in body
    answer = as_owner.post(reverse("my_setting", args=["compare_digits"]), {"compare_digits": "4"})
    assert answer.status_code == 403
    assert preferences_of(user=office.owner).compare_digits == 0
    assert not Preferences.objects.filter(user=office.owner).exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("open_mode", "maybe"),
        ("longer_than", "-1"),
        ("longer_than", "21"),
        ("longer_than", "x"),
        ("lookup", ""),
    ],
)
def test_nonsense_is_refused_in_words(name, value, office, as_owner):
    answer = as_owner.post(reverse("my_setting", args=[name]), {name: value}, headers={"HX-Request": "true"})
    assert "live-check--bad" in answer.content.decode()
    assert not Preferences.objects.filter(user=office.owner).exists()
    assert as_owner.post(reverse("my_setting", args=[name]), {name: value}).status_code == 422


def test_unknown_setting_is_not_found(as_owner):
    assert as_owner.post(reverse("my_setting", args=["is_admin"]), {"is_admin": "on"}).status_code == 404


def test_works_without_script(office, as_owner):
    answer = as_owner.post(reverse("my_setting", args=["open_mode"]), {"open_mode": "never"}, follow=True)
    assert "no page" in answer.content.decode()


def test_back_to_the_company_s_defaults(office, as_owner):
    as_owner.post(reverse("my_setting", args=["open_mode"]), {"open_mode": "never"})
    as_owner.post(reverse("my_settings_reset"))
    assert preferences_of(user=office.owner).open_mode == "ring"


def test_company_s_default_holds_for_who_chose_nothing(office, as_admin):
    Preferences.objects.create(user=office.owner, open_mode="answer")
    as_admin.post(reverse("default_setting", args=["open_mode"]), {"open_mode": "never"})
    assert preferences_of(user=office.colleague).open_mode == "never"
    assert preferences_of(user=office.owner).open_mode == "answer"


def test_lock_takes_the_user_s_own_choice_out_of_force_and_gives_it_back(office, as_admin):
    Preferences.objects.create(user=office.owner, open_mode="answer")
    as_admin.post(reverse("default_lock", args=["open_mode"]), {"locked": "on"})
    assert preferences_of(user=office.owner).open_mode == "ring"
    as_admin.post(reverse("default_lock", args=["open_mode"]), {})
    assert preferences_of(user=office.owner).open_mode == "answer"


def test_every_combination_of_modes_has_its_sentences():
    seen = set()
    combinations = itertools.product(
        Preferences.OpenMode.values, Preferences.Unknown.values, (True, False), (True, False)
    )
    for open_mode, unknown, journaling, open_after in combinations:
        settings = Effective(
            open_mode=open_mode, unknown=unknown, journaling=journaling, open_after=open_after
        )
        sentences = effect_of(settings)
        assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences)
        seen.add(" ".join(sentences))
    # off after the call is one sentence, and nothing is said of unknown callers when no page opens
    assert len(seen) == 2 * 3 * 3 + 1 * 3


def test_company_s_numbers_are_one_per_line(office, as_admin):
    values = {
        "name": "Tannhaven",
        "country": "GB",
        "time_zone": "Europe/London",
        "own_numbers": "+44 20 7946 0100\r\n\r\n 020 7946 0101 ",
        "index_fresh_minutes": "15",
    }
    assert as_admin.post(reverse("company"), values).status_code == 302
    assert Company.get().own_numbers == ["+44 20 7946 0100", "020 7946 0101"]
    wrong = as_admin.post(reverse("company"), values | {"own_numbers": "<b>fax</b>"})
    assert wrong.status_code == 422
    assert Company.get().own_numbers == ["+44 20 7946 0100", "020 7946 0101"]
