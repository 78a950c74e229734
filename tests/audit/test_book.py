"""Whatever is changed in the audit book is found, and the database refuses to change it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, close_old_connections, connection, transaction

from nutshellpbx.audit import book
from nutshellpbx.audit.models import Act, Head
from nutshellpbx.redact import Secret
from tests.audit.conftest import START, Person

Write = Callable[..., None]
Forge = Callable[..., None]


def test_acts_stand_in_the_book_with_who_and_when(write_acts: Write) -> None:
    write_acts(3)
    write_acts(1, by=None, start=3)
    first, last = Act.objects.get(number=1), Act.objects.get(number=4)
    assert (first.by_email, first.what, first.at) == (Person.email, "entry:0", START)
    assert (last.by_id, last.by_email) == ("", "")
    verdict = book.verify()
    assert verdict.is_whole
    assert (verdict.acts, verdict.head) == (4, f"4:{last.hash}")


@pytest.mark.django_db
def test_an_empty_book_is_whole() -> None:
    assert book.verify().is_whole


@pytest.mark.parametrize("position", [1, 2, 7, 11, 12])
@pytest.mark.parametrize(
    "edit",
    [
        "act = 'entry.written'",
        "by_email = 'eve@example.com'",
        "by_id = ''",
        "what = 'entry:9999'",
        "detail = '{}'",
        "at = '2026-03-02 09:00:00.000001'",
    ],
)
def test_a_changed_act_is_found(position: int, edit: str, write_acts: Write, forge: Forge) -> None:
    write_acts(12)
    forge(f"UPDATE audit_act SET {edit} WHERE number = {position}")
    assert any(fault.startswith(f"{position}:") for fault in book.verify().faults)


@pytest.mark.parametrize("position", range(1, 13))
def test_a_removed_act_is_found_wherever_it_stood(position: int, write_acts: Write, forge: Forge) -> None:
    write_acts(12)
    forge(f"DELETE FROM audit_act WHERE number = {position}")
    assert not book.verify().is_whole


@pytest.mark.parametrize("position", [1, 5, 12])
def test_a_removed_act_is_found_though_the_numbers_behind_it_moved_up(
    position: int, write_acts: Write, forge: Forge
) -> None:
    write_acts(12)
    forge(
        f"DELETE FROM audit_act WHERE number = {position}",
        f"UPDATE audit_act SET number = number + 1000 WHERE number > {position}",
        "UPDATE audit_act SET number = number - 1001 WHERE number > 1000",
        "UPDATE audit_head SET number = number - 1",
    )
    assert not book.verify().is_whole


@pytest.mark.parametrize("position", [1, 4, 12])
def test_an_act_that_was_put_in_between_is_found(position: int, write_acts: Write, forge: Forge) -> None:
    write_acts(12)
    forge(
        f"UPDATE audit_act SET number = number + 1000 WHERE number >= {position}",
        "UPDATE audit_act SET number = number - 999 WHERE number > 1000",
        "INSERT INTO audit_act (number, at, act, by_id, by_email, what, detail, previous, hash)"
        f" VALUES ({position}, '2026-03-02 09:00:00', 'key.set', '', '', 'x', '{{}}',"
        f" '{'1' * 64}', '{'2' * 64}')",
        "UPDATE audit_head SET number = number + 1",
    )
    assert any(fault.startswith(f"{position}:") for fault in book.verify().faults)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (3, 9), (11, 12)])
def test_acts_that_changed_places_are_found(one: int, other: int, write_acts: Write, forge: Forge) -> None:
    write_acts(12)
    forge(
        f"UPDATE audit_act SET number = 0 WHERE number = {one}",
        f"UPDATE audit_act SET number = {one} WHERE number = {other}",
        f"UPDATE audit_act SET number = {other} WHERE number = 0",
    )
    assert not book.verify().is_whole


@pytest.mark.parametrize("left", [0, 1, 6, 11])
def test_an_end_that_was_cut_off_is_found(left: int, write_acts: Write, forge: Forge) -> None:
    write_acts(12)
    forge(f"DELETE FROM audit_act WHERE number > {left}")
    assert not book.verify().is_whole


def test_an_end_cut_off_together_with_its_head_is_found_by_a_kept_head(
    write_acts: Write, forge: Forge
) -> None:
    write_acts(12)
    kept = book.verify().head
    mark = Act.objects.get(number=8).hash
    forge(
        "DELETE FROM audit_act WHERE number > 8",
        f"UPDATE audit_head SET number = 8, hash = '{mark}'",
    )
    assert book.verify().is_whole  # nothing inside can tell
    assert not book.verify(kept=kept).is_whole
    write_acts(4, start=20)  # a new end of the same length is another end
    assert not book.verify(kept=kept).is_whole


def test_a_kept_head_of_long_ago_is_still_in_the_book(write_acts: Write) -> None:
    write_acts(3)
    kept = book.verify().head
    write_acts(3, start=3)
    assert book.verify(kept=kept).is_whole


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_act SET act = 'x' WHERE number = 2",
        "DELETE FROM audit_act WHERE number = 3",
        "DELETE FROM audit_act",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET number = number - 1",
        "UPDATE audit_head SET hash = ''",
    ],
)
def test_the_database_refuses_to_change_the_book(statement: str, write_acts: Write) -> None:
    write_acts(3)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert book.verify().is_whole


def test_a_row_is_not_replaced_either(write_acts: Write) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("REPLACE is SQLite's own")
    write_acts(3)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "REPLACE INTO audit_act SELECT number, at, 'x', by_id, by_email, what, detail, previous,"
            " hash FROM audit_act WHERE number = 2"
        )


def test_the_model_refuses_too(write_acts: Write) -> None:
    write_acts(2)
    with pytest.raises(DatabaseError), transaction.atomic():
        Act.objects.filter(number=1).update(act="x")
    with pytest.raises(DatabaseError), transaction.atomic():
        Act.objects.all().delete()


@pytest.mark.django_db
def test_no_secret_and_no_full_number_stands_in_the_book() -> None:
    book.record(
        act="key.set",
        by=None,
        what="credential:1",
        detail={
            "api_key": "abcd",
            "key": Secret("topsecret"),
            "caller": "+13125550142",
            "header": "Authorization: Basic c2VjcmV0",
            "deep": [{"password": "hunter2"}],
        },
        now=START,
    )
    act = Act.objects.get()
    for secret in ("abcd", "topsecret", "3125550142", "c2VjcmV0", "hunter2"):
        assert secret not in act.detail
    assert act.details["caller"] == "•••0142"
    assert book.verify().is_whole


@pytest.mark.django_db
def test_a_huge_detail_is_cut() -> None:
    book.record(act="x", by=None, what="y", detail={"text": "a b " * 10_000}, now=START)
    assert len(Act.objects.get().detail) <= book.MAX_DETAIL
    assert book.verify().is_whole


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [{"what": "x" * 201}, {"act": "x" * 61}, {"now": datetime(2026, 3, 2)}],
)
def test_what_cannot_be_recorded_stops_the_act(wrong: dict[str, object]) -> None:
    with pytest.raises(book.NotRecorded):
        book.record(**{"act": "a", "by": None, "what": "b", "now": START, **wrong})  # type: ignore[arg-type]
    assert not Act.objects.exists()


@pytest.mark.django_db
def test_an_act_that_falls_takes_its_line_with_it(write_acts: Write) -> None:
    write_acts(2)
    with pytest.raises(RuntimeError), transaction.atomic():
        write_acts(1, start=2)
        raise RuntimeError
    assert Act.objects.count() == 2
    write_acts(1, start=2)
    assert book.verify().is_whole


@pytest.mark.django_db(transaction=True)
def test_concurrent_writers_make_one_chain() -> None:
    each, writers = 15, 6
    ready = threading.Barrier(writers)
    failed: list[BaseException] = []

    def write(name: int) -> None:
        try:
            ready.wait(timeout=20)
            for index in range(each):
                with transaction.atomic():
                    what = f"entry:{name}-{index}"
                    book.record(act="entry.moved", by=None, what=what, now=datetime.now(UTC))
        except BaseException as error:
            failed.append(error)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in range(writers)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert book.verify().is_whole  # also while others write
    assert not failed
    verdict = book.verify()
    assert verdict.is_whole, verdict.faults
    assert verdict.acts == each * writers == Head.objects.get().number


def test_the_command_says_whether_the_chain_is_whole(write_acts: Write, forge: Forge) -> None:
    write_acts(4)
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    assert "4 acts, the chain is whole" in out.getvalue()
    kept = out.getvalue().split()[-1]
    call_command("audit", "verify", "--kept", kept, stdout=StringIO())
    forge("UPDATE audit_act SET by_email = 'eve@example.com' WHERE number = 2")
    out = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("audit", "verify", "--json", stdout=out)
    assert exit_.value.code == 1
    assert "2: was changed" in out.getvalue()
    with pytest.raises(CommandError):
        call_command("audit", "verify", "--kept", "nonsense", stdout=StringIO())


def test_the_command_lists_the_newest_acts(write_acts: Write) -> None:
    write_acts(5)
    out = StringIO()
    call_command("audit", "list", "--last", "2", stdout=out)
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["5", "4"]
    assert "ada@example.com" in lines[0]
    out = StringIO()
    call_command("audit", "list", "--what", "entry:0", stdout=out)
    assert len(out.getvalue().splitlines()) == 1
