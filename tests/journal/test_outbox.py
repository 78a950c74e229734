"""The table of moves holds, whoever tries what in whatever order; and what people may do to an entry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nutshellpbx.crm.models import Credential
from nutshellpbx.crm.signin import open_sign_in
from nutshellpbx.journal import addressee, delivery, outbox, proof, settle, workers, writers
from nutshellpbx.journal.models import Attempt, Entry, Writer
from nutshellpbx.journal.states import MOVES, MoveNotAllowed, State
from tests.journal import double
from tests.journal.office import ANNA, BERT, START, Office

pytestmark = pytest.mark.django_db(databases=["default", "index"])


def test_move_outside_the_table_is_refused_and_changes_nothing(office: Office) -> None:
    entry = office.enqueue()
    for before, after in product(State, State):
        Entry.objects.filter(pk=entry.pk).update(state=before, marker="m", ref_id="1-notes")
        entry.refresh_from_db()
        if after in MOVES[before] or after == before:
            assert outbox.change(entry, to=after, now=office.clock())
            continue
        with pytest.raises(MoveNotAllowed):
            outbox.change(entry, to=after, now=office.clock())
        entry.refresh_from_db()
        assert entry.state == before


def test_done_by_hand_is_the_end_and_every_other_state_leads_on() -> None:
    assert MOVES[State.DONE_BY_HAND] == frozenset()
    assert all(MOVES[state] for state in State if state != State.DONE_BY_HAND)
    # nothing is sent from anywhere but pending, and nothing becomes written without an answer or a search
    assert [state for state in State if State.INTENT in MOVES[state]] == [State.PENDING]
    assert {state for state in State if State.WRITTEN in MOVES[state]} == {
        State.INTENT,
        State.UNKNOWN,
        State.PARKED,
    }


def test_an_entry_is_put_right_until_it_may_be_in_the_crm(office: Office) -> None:
    entry = office.enqueue(card=None)
    held = outbox.claim(entry_id=str(entry.pk), worker="one", now=office.clock())
    assert held is not None
    entry.refresh_from_db()
    right: dict[str, Any] = {
        "user": office.owner,
        "extension": office.extension,
        "text": "Answered after all",
    }
    assert outbox.amend(entry=entry, **right, card=BERT, now=office.clock())
    assert not outbox.change(held, to=State.PARKED, now=office.clock()), (
        "its worker goes on with the old text"
    )
    entry.refresh_from_db()
    assert (entry.text, entry.card_id, entry.claimed_by) == ("Answered after all", BERT.id, "")
    assert outbox.amend(entry=entry, **right, card=ANNA, now=office.clock())
    assert entry.card_id == BERT.id
    Entry.objects.filter(pk=entry.pk).update(outcome="unknown", state=State.UNKNOWN, marker="m")
    entry.refresh_from_db()
    assert not outbox.amend(entry=entry, **{**right, "text": "Too late"}, card=None, now=office.clock())


def test_who_comes_second_changes_nothing(office: Office) -> None:
    entry = office.enqueue()
    stale = Entry.objects.get(pk=entry.pk)
    claimed = outbox.claim(entry_id=str(entry.pk), worker="one", now=office.clock())
    assert claimed is not None
    assert outbox.claim(entry_id=str(entry.pk), worker="two", now=office.clock()) is None
    assert not outbox.change(stale, to=State.PARKED, now=office.clock())
    with pytest.raises(outbox.TooLate):
        outbox.mark_done_by_hand(entry=stale, by=office.owner, now=office.clock())


def test_person_takes_over_under_the_hands_of_a_worker(office: Office) -> None:
    entry = office.enqueue()
    claimed = outbox.claim(entry_id=str(entry.pk), worker="one", now=office.clock())
    assert claimed is not None
    entry.refresh_from_db()
    outbox.mark_done_by_hand(entry=entry, by=office.owner, now=office.clock())
    with pytest.raises(settle.Lost):
        settle.release(entry=claimed, now=office.clock())
    office.deliver(entry)
    assert (entry.state, entry.done_by, office.notes()) == (State.DONE_BY_HAND, office.owner, [])
    with pytest.raises(MoveNotAllowed):
        outbox.retry(entry=entry, by=office.owner, now=office.clock())


@pytest.mark.parametrize(
    "state", [State.INTENT, State.UNKNOWN, State.WRITTEN, State.VERIFIED, State.REMOVING]
)
def test_what_is_on_its_way_cannot_be_sent_again(office: Office, state: State) -> None:
    entry = office.enqueue()
    Entry.objects.filter(pk=entry.pk).update(state=state, marker="m", ref_id="1-notes")
    entry.refresh_from_db()
    for looked in (False, True):
        with pytest.raises(MoveNotAllowed):
            outbox.retry(entry=entry, by=office.owner, now=office.clock(), looked=looked)


def test_database_itself_refuses_what_must_not_be(office: Office) -> None:
    entry = office.enqueue()
    for fields in ({"state": State.INTENT}, {"state": State.VERIFIED}, {"state": "lost"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Entry.objects.filter(pk=entry.pk).update(**fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(
            crm=office.crm, call_key=entry.call_key, happened_at=START, trying_since=START, created_at=START,
            updated_at=START,
        )  # fmt: skip


def test_claim_of_a_dead_process_is_freed_at_once_and_of_a_living_one_after_its_lease(office: Office) -> None:
    mine = outbox.claim(entry_id=str(office.enqueue().pk), worker=workers.worker_name(), now=office.clock())
    dead_name = workers.worker_name().rsplit(":", 2)[0] + ":999999999:1"
    dead = outbox.claim(entry_id=str(office.enqueue().pk), worker=dead_name, now=office.clock())
    elsewhere = outbox.claim(
        entry_id=str(office.enqueue().pk), worker="other-box:1:2:3:4", now=office.clock()
    )
    assert None not in (mine, dead, elsewhere)
    assert workers.is_dead(dead_name)
    assert outbox.reap(now=office.clock()) == 1
    office.clock.advance(seconds=outbox.LEASE_S + 1)
    assert outbox.reap(now=office.clock()) == 2


def test_what_a_full_disk_kept_a_worker_from_giving_back_is_free_once_there_is_space(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [office.enqueue() for _each in range(3)]
    key = Credential.objects.get()
    for entry in entries:
        settle.note_credential(entry=entry, credential=key, now=office.clock())

    def full(*_arguments: Any, **_options: Any) -> None:
        raise OperationalError("database or disk is full")

    def put_back(entries: Iterable[Entry]) -> None:
        if list(entries):
            full()

    with monkeypatch.context() as patched, workers.shift() as worker:
        # From its first statement as the writer on, nothing is taken any more.
        patched.setattr(outbox, "put_back", put_back)
        for name in ("signin.open_sign_in", "rows.change", "writers.give_back"):
            patched.setattr(f"nutshellpbx.journal.delivery.{name}", full)
        with pytest.raises(OperationalError):
            delivery.work_off(worker=worker, at_most_s=5, clock=office.clock)
        assert outbox.reap(now=office.clock()) == 0  # it may still be at it
    assert Writer.objects.exclude(held_by="").exists()
    assert not outbox.due(now=office.clock())
    assert outbox.reap(now=office.clock()) == 3
    assert not Writer.objects.exclude(held_by="").exists()
    with workers.shift() as worker:
        delivery.work_off(worker=worker, at_most_s=5, clock=office.clock)
    for entry in entries:
        assert office.deliver_until(entry, State.VERIFIED).state == State.VERIFIED
    assert len(office.notes()) == 3


def test_parked_entry_of_a_chosen_other_record_is_sent_there(office: Office, mood: double.Mood) -> None:
    mood.once["write"] = ["rejected"]
    entry = office.deliver(office.enqueue())
    outbox.move(entry=entry, card=BERT, by=office.owner, now=office.clock())
    assert office.deliver(entry).state == State.VERIFIED
    assert [note["parent"] for note in office.notes()] == [BERT.id]


def test_record_for_a_call_without_entry_is_nobodys_business(office: Office) -> None:
    nothing = outbox.give_card(
        crm=office.crm, call_key="no such call", card=ANNA, by=office.owner, now=office.clock()
    )
    assert nothing is None


def test_proof_adds_up_and_each_term_leads_to_its_list(office: Office, mood: double.Mood) -> None:
    office.deliver(office.enqueue())
    office.deliver(office.enqueue(card=None, number="+13125559999"))
    mood.once["write"] = ["rejected", "rejected", "reset_after"]
    office.deliver(office.enqueue())
    by_hand = office.deliver(office.enqueue())
    outbox.mark_done_by_hand(entry=by_hand, by=office.owner, now=office.clock())
    office.deliver(office.enqueue())
    office.enqueue(happened_at=START - timedelta(days=1))
    period = {"since": START, "until": START + timedelta(days=1)}
    shown = proof.prove(**period)
    assert shown.terms == {"verified": 1, "on_the_way": 1, "waiting": 1, "parked": 1, "done_by_hand": 1}
    assert (shown.entries, shown.adds_up, shown.double) == (5, True, 0)
    for term, number in shown.terms.items():
        assert proof.list_term(term=term, **period).count() == number
    assert sorted(state for states in proof.TERMS.values() for state in states) == sorted(State)


class AnyOrder(RuleBasedStateMachine):
    """Whatever the CRM does, whoever dies, whatever people click: no note twice, and none lost."""

    office: Office
    entries = Bundle("entries")

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Entry] = []
        self.by_hand: set[object] = set()

    @rule(target=entries, has_card=st.booleans())
    def call_ends(self, has_card: bool) -> Entry:
        entry = self.office.enqueue(card=ANNA if has_card else None)
        self.made.append(entry)
        return entry

    @rule(entry=entries)
    def call_is_told_twice(self, entry: Entry) -> None:
        assert self.office.enqueue(call_key=entry.call_key).pk == entry.pk

    @rule(method=st.sampled_from(["write", "find_written", "find_many", "read", "remove"]), data=st.data())
    def crm_will_misbehave(self, method: str, data: st.DataObject) -> None:
        kinds = double.BEFORE + (double.AFTER if method == "write" else [])
        double.MOOD.once.setdefault(method, []).append(data.draw(st.sampled_from(kinds)))

    @rule(entry=entries, seconds=st.integers(0, 60))
    def worker_looks(self, entry: Entry, seconds: int) -> None:
        self.office.clock.advance(seconds=seconds)
        self.office.deliver(entry)

    @rule(entry=entries, sent=st.booleans())
    def worker_dies_after_its_intent(self, entry: Entry, sent: bool) -> None:
        now = self.office.clock
        claimed = outbox.claim(entry_id=str(entry.pk), worker="dead", now=now())
        if claimed is None or claimed.state != State.PENDING or not claimed.card_id:
            return
        writer = writers.take(credential=self.office.credential, worker="dead", now=now(), lease_s=120)
        if writer is None:
            return
        settle.begin_intent(entry=claimed, writer=writer, now=now())
        if sent:
            double.MOOD.once["write"] = ["fine", *double.MOOD.once.get("write", [])]
            as_ = open_sign_in(credential=self.office.credential)
            draft = delivery.draft_of(claimed)
            claimed.crm.adapter().write(draft, claimed.marker, as_)

    @rule()
    def leases_run_out(self) -> None:
        self.office.clock.advance(seconds=outbox.LEASE_S + 1)
        outbox.reap(now=self.office.clock())
        addressee.wake(now=self.office.clock())

    @rule(entry=entries, to_bert=st.booleans())
    def person_chooses(self, entry: Entry, to_bert: bool) -> None:
        card = BERT if to_bert else ANNA
        outbox.give_card(
            crm=self.office.crm,
            call_key=entry.call_key,
            card=card,
            by=self.office.owner,
            now=self.office.clock(),
        )

    @rule(entry=entries)
    def person_sends_again(self, entry: Entry) -> None:
        entry.refresh_from_db()
        try:
            outbox.retry(entry=entry, by=self.office.owner, now=self.office.clock())
        except MoveNotAllowed:
            assert entry.state not in {State.PARKED, State.PENDING, State.WAITING}

    @invariant()
    def nothing_stands_twice(self) -> None:
        texts = [note["text"].rpartition("\n")[2] for note in self.office.notes()]
        assert len(texts) == len(set(texts))

    def teardown(self) -> None:
        """In the end everything is verified, with exactly one note at the right record."""
        double.MOOD.once.clear()
        for entry in self.made:
            entry.refresh_from_db()
            if entry.state == State.PARKED:
                outbox.retry(entry=entry, by=self.office.owner, now=self.office.clock())
        for _round in range(8):
            self.office.clock.advance(minutes=16)
            outbox.reap(now=self.office.clock())
            addressee.wake(now=self.office.clock())
            for entry in self.made:
                self.office.deliver(entry)
        self.nothing_stands_twice()
        notes = {note["text"].rpartition("\n")[2]: note["parent"] for note in self.office.notes()}
        assert {entry.state for entry in self.made} <= {State.VERIFIED}
        assert notes == {entry.marker: entry.card_id for entry in self.made}


def test_any_order_of_faults_and_clicks_ends_with_one_note_each(office: Office) -> None:
    folder = office.folder

    class Machine(AnyOrder):
        def __init__(self) -> None:
            super().__init__()
            Attempt.objects.all().delete()
            Entry.objects.all().delete()
            Writer.objects.all().delete()
            folder.joinpath("notes.jsonl").unlink(missing_ok=True)
            folder.joinpath("journal.high").unlink(missing_ok=True)
            double.MOOD.once.clear()
            self.office = office

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
