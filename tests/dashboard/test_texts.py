"""The texts of notes: changed with a preview, put back to the standard, refused in words."""

from __future__ import annotations

import pytest
from django.urls import reverse

from nutshellpbx.audit.models import Act
from nutshellpbx.calls.notetexts import DEFAULTS, PLACES, Kind
from nutshellpbx.people.models import Company
from tests.dashboard.filled import fields_of

HTMX = {"HX-Request": "true"}


@pytest.fixture
def form(office, as_admin) -> dict[str, list[str]]:
    """What the page would post as it stands."""
    return fields_of(as_admin.get(reverse("note_texts")).content.decode())


def test_every_kind_of_call_stands_there_with_its_standard_text(form):
    texts = {name: text for name, (text,) in form.items() if name.startswith("text-")}
    assert texts == {f"text-{kind}": str(DEFAULTS[kind]) for kind in Kind}


def test_changed_text_is_kept_alone_and_the_next_note_has_it(form, office, as_admin):
    answer = as_admin.post(reverse("note_texts"), form | {"text-missed": "Missed [Number]\r\nat [DateTime]"})
    assert answer.status_code == 302
    assert Company.get().note_texts == {"missed": "Missed [Number]\nat [DateTime]"}
    act = Act.objects.get(act="text.changed")
    assert act.details["changed"] == {"missed": ["", r"Missed [Number]\nat [DateTime]"]}


def test_nothing_changed_leaves_no_line_in_the_book(form, as_admin):
    as_admin.post(reverse("note_texts"), form)
    assert Company.get().note_texts == {} and not Act.objects.filter(act="text.changed").exists()


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("missed", "[Numbr] rang", "There is no [Numbr]. There are: [DateTime], [Number]"),
        ("missed", "[Duration]", "Nobody spoke in such a call"),
        ("inbound", "x" * 1001, "At most 1000 signs."),
    ],
)
def test_bad_text_is_refused_in_words_and_nothing_typed_is_lost(kind, text, why, form, as_admin):
    typed = form | {f"text-{kind}": text, "text-outbound": "Called [Number] & spoke"}
    answer = as_admin.post(reverse("note_texts"), typed)
    assert answer.status_code == 422
    body = answer.content.decode()
    assert why in body
    assert fields_of(body)[f"text-{kind}"] == [text]
    assert fields_of(body)["text-outbound"] == ["Called [Number] & spoke"]
    assert Company.get().note_texts == {}


def test_preview_shows_a_made_up_call(form, as_admin):
    address = reverse("note_text_preview", args=["inbound"])
    body = as_admin.post(address, form | {"text-inbound": "[Agent] spoke [Duration]"}, headers=HTMX)
    assert "Dora Dean (104) spoke 2:31" in body.content.decode()
    assert "<html" not in body.content.decode()
    assert 'name="back" value="inbound"' in body.content.decode(), "the way back comes with it"
    same = as_admin.post(address, form, headers=HTMX).content.decode()
    assert "standard text" in same and 'name="back"' not in same


def test_preview_says_what_is_wrong_and_is_no_fault(form, as_admin):
    address = reverse("note_text_preview", args=["missed"])
    answer = as_admin.post(address, {"text-missed": "[Nmber] <b>"}, headers=HTMX)
    assert answer.status_code == 200, "htmx swaps nothing else in"
    assert "There is no [Nmber]" in answer.content.decode()
    assert as_admin.post(reverse("note_text_preview", args=["fax"])).status_code == 404
    shown = as_admin.post(address, {"text-missed": "<b>[Number]</b>"}, headers=HTMX).content.decode()
    assert "&lt;b&gt;" in shown and "<b>" not in shown


def test_back_to_the_standard_text_fills_the_field_and_saves_on_save(form, office, as_admin):
    Company.objects.update(note_texts={"missed": "Mine", "inbound": "Ours"})
    typed = form | {"text-missed": "Mine", "text-inbound": "Ours, longer", "back": "missed"}
    body = as_admin.post(reverse("note_texts"), typed).content.decode()
    fields = fields_of(body)
    assert fields["text-missed"] == [str(DEFAULTS[Kind.MISSED])]
    assert fields["text-inbound"] == ["Ours, longer"]
    assert Company.get().note_texts["missed"] == "Mine"
    as_admin.post(reverse("note_texts"), fields)
    assert Company.get().note_texts == {"inbound": "Ours, longer"}


def test_empty_text_is_the_standard_one(form, as_admin):
    Company.objects.update(note_texts={"missed": "Mine"})
    as_admin.post(reverse("note_texts"), form | {"text-missed": "  "})
    assert Company.get().note_texts == {}


def test_places_are_listed_in_words(as_admin, office):
    body = as_admin.get(reverse("note_texts")).content.decode()
    assert all(
        f"[{name}]" in body and str(words) in body.replace("&#x27;", "'") for name, words in PLACES.items()
    )


def test_texts_are_the_admins_alone(office, as_owner):
    assert as_owner.get(reverse("note_texts")).status_code == 403
    assert as_owner.post(reverse("note_text_preview", args=["missed"])).status_code == 403
