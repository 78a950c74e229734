"""Whose database this is: another machine holds, a restored one searches first, workers know their box."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from nutshellpbx.audit.models import Act
from nutshellpbx.journal import box, clock, outbox, restored, rows, tasks, workers
from nutshellpbx.journal.models import Attempt, Box, Entry, Reason, Standing
from nutshellpbx.journal.states import Outcome, State
from tests.journal import double
from tests.journal.office import ANNA, BERT, Office

pytestmark = pytest.mark.django_db(databases=["default", "index"])


def machine(folder: Path, *, id: str = "m1", cards: tuple[str, ...] = ("02:00:00:00:00:01",)) -> None:
    """Lay down what a machine says of itself."""
    folder.mkdir(parents=True)
    (folder / "machine-id").write_text(id)
    for number, address in enumerate(cards):
        place = folder / "net" / f"eth{number}"
        (place / "device").mkdir(parents=True)
        (place / "address").write_text(f"{address}\n")
    (folder / "net" / "docker0").mkdir(parents=True)
    (folder / "net" / "docker0" / "address").write_text("02:42:00:00:00:01\n")


@pytest.fixture
def wake_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def wake(name: str, **what: Any) -> None:
        if what or not (tmp_path / name).exists():
            machine(tmp_path / name, **what)
        monkeypatch.setattr(box, "MACHINE_ID", tmp_path / name / "machine-id")
        monkeypatch.setattr(box, "NETWORK", tmp_path / name / "net")
        clock.forget()
        workers._name_of.cache_clear()

    yield wake
    workers._name_of.cache_clear()


@pytest.mark.parametrize(
    ("other", "is_held"),
    [
        ({"id": "m1"}, False),
        ({"id": "m1", "cards": ("02:00:00:00:00:01", "02:00:00:00:00:02")}, False),
        ({"id": "m1", "cards": ()}, False),
        ({"id": "m2"}, True),
        ({"id": "m1", "cards": ("02:00:00:00:00:09",)}, True),
        ({"id": "m2", "cards": ("02:00:00:00:00:09",)}, True),
    ],
    ids=["the same", "a card more", "no card seen", "another id", "a clone's card", "another machine"],
)
def test_database_that_wakes_up_on_another_machine_holds(
    office: Office, wake_on: Any, other: dict[str, Any], is_held: bool
) -> None:
    wake_on("first")
    assert box.hold() is None
    wake_on("second", **other)
    held = box.hold()
    assert (held is not None) == is_held
    if held is not None:
        assert held.code == Standing.Hold.OTHER_BOX
        assert held.title and "adopt-box" in held.next_step


def test_held_box_writes_nothing_and_its_entries_say_why_until_an_admin_says_it_is_the_only_one(
    office: Office, wake_on: Any, mood: double.Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", office.clock)
    wake_on("first")
    written = office.deliver(office.enqueue())
    wake_on("second", id="m2")
    entry = office.deliver(office.enqueue())
    assert (entry.state, entry.reason, entry.claimed_by) == (State.PENDING, Reason.HELD, "")
    assert entry.reason_title and "adopt-box" in entry.next_step
    assert mood.requests == ["write", "read", "find_many"]
    assert tasks.due() == []
    assert tasks.work_off() == 0  # or each new entry would go through all that wait, again and again
    out = StringIO()
    call_command("journal", "adopt-box", stdout=out)
    assert "this box writes" in out.getvalue()
    assert box.hold() is None
    assert Act.objects.filter(act="journal.box_adopted").exists()
    # the other box may have written it meanwhile
    entry.refresh_from_db()
    assert entry.state == State.UNKNOWN
    assert office.deliver_until(entry, State.VERIFIED).reason == ""
    written.refresh_from_db()
    assert (written.state, len(office.notes())) == (State.VERIFIED, 2)
    wake_on("first")
    assert box.hold() is not None


def test_several_boxes_share_a_database_on_purpose(office: Office, wake_on: Any) -> None:
    wake_on("first")
    assert box.hold() is None
    wake_on("second", id="m2")
    call_command("journal", "adopt-box", "--also", stdout=StringIO())
    assert box.hold() is None
    wake_on("first")
    assert box.hold() is None
    assert Standing.objects.filter(restored_at__isnull=False).count() == 0
    assert Box.objects.count() == 2


def copied(office: Office) -> Entry:
    """An entry whose note somebody else has written too."""
    entry = office.enqueue()
    with (office.folder / "notes.jsonl").open("a", encoding="utf-8") as notes:
        note = {"id": f"9{entry.call_key}-notes", "text": f"copied\n{rows_marker(entry)}", "parent": "x"}
        notes.write(json.dumps(note) + "\n")
    office.deliver(entry)
    assert (entry.state, entry.copies) == (State.VERIFIED, 2)
    return entry


def test_a_note_that_somebody_copied_is_told_and_stops_nothing(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    for _each in range(box.HOLD_AT - 1):
        copied(office)
    assert "two notes" in caplog.text
    assert box.hold() is None
    assert office.deliver(office.enqueue()).state == State.VERIFIED


def test_markers_in_two_notes_again_and_again_hold_the_writer_and_name_the_last(
    office: Office, mood: double.Mood
) -> None:
    *_others, last = [copied(office) for _each in range(box.HOLD_AT)]
    held = box.hold()
    assert held is not None and held.code == Standing.Hold.DOUBLE
    assert last.marker in held.title
    other = office.deliver(office.enqueue())
    assert (other.state, other.reason, mood.writes) == (State.PENDING, Reason.HELD, box.HOLD_AT)


def rows_marker(entry: Entry) -> str:
    return str(restored.suspect_fields(entry, now=entry.created_at)["marker"])


# ---- restored databases


def lose_it(entry: Entry) -> None:
    """The database as it was before this entry was written."""
    Attempt.objects.filter(entry=entry).delete()
    Entry.objects.filter(pk=entry.pk).update(
        state=State.PENDING, verified_at=None, seen_at=None, not_before=entry.created_at, **rows_not_sent()
    )
    entry.refresh_from_db()


def rows_not_sent() -> dict[str, Any]:
    return {name: value for name, value in rows.NOT_SENT.items() if name not in ("verified_at", "seen_at")}


def test_restored_database_is_noticed_by_itself_and_searched_before_anything_is_written(
    office: Office, mood: double.Mood
) -> None:
    office.deliver(office.enqueue())
    entry = office.deliver(office.enqueue())
    lose_it(entry)
    office.deliver(entry)
    assert (entry.state, mood.writes) == (State.UNKNOWN, 2)
    assert office.deliver_until(entry, State.VERIFIED).attempts.filter(kind="write").count() == 0
    assert (mood.writes, len(office.notes())) == (2, 2)
    # known by now: it is not noticed a second time
    assert restored.check(now=office.clock()) is False


def test_call_of_the_lost_time_that_is_told_again_is_searched_for_and_a_later_one_is_not(
    office: Office, mood: double.Mood
) -> None:
    lost = office.deliver(office.enqueue())
    key, happened_at = lost.call_key, lost.happened_at
    Attempt.objects.all().delete()
    Entry.objects.all().delete()
    assert restored.check(now=office.clock()) is True
    again = office.enqueue(call_key=key, happened_at=happened_at)
    assert again.state == State.UNKNOWN
    office.deliver_until(again, State.VERIFIED)
    assert (mood.writes, len(office.notes())) == (1, 1)
    # one that was never written is written after the search, one without a record is looked up
    never = office.deliver_until(office.enqueue(happened_at=happened_at, card=None), State.VERIFIED)
    assert (mood.writes, never.card_id) == (2, ANNA.id)
    office.clock.advance(hours=1)
    assert office.enqueue(happened_at=office.clock.now).state == State.PENDING


def test_record_of_a_note_that_was_found_without_one_is_the_one_where_it_stands(
    office: Office, mood: double.Mood
) -> None:
    entry = office.deliver(office.enqueue(card=None))
    key, happened_at = entry.call_key, entry.happened_at
    Attempt.objects.all().delete()
    Entry.objects.all().delete()
    restored.check(now=office.clock())
    again = office.enqueue(call_key=key, happened_at=happened_at, card=None)
    assert office.deliver_until(again, State.VERIFIED).card_id == ANNA.id
    assert mood.writes == 1


def test_move_in_a_restored_database_searches_for_the_next_generation_first(
    office: Office, mood: double.Mood
) -> None:
    entry = office.deliver(office.enqueue())
    old_ref = entry.ref_id
    outbox.move(entry=entry, card=BERT, by=office.owner, now=office.clock())
    office.deliver_until(entry, State.VERIFIED)
    # back to before the move
    Entry.objects.filter(pk=entry.pk).update(
        generation=1, card_id=ANNA.id, ref_id=old_ref, state=State.VERIFIED, marker=rows_marker(entry)
    )
    entry.refresh_from_db()
    restored.declare(now=office.clock())
    outbox.move(entry=entry, card=BERT, by=office.owner, now=office.clock())
    assert (entry.state, entry.generation, entry.old_ref_id) == (State.UNKNOWN, 2, old_ref)
    office.deliver_until(entry, State.VERIFIED)
    assert mood.writes == 2
    assert [note["parent"] for note in office.notes()] == [BERT.id]


def test_parked_entries_of_a_restored_database_are_searched_for_when_they_are_sent_again(
    office: Office, mood: double.Mood
) -> None:
    mood.once["write"] = ["rejected"]
    entry = office.deliver(office.enqueue())
    restored.declare(now=office.clock())
    entry.refresh_from_db()
    assert (entry.state, entry.outcome) == (State.PARKED, Outcome.UNKNOWN)
    outbox.retry(entry=entry, by=office.owner, now=office.clock())
    assert entry.state == State.UNKNOWN


def test_command_says_that_it_was_restored(office: Office) -> None:
    office.enqueue()
    out = StringIO()
    call_command("journal", "restored", stdout=out)
    assert "1 entries are searched for" in out.getvalue()
    assert Entry.objects.get().state == State.UNKNOWN
    assert Act.objects.filter(act="journal.restored").exists()


@pytest.mark.parametrize("content", [None, "", "garbage", "00000000000000000001\n"])
def test_file_that_is_missing_or_broken_tells_nothing(
    office: Office, settings: Any, content: str | None
) -> None:
    office.deliver(office.enqueue())
    path = Path(settings.NUTSHELLPBX_HIGH_WATER)
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert restored.check(now=office.clock()) is False
    office.deliver(office.enqueue())
    assert int(path.read_text()) == Attempt.objects.filter(kind="write").latest("pk").pk


def test_disk_that_takes_no_file_stops_no_writing(office: Office, settings: Any, tmp_path: Path) -> None:
    settings.NUTSHELLPBX_HIGH_WATER = tmp_path / "no" / "such" / "folder" / "file"
    assert office.deliver(office.enqueue()).state == State.VERIFIED


# ---- workers of other boxes


def test_worker_of_another_box_is_never_called_dead(wake_on: Any) -> None:
    wake_on("first")
    mine = workers.worker_name()
    gone = mine.rsplit(":", 2)[0] + ":999999999:1"
    assert workers.is_dead(gone)
    assert not workers.is_dead(mine)
    wake_on("clone", id="m1", cards=("02:00:00:00:00:09",))
    assert not workers.is_dead(gone)
    assert workers.worker_name() != mine
    for name in ("", "x", ":::1:2", "host::ns:999999999:1", "host:boot::999999999:1"):
        assert not workers.is_dead(name)


def test_intent_of_a_worker_that_may_still_live_is_unclear_from_when_it_can_no_longer_send(
    office: Office, mood: double.Mood
) -> None:
    entry = office.enqueue()
    assert outbox.claim(entry_id=str(entry.pk), worker="other:box:ns:1:2", now=office.clock())
    Entry.objects.filter(pk=entry.pk).update(state=State.INTENT, marker=rows_marker(entry))
    office.clock.advance(seconds=outbox.LEASE_S + 1)
    now = office.clock()
    assert outbox.reap(now=now) == 1
    entry.refresh_from_db()
    assert entry.unknown_since is not None
    assert (entry.unknown_since - now).total_seconds() == pytest.approx(outbox.SEND_WITHIN_S, abs=1)
