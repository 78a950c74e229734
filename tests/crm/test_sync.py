"""The first full sync and those after it: resumable, small commits, nothing written that did not change."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from nutshellpbx.crm import index, sync
from nutshellpbx.crm.adapter import Card, CardNumber, Page, Table
from nutshellpbx.crm.models import Credential, IndexedCard, IndexedNumber, Sync
from nutshellpbx.crm.nutshell import translate
from nutshellpbx.crm.router import index_alias
from nutshellpbx.lab.nutshell.running import running_nutshell
from tests.crm.conftest import NOW, House

pytestmark = pytest.mark.django_db(databases={"default", index_alias()})


@pytest.fixture(scope="module")
def running():
    with running_nutshell(contacts=700) as server:
        yield server


@pytest.fixture
def synced(house: House, nutshell) -> House:
    house.credential(user=None, key=nutshell.key)
    return house


def run(house: House, *, now=NOW) -> list[float]:
    """Sync once, and return the pauses that were made."""
    pauses: list[float] = []
    sync.run_sync(crm_id=house.crm.pk, clock=lambda: now, pause=pauses.append)
    return pauses


def state_of(house: House, table: Table = Table.CONTACTS) -> Sync:
    return Sync.objects.get(crm=house.crm, table=table.value)


def count(table: Table) -> int:
    return IndexedCard.objects.filter(table=table.value).count()


def test_every_person_and_company_comes_into_the_index(synced: House, nutshell):
    pauses = run(synced)
    counts = nutshell.ask("GET", "")["counts"]
    assert count(Table.CONTACTS) == counts["contacts"] == 700
    assert count(Table.ACCOUNTS) == counts["accounts"]
    done = state_of(synced)
    assert (done.state, done.seen, done.expected, done.written) == ("complete", 700, 700, 700)
    assert (done.as_of, done.completed_at, done.cursor) == (NOW, NOW, "")
    assert pauses and min(pauses) >= 0.05
    sample = nutshell.ask("GET", "/sample?count=5&seed=1")["contacts"]
    for person in sample:
        card = IndexedCard.objects.get(record_id=person["id"])
        assert card.name == person["name"]
        assert card.page_origin == nutshell.url and card.page_path.startswith("/person/")
        assert person["number"] in card.numbers.values_list("e164", flat=True)


def test_a_second_sync_that_changes_nothing_writes_nothing(synced: House, nutshell):
    run(synced)
    with CaptureQueriesContext(connections[index_alias()]) as queries:
        pauses = run(synced, now=NOW + timedelta(hours=6))
    written = [query["sql"] for query in queries if query["sql"].split()[0] in {"INSERT", "UPDATE", "DELETE"}]
    assert [sql for sql in written if "crm_indexed" in sql] == []
    assert pauses == []
    assert state_of(synced).as_of == NOW + timedelta(hours=6)
    assert state_of(synced).written == 0


def test_what_changed_is_changed_and_what_is_gone_is_removed(synced: House, nutshell):
    run(synced)
    gone, changed = nutshell.ask("GET", "/sample?count=2&seed=9")["contacts"]
    before = IndexedCard.objects.exclude(record_id__in=[gone["id"], changed["id"]]).count()
    store = nutshell.instance.store
    person = store.find("contacts", changed["id"])
    person.family, person.phones = "Renamed", ()
    left = store.find("contacts", gone["id"])
    left.deleted_at = 1
    store.versions["contacts"] += 1
    try:
        run(synced, now=NOW + timedelta(hours=6))
    finally:
        left.deleted_at = None
        store.versions["contacts"] += 1
    assert not IndexedCard.objects.filter(record_id=gone["id"]).exists()
    assert "Renamed" in IndexedCard.objects.get(record_id=changed["id"]).name
    assert not IndexedNumber.objects.filter(card__record_id=changed["id"]).exists()
    assert IndexedCard.objects.exclude(record_id__in=[gone["id"], changed["id"]]).count() == before
    assert (state_of(synced).removed, state_of(synced).written) == (1, 1)


def test_a_sync_goes_on_where_it_stopped_and_removes_nothing_then(synced: House, nutshell):
    break_after_first_page(nutshell)
    run(synced)
    stopped = state_of(synced)
    assert stopped.state == "failed" and stopped.failed_title
    assert stopped.cursor == f"{translate.PAGE_LIMIT}:1"
    assert count(Table.CONTACTS) == translate.PAGE_LIMIT
    assert stopped.as_of is None
    nutshell.behave()
    later = NOW + timedelta(minutes=2)
    asked = nutshell.log()[-1]["n"]
    run(synced, now=later)
    done = state_of(synced)
    assert done.state == "complete" and done.seen == 700
    assert done.as_of == NOW
    assert count(Table.CONTACTS) == 700
    pages = [e for e in nutshell.log(after=asked) if e["path"].startswith("/rest/contacts")]
    assert "page%5Bpage%5D=0" not in str(pages) and "page[page]=0" not in str(pages)
    assert done.due_at == later + sync.TRY_AGAIN_AFTER


def break_after_first_page(nutshell) -> None:
    """Have the second page of people refused until the server behaves again."""
    original = nutshell.instance.lists.page

    def page(request, *, table, actor):
        listing = original(request, table=table, actor=actor)
        if table == "contacts":
            nutshell.instance.misbehaviour.order(
                [{"kind": "status_before", "status": 503, "path": "/rest/contacts"}]
            )
            nutshell.instance.lists.page = original
        return listing

    nutshell.instance.lists.page = page


def test_a_count_that_does_not_fit_removes_nothing(synced: House, nutshell, monkeypatch):
    run(synced)
    monkeypatch.setattr(translate, "total_from", lambda body: 900)
    run(synced, now=NOW + timedelta(hours=6))
    stopped = state_of(synced)
    assert stopped.state == "failed"
    assert "900" in stopped.failed_title and "700" in stopped.failed_title
    assert (count(Table.CONTACTS), stopped.cursor, stopped.as_of) == (700, "", NOW)


def test_a_crm_that_is_away_is_asked_again_later(synced: House, nutshell):
    nutshell.misbehave({"kind": "throttle", "retry_after": 600})
    run(synced)
    stopped = state_of(synced)
    assert (stopped.state, stopped.failed_at) == ("failed", NOW)
    assert stopped.due_at == NOW + timedelta(seconds=600)
    assert Credential.objects.get().state == "ok"


def test_a_refused_company_key_is_paused_and_a_users_goes_on(synced: House, nutshell):
    Credential.objects.all().delete()
    company = synced.credential(user=None, key="wrong-key-wrong-key")
    synced.credential(user=synced.colleague, key=nutshell.key)
    run(synced)
    company.refresh_from_db()
    assert (company.state, company.problem_title) == ("refused", "Nutshell refused this e-mail and key")
    assert state_of(synced).state == "complete"


def test_without_any_key_nothing_is_due(house: House, nutshell):
    assert sync.find_due(now=NOW) == []
    run(house)
    assert state_of(house).state == "failed"
    assert state_of(house).failed_next_step


def test_one_writer_at_a_time(synced: House, nutshell):
    assert sync.find_due(now=NOW) == [synced.crm.pk]
    running = Sync.objects.create(crm=synced.crm, table="contacts", state="running", run=4, beat_at=NOW)
    assert sync.find_due(now=NOW) == []
    run(synced, now=NOW + timedelta(seconds=30))
    running.refresh_from_db()
    assert (running.run, running.state) == (4, "running")
    assert count(Table.CONTACTS) == count(Table.ACCOUNTS) == 0


def test_an_abandoned_run_is_taken_over(synced: House, nutshell):
    Sync.objects.create(crm=synced.crm, table="contacts", state="running", run=4, beat_at=NOW)
    later = NOW + timedelta(minutes=3)
    assert sync.find_due(now=later) == [synced.crm.pk]
    run(synced, now=later)
    assert (state_of(synced).state, state_of(synced).run) == ("complete", 5)


def test_a_run_that_was_overtaken_stops_without_a_word(synced: House, nutshell):
    def overtake(seconds: float) -> None:
        Sync.objects.filter(crm=synced.crm, table="contacts").update(run=99)

    sync.run_sync(crm_id=synced.crm.pk, clock=lambda: NOW, pause=overtake)
    taken = state_of(synced)
    assert (taken.run, taken.state, taken.cursor) == (99, "running", "")


def test_asking_for_a_sync_makes_it_due(synced: House, nutshell):
    run(synced)
    assert sync.find_due(now=NOW) == []
    assert sync.find_due(now=NOW + timedelta(hours=1)) == [synced.crm.pk]
    sync.ask_for_sync(crm=synced.crm, now=NOW)
    assert sync.find_due(now=NOW) == [synced.crm.pk]


def test_a_switched_off_crm_is_left_alone(synced: House, nutshell):
    synced.crm.__class__.objects.update(is_enabled=False)
    assert sync.find_due(now=NOW) == []
    run(synced)
    assert not Sync.objects.exists()


def test_no_commit_is_larger_than_a_ring_can_wait_for(synced: House, nutshell, monkeypatch):
    sizes: list[int] = []
    put = index.put_cards

    def counted(**values):
        sizes.append(len(values["cards"]))
        return put(**values)

    monkeypatch.setattr(index, "put_cards", counted)
    run(synced)
    assert max(sizes) <= 200


def test_a_forgotten_crm_leaves_nothing_in_the_index(synced: House, nutshell):
    run(synced)
    index.forget_crm(crm_id=synced.crm.pk)
    assert not IndexedCard.objects.exists() and not IndexedNumber.objects.exists()


def test_every_number_of_one_field_can_be_found(house: House):
    card = Card(
        table=Table.CONTACTS,
        id="1-contacts",
        name="Mara",
        numbers=(CardNumber(raw="044 555 01 99 / 079 555 01 88", label="work"), CardNumber(raw="call me")),
        page=Page(origin="https://x.example", path="/person/1"),
    )
    assert index.put_cards(crm_id=house.crm.pk, cards=[card], country="CH") == 1
    assert sorted(IndexedNumber.objects.values_list("e164", flat=True)) == ["+41445550199", "+41795550188"]
    assert index.put_cards(crm_id=house.crm.pk, cards=[card], country="CH") == 0
    assert index.put_cards(crm_id=house.crm.pk, cards=[card], country="DE") == 1
