"""The ledger: what it shows, what may be done from it, and what leaves it as a file."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.audit import book
from nutshellpbx.audit.models import Act
from nutshellpbx.crm.models import IndexedCard
from nutshellpbx.dashboard.admin import bulk, ledger
from nutshellpbx.journal import box
from nutshellpbx.journal.models import Attempt, Entry, Proving
from nutshellpbx.people.models import User
from tests.dashboard.conftest import signed_in
from tests.dashboard.office import HOSTILE, make_call, make_entry, make_user

pytestmark = pytest.mark.django_db(databases=["default", "index"])


def entry_of(office, name: str) -> Entry:
    return Entry.objects.get(call_key=office.calls[name].key)


def body_of(client, name: str, *args, **query) -> str:
    answer = client.get(reverse(name, args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def make_many(office, count: int, **values) -> list[Entry]:
    now = timezone.now()
    made = []
    for place in range(count):
        call = make_call(
            office, f"m{place}", at=now - timedelta(minutes=place % 3)
        )  # many at the same moment
        made.append(make_entry(office, call, **values))
    return made


@pytest.fixture
def as_supervisor(office):
    return signed_in(make_user("Sofia Arandt", role=User.Role.SUPERVISOR))


def csv_of(client, **posted) -> list[dict[str, str]]:
    answer = client.post(reverse("journal_export"), posted)
    assert answer["Content-Type"].startswith("text/csv")
    text = answer.getvalue().decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


# --- the list ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ({"show": "verified"}, ["known"], ["parked", "missed"]),
        ({"show": "parked"}, ["parked"], ["known", "missed"]),
        ({"show": "waiting"}, ["missed"], ["known", "parked"]),
        ({"reason": "refused"}, ["parked"], ["known", "missed"]),
        ({"q": "Gregor"}, ["parked"], ["known", "missed"]),
        ({"q": "01614960733"}, ["missed"], ["known", "parked"]),
        ({"q": "0161 496"}, ["missed"], ["known", "parked"]),
        ({"q": "7Q4K"}, ["known", "parked"], ["missed"]),
        ({"q": "nobody of this name"}, [], ["known", "parked", "missed"]),
        ({"days": "1", "show": "nonsense", "crm": "nonsense", "user": "1"}, ["known"], []),
    ],
)
def test_filter_shows_what_it_says(query, shown, hidden, office, as_admin):
    answer = as_admin.get(reverse("journal"), query)
    found = {entry.pk for entry, _note in answer.context["rows"]}
    assert {entry_of(office, name).pk for name in shown} <= found
    assert not {entry_of(office, name).pk for name in hidden} & found


def test_filter_by_person_and_crm(office, as_admin):
    owner, crm = str(office.owner.pk), str(office.crm.pk)
    assert len(as_admin.get(reverse("journal"), {"user": owner, "crm": crm}).context["rows"]) == 4
    assert not as_admin.get(reverse("journal"), {"user": str(office.colleague.pk)}).context["rows"]


def test_every_entry_stands_on_exactly_one_page(office, as_admin):
    make_many(office, 130)
    seen, before = [], ""
    for _page in range(10):
        answer = as_admin.get(reverse("journal"), {"days": "0", "before": before})
        seen += [entry.pk for entry, _note in answer.context["rows"]]
        before = answer.context["older"]
        if not before:
            break
    assert len(seen) == len(set(seen)) == Entry.objects.count()


def test_equation_adds_up_and_each_term_leads_to_its_list(office, as_admin):
    context = as_admin.get(reverse("journal"), {"days": "7"}).context
    assert context["calls"] == context["with_entry"] + context["left_out_count"] + context["unaccounted"]
    assert context["unaccounted"] == 0
    for term in context["terms"]:
        rows = as_admin.get(reverse("journal"), {"show": term["name"]}).context["rows"]
        assert len(rows) == term["count"], term["name"]
    for code, _label, count in context["left_out"]:
        lines = as_admin.get(reverse("calls"), {"show": f"left-{code}", "days": "7"}).context["lines"]
        assert len(lines) == count, code


def test_call_without_entry_and_reason_is_said_aloud(office, as_admin):
    call = make_call(office, "lost", at=timezone.now() - timedelta(minutes=3))
    answer = as_admin.get(reverse("journal"))
    assert answer.context["unaccounted"] == 1
    assert "neither an entry nor a reason" in answer.content.decode()
    lines = as_admin.get(reverse("calls"), {"show": "left-unaccounted", "days": "7"}).context["lines"]
    assert [line.call.pk for line in lines] == [call.pk]


# --- an entry ---------------------------------------------------------------------------------------


def test_entry_s_page_tells_its_story_with_the_acts_of_people(office, as_admin):
    entry = entry_of(office, "parked")
    Attempt.objects.create(
        entry=entry,
        number=2,
        kind="search",
        generation=1,
        started_at=timezone.now(),
        outcome="unsent",
        title="Nutshell could not be searched",
        answered="504 Gateway Time-out",
        ways=[{"way": "events", "outcome": "unanswered", "reason": "too slow"}],
    )
    as_admin.post(reverse("journal_act", args=[entry.pk, "again"]))
    body = body_of(as_admin, "journal_entry", entry.pk)
    for text in ("The CRM refused the note", "504 Gateway Time-out", "Feed of events", "Sent again"):
        assert text in body, text
    assert office.admin.email in body


@pytest.mark.parametrize("name", ["known", "missed", "parked", "several"])
def test_every_entry_has_its_page(name, office, as_admin, as_supervisor):
    for client in (as_admin, as_supervisor):
        body_of(client, "journal_entry", entry_of(office, name).pk)


def test_hostile_text_of_an_entry_stays_text(office, as_admin):
    entry = entry_of(office, "parked")
    Entry.objects.filter(pk=entry.pk).update(
        card_name=HOSTILE, reason_title=HOSTILE, name=HOSTILE, text=HOSTILE
    )
    for body in (body_of(as_admin, "journal"), body_of(as_admin, "journal_entry", entry.pk)):
        assert "<script>alert" not in body
        assert "<img src=x" not in body


@pytest.mark.parametrize(("verb", "act"), [("again", "entry.sent_again"), ("by-hand", "entry.done_by_hand")])
def test_act_on_an_entry_is_in_the_audit_book_once(verb, act, office, as_supervisor):
    entry = entry_of(office, "parked")
    as_supervisor.post(reverse("journal_act", args=[entry.pk, verb]))
    line = Act.objects.get(what=f"entry:{entry.pk}")
    assert (line.act, line.by_email) == (act, "sofia@tannhaven.example")


def test_only_what_may_be_done_is_offered(office, as_admin):
    assert as_admin.get(reverse("journal_entry", args=[entry_of(office, "known").pk])).context["means"] == []
    parked = entry_of(office, "parked")
    assert as_admin.get(reverse("journal_entry", args=[parked.pk])).context["means"] == ["again", "by-hand"]
    Entry.objects.filter(pk=parked.pk).update(reason="outcome_unknown", outcome="unknown")
    means = as_admin.get(reverse("journal_entry", args=[parked.pk])).context["means"]
    assert means == ["not-there", "again", "by-hand"]


# --- moving -----------------------------------------------------------------------------------------


@pytest.fixture
def lena(office) -> IndexedCard:
    values = {"name": "Lena Ostrow", "company": "Corvane Bearings", "digest": b"0"}
    return IndexedCard.objects.create(
        crm_id=office.crm.pk, table="contacts", record_id="77-contacts", **values
    )


@pytest.mark.parametrize("text", ["Lena", "ostrow lena", "corvane"])
def test_another_record_is_found_picked_and_confirmed(text, office, as_admin, lena):
    entry = entry_of(office, "parked")
    address = reverse("journal_entry", args=[entry.pk])
    assert [card.id for card in as_admin.get(address, {"find": text}).context["records"]] == ["77-contacts"]
    assert "Move it to Lena Ostrow" in as_admin.get(address, {"to": "77-contacts"}).content.decode()
    entry.refresh_from_db()
    assert entry.card_id != "77-contacts"  # looking moves nothing
    as_admin.post(reverse("journal_move", args=[entry.pk]), {"to": "77-contacts"})
    entry.refresh_from_db()
    assert (entry.card_id, entry.card_name, entry.state) == ("77-contacts", "Lena Ostrow", "pending")
    assert Act.objects.get(act="entry.moved").details["to"] == "77-contacts"


def test_verified_entry_moves_by_its_next_generation(office, as_admin, lena):
    entry = entry_of(office, "known")
    as_admin.post(reverse("journal_move", args=[entry.pk]), {"to": "77-contacts"})
    entry.refresh_from_db()
    assert (entry.generation, entry.old_ref_id, entry.card_id) == (2, "9001-notes", "77-contacts")


@pytest.mark.parametrize("to", ["", "1-contacts", "x" * 500])
def test_record_that_is_not_in_the_index_is_refused(to, office, as_admin):
    entry = entry_of(office, "parked")
    answer = as_admin.post(reverse("journal_move", args=[entry.pk]), {"to": to}, follow=True)
    assert "not in the index" in answer.content.decode()
    assert not Act.objects.filter(act="entry.moved").exists()


def test_record_of_another_crm_is_not_found(office, as_admin, lena):
    IndexedCard.objects.update(crm_id="00000000-0000-0000-0000-000000000001")
    entry = entry_of(office, "parked")
    answer = as_admin.get(reverse("journal_entry", args=[entry.pk]), {"find": "Lena"})
    assert answer.context["records"] == []


# --- several at once --------------------------------------------------------------------------------


def test_ticked_entries_are_sent_again_and_the_rest_is_told(office, as_admin):
    parked, known = entry_of(office, "parked"), entry_of(office, "known")
    answer = as_admin.post(
        reverse("journal_bulk"), {"verb": "again", "entry": [parked.pk, known.pk, "nonsense"]}, follow=True
    )
    text = answer.content.decode()
    assert "1 entry is on its way again." in text
    assert "1 was not: 1 written and found again." in text
    parked.refresh_from_db()
    known.refresh_from_db()
    assert (parked.state, known.state) == ("pending", "verified")
    assert Act.objects.filter(act="entry.sent_again").count() == 1


def test_all_that_match_the_filter_are_done_by_hand(office, as_admin):
    many = make_many(office, 70, state="parked", ref_id="", reason="refused")
    as_admin.post(reverse("journal_bulk"), {"verb": "by-hand", "all": "on", "reason": "refused", "days": "7"})
    assert Entry.objects.filter(state="done_by_hand").count() == len(many) + 1
    assert Act.objects.filter(act="entry.done_by_hand", by_email=office.admin.email).count() == len(many) + 1
    assert book.verify().is_whole
    assert entry_of(office, "known").state == "verified"


def test_more_than_the_bound_is_left_and_said(office, as_admin, monkeypatch):
    monkeypatch.setattr(bulk, "MOST", 3)
    make_many(office, 5, state="parked", ref_id="", reason="refused")
    posted = {"verb": "again", "all": "on", "reason": "refused"}
    answer = as_admin.post(reverse("journal_bulk"), posted, follow=True)
    assert "3 entries are on their way again. 3 more are left" in answer.content.decode()


@pytest.mark.parametrize("posted", [{}, {"verb": "again"}, {"verb": "delete", "all": "on"}, {"entry": "x"}])
def test_nothing_ticked_changes_nothing(posted, office, as_admin):
    before = list(Entry.objects.order_by("pk").values_list("pk", "state"))
    answer = as_admin.post(reverse("journal_bulk"), posted, follow=True)
    assert "Nothing was ticked" in answer.content.decode()
    assert list(Entry.objects.order_by("pk").values_list("pk", "state")) == before


# --- as a file --------------------------------------------------------------------------------------


def test_file_has_the_rows_of_the_filter_and_is_recorded(office, as_supervisor):
    rows = csv_of(as_supervisor, show="parked")
    assert [row["record_name"] for row in rows] == ["Gregor Falk"]
    assert rows[0]["reason"] == "refused"
    line = Act.objects.get(act="journal.exported")
    assert (line.by_email, line.details["entries"]) == ("sofia@tannhaven.example", 1)
    assert line.details["filter"]["show"] == "parked"


def test_large_file_has_every_entry_once(office, as_admin, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 7)
    make_many(office, 60)
    keys = [row["entry_id"] for row in csv_of(as_admin, days="0")]
    assert len(keys) == len(set(keys)) == Entry.objects.count()


@pytest.mark.parametrize(
    "evil", ["=1+1", "+44", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0", "|x", "%0A=1"]
)
def test_no_cell_is_a_formula(evil, office, as_admin):
    entry = entry_of(office, "parked")
    Entry.objects.filter(pk=entry.pk).update(name=evil, card_name=evil, reason_title=evil, number=evil[:60])
    [row] = csv_of(as_admin, show="parked")
    for name in ("caller_name", "record_name", "reason_in_words", "number"):
        assert row[name].startswith("'"), (name, row[name])


def test_commas_quotes_and_line_ends_stay_in_their_cell(office, as_admin):
    entry = entry_of(office, "parked")
    evil = 'Müller, "Kim"\r\nnext;line'
    Entry.objects.filter(pk=entry.pk).update(card_name=evil)
    [row] = csv_of(as_admin, show="parked")
    assert row["record_name"] == evil
    assert list(row) == list(bulk.COLUMNS)


# --- the proof --------------------------------------------------------------------------------------


def make_run(**values) -> Proving:
    now = timezone.now()
    shared = {"since": now - timedelta(days=1), "until": now, "started_at": now, "ended_at": now}
    return Proving.objects.create(
        **{"kind": "hourly", "calls": 412, "entries": 398, "asked": 398, **shared, **values}
    )


def test_last_proof_stands_in_words(office, as_admin):
    assert "Not proven yet" in body_of(as_admin, "journal")
    make_run()
    body = body_of(as_admin, "journal")
    assert ": 412 calls, 398 entries, 398 notes, 0 missing, 0 double" in body
    assert "None lost, none double" in body


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"missing": 2}, "Notes are missing"),
        ({"double": 1}, "A note stands twice"),
        ({"foreign": 3}, "Notes that are not ours"),
    ],
)
def test_proof_that_found_something_needs_a_hand(values, said, office, as_admin, as_supervisor):
    make_run(**values)
    for client in (as_admin, as_supervisor):
        assert f"The proof: {said}" in body_of(client, "home")
        assert said in body_of(client, "journal")
    make_run()
    assert "The proof:" not in body_of(as_admin, "home")


def test_proof_that_could_not_ask_says_so_and_calls_nobody(office, as_admin):
    make_run(unanswered=398)
    body = body_of(as_admin, "journal")
    assert "Not everything could be asked" in body
    assert "398 could not be asked" in body
    assert "0 missing" in body
    assert "The proof:" not in body_of(as_admin, "home")


def test_button_asks_for_a_proof_once(office, as_supervisor):
    for _press in range(3):
        as_supervisor.post(reverse("journal_prove"))
    assert Proving.objects.get().kind == "asked"
    assert Act.objects.filter(act="proof.asked").count() == 1
    assert "Being proven now" in body_of(as_supervisor, "journal")
    assert "hx-trigger" in body_of(as_supervisor, "journal_proof")


@pytest.mark.parametrize(
    ("name", "args"),
    [("journal_bulk", []), ("journal_export", []), ("journal_prove", [])],
)
def test_users_may_not(name, args, office, as_owner):
    assert as_owner.post(reverse(name, args=args)).status_code == 403


@pytest.mark.parametrize("value", ["", "x", "2026-01-01~", "~", "2026-01-01T00:00:00+00:00~zzz"])
def test_nonsense_place_is_the_first_page(value, office):
    rows, _more = ledger.page_of(Entry.objects.all(), value)
    assert len(rows) == Entry.objects.count()


def test_writer_that_is_held_needs_a_hand(office, as_admin, monkeypatch):
    held = box.Hold("other_box", "This database comes from another machine", "Run adopt-box here.")
    monkeypatch.setattr(box, "hold", lambda: held)
    body = body_of(as_admin, "home")
    assert held.title in body
    assert held.next_step in body
