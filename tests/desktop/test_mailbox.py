from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nutshellpbx import wire
from nutshellpbx.desktop import mailbox
from nutshellpbx.desktop.models import Device, Instruction, Withdrawal
from tests.desktop.people import NOON, given, make_device, make_user, put, withdraw

pytestmark = pytest.mark.django_db


def later(seconds: float) -> dict[str, object]:
    now = NOON + timedelta(seconds=seconds)
    return {"now": now, "expires_at": now + timedelta(seconds=60)}


def test_a_page_reaches_the_desk_as_the_wire_says() -> None:
    user = make_user()
    device, _token = make_device(user, browser="firefox")
    put(user)
    (row,) = mailbox.alive(device=device, after=0, now=NOON)
    instruction = wire.read_instruction(row.body)
    assert isinstance(instruction, wire.Instruction)
    assert (instruction.verb, instruction.title, instruction.browser) == ("open", "Maria Miller", "firefox")
    assert instruction.page == wire.Page(origin="https://app.nutshell.com", path="/person/23")
    mailbox.note_given(rows=[row], now=NOON)
    row.refresh_from_db()
    assert row.delivered_at == NOON


def test_two_rings_of_one_call_open_one_page() -> None:
    user = make_user()
    device, _token = make_device(user)
    assert put(user)
    assert put(user, subject="leg-101-again") == []
    assert given(device) == ["open"]


def test_one_page_while_the_call_lives_and_one_after_it() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    withdraw(user)
    assert put(user, phase="after", subject="leg-101:after")
    assert put(user, phase="after", subject="leg-101:after") == []
    assert given(device) == ["open"]


def test_what_is_put_after_the_withdrawal_is_not_shown() -> None:
    user = make_user()
    device, _token = make_device(user)
    withdraw(user)
    assert put(user) == []
    assert put(user, verb="card") == []
    assert given(device) == []


def test_what_was_not_fetched_is_withdrawn_without_a_word() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    assert withdraw(user) == []
    assert given(device) == []


def test_what_was_given_is_taken_away_and_never_given_again() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    assert given(device) == ["open"]
    (told,) = withdraw(user)
    assert told.verb == "withdraw"
    assert given(device) == ["withdraw"]
    assert withdraw(user) == []
    assert Withdrawal.objects.count() == 1


def test_a_withdrawal_concerns_its_own_leg_and_user_alone() -> None:
    ann, bob = make_user(), make_user("bob@example.com")
    device, _token = make_device(ann)
    put(ann)
    withdraw(ann, subject="leg-102")
    withdraw(bob)
    assert given(device) == ["open"]


def test_a_groups_cards_are_taken_away_together_however_many_they_are() -> None:
    """Each desk is told of its own leg alone, and fifty desks cost as many questions as three."""
    users = [make_user(f"u{number}@example.com") for number in range(50)]
    desks = [make_device(user)[0] for user in users]
    for number, user in enumerate(users):
        put(user, verb="card", subject=f"leg-{number}")
    assert all(given(desk) == ["card"] for desk in desks)
    legs = [(user.pk, f"leg-{number}") for number, user in enumerate(users)]
    costs = []
    for group in (legs[:3], legs[3:]):
        with CaptureQueriesContext(connection) as asked:
            told = mailbox.withdraw(call_key="pbx:1", shown_to=group, now=NOON)
        costs.append(len(asked))
        assert {(row.device.user_id, row.subject) for row in told} == set(group)
    assert costs[0] == costs[1] < 15
    assert all(given(desk, after=1) == ["withdraw"] for desk in desks)
    assert mailbox.withdraw(call_key="pbx:1", shown_to=legs, now=NOON) == []


def test_a_leg_that_rings_again_after_an_unseen_page_opens_it_then() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    withdraw(user)
    assert put(user, subject="leg-101-second")
    assert given(device) == ["open"]


def test_a_leg_that_is_over_shows_nothing() -> None:
    user = make_user()
    device, _token = make_device(user)
    assert put(user, still=lambda: False) == []
    assert given(device) == []


def test_what_has_expired_is_never_given() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    assert given(device, now=NOON + timedelta(seconds=61)) == []
    assert put(user, expires_at=NOON) == []


def test_a_page_that_no_desk_fetched_in_time_may_be_put_again() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    assert put(user, **later(61))
    assert given(device, now=NOON + timedelta(seconds=62)) == ["open"]


def test_with_two_desks_the_page_opens_where_the_person_is_and_the_card_shows_on_both() -> None:
    user = make_user()
    used, _token = make_device(user, name="office", last_seen_at=NOON, last_used_at=NOON)
    idle, _token = make_device(
        user, name="counter", last_seen_at=NOON, last_used_at=NOON - timedelta(minutes=9)
    )
    assert len(put(user)) == 2
    assert given(used) == ["open"]
    assert given(idle) == ["card"]


def test_a_desk_that_is_switched_off_does_not_get_the_page_though_it_was_used_last() -> None:
    user = make_user()
    off, _token = make_device(
        user, name="home", last_seen_at=NOON - timedelta(hours=2), last_used_at=NOON - timedelta(minutes=1)
    )
    on, _token = make_device(
        user, name="office", last_seen_at=NOON, last_used_at=NOON - timedelta(minutes=30)
    )
    put(user)
    assert given(on) == ["open"]
    assert given(off) == ["card"]


def test_the_same_card_again_is_written_once_and_a_new_one_replaces_it() -> None:
    user = make_user()
    device, _token = make_device(user)
    assert put(user, verb="card", title="+1 312 555 0142")
    assert put(user, verb="card", title="+1 312 555 0142") == []
    assert put(user, verb="card", title="Maria Miller")
    assert given(device) == ["card", "card"]


def test_the_cursor_counts_per_desk_without_gaps() -> None:
    user = make_user()
    device, _token = make_device(user)
    other, _token = make_device(make_user("bob@example.com"))
    for number in range(3):
        put(user, call_key=f"pbx:{number}")
    assert list(device.instructions.values_list("cursor", flat=True)) == [1, 2, 3]
    assert given(device, after=2) == ["open"]
    assert other.instructions.count() == 0


def test_a_lost_answer_is_given_again() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    assert given(device) == given(device) == ["open"]


def test_a_revoked_desk_and_one_of_a_disabled_user_get_nothing() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    mailbox.revoke(device=device, now=NOON)
    mailbox.revoke(device=device, now=NOON)
    assert given(device) == []
    assert put(user, call_key="pbx:2") == []
    bob = make_user("bob@example.com")
    make_device(bob)
    bob.is_active = False
    bob.save()
    assert put(bob) == []


def test_a_desk_that_may_be_getting_the_page_just_now_is_told_of_the_withdrawal() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user)
    mailbox.note_seen(device=device, cursor=0, idle_s=None, now=NOON)
    in_flight = mailbox.alive(device=device, after=0, now=NOON)
    (told,) = withdraw(user)
    mailbox.note_given(rows=in_flight, now=NOON)
    assert told.verb == "withdraw"
    assert given(device) == ["withdraw"]
    assert put(user, subject="leg-101-second") == []


def test_a_desk_is_noted_as_seen_once_a_minute() -> None:
    device, _token = make_device(make_user())
    for seconds, cursor, idle_s in ((0, 2, 40), (30, 5, 0), (61, 9, 0)):
        now = NOON + timedelta(seconds=seconds)
        mailbox.note_seen(device=device, cursor=cursor, idle_s=idle_s, now=now)
        device.refresh_from_db()
        expected = now if seconds != 30 else NOON
        assert device.last_seen_at == expected
    assert device.acknowledged == 9
    assert device.last_used_at == NOON + timedelta(seconds=61)


def test_the_first_word_of_a_desk_counts_and_a_page_that_failed_may_be_put_again() -> None:
    user = make_user()
    device, _token = make_device(user)
    (row,) = put(user)
    failed = wire.Outcome(id=str(row.uid), outcome=wire.Result.FAILED, at=NOON, took_ms=7)
    opened = wire.Outcome(id=str(row.uid), outcome=wire.Result.OPENED, at=NOON, took_ms=9)
    assert mailbox.settle(device=device, outcomes=[failed], now=NOON) == 1
    assert mailbox.settle(device=device, outcomes=[opened], now=NOON) == 0
    row.refresh_from_db()
    assert (row.outcome, row.took_ms, row.stands) == ("failed", 7, False)
    assert put(user)


def test_a_desk_cannot_settle_what_was_meant_for_another() -> None:
    user = make_user()
    make_device(user)
    stranger, _token = make_device(make_user("bob@example.com"))
    (row,) = put(user)
    told = wire.Outcome(id=str(row.uid), outcome=wire.Result.OPENED, at=NOON)
    assert mailbox.settle(device=stranger, outcomes=[told], now=NOON) == 0


def test_titles_and_lines_from_outside_come_out_as_plain_short_lines() -> None:
    user = make_user()
    device, _token = make_device(user)
    put(user, title="Eve\r\n\x1b[31m" + "x" * 500, lines=["a\x00b", *["line"] * 50])
    (row,) = mailbox.alive(device=device, after=0, now=NOON)
    instruction = wire.read_instruction(row.body)
    assert isinstance(instruction, wire.Instruction)
    assert len(instruction.title) == 200 and "\x1b" not in instruction.title
    assert len(instruction.lines) == 12


def test_old_rows_are_deleted_a_few_at_a_time() -> None:
    user = make_user()
    make_device(user)
    put(user)
    withdraw(user, call_key="pbx:2")
    assert mailbox.prune(now=NOON + timedelta(days=29)) == 0
    assert mailbox.prune(now=NOON + timedelta(days=31)) == 2
    assert Instruction.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_put_and_withdraw_at_once_never_leave_a_page_standing_that_nobody_takes_away() -> None:
    user = make_user()
    device, _token = make_device(user)

    def at_once(number: int) -> None:
        gate = threading.Barrier(3)

        def run(work: object) -> None:
            gate.wait()
            try:
                work()  # type: ignore[operator]
            finally:
                connection.close()

        jobs = [
            lambda: put(user, call_key=f"pbx:{number}"),
            lambda: withdraw(user, call_key=f"pbx:{number}"),
            lambda: given(Device.objects.get(pk=device.pk)),
        ]
        threads = [threading.Thread(target=run, args=[job]) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for number in range(20):
        at_once(number)
        rows = {row.verb: row for row in Instruction.objects.filter(call_key=f"pbx:{number}")}
        if "open" in rows and rows["open"].delivered_at:
            assert "withdraw" in rows
        assert "open" not in [row.verb for row in mailbox.alive(device=device, after=0, now=NOON)]


@pytest.mark.django_db(transaction=True)
def test_many_puts_at_once_open_one_page() -> None:
    user = make_user()
    device, _token = make_device(user)
    gate = threading.Barrier(8)

    def run(leg: int) -> None:
        gate.wait()
        try:
            put(user, subject=f"leg-{leg}")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[leg]) for leg in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given(device) == ["open"]
