from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection

from nutshellpbx import wire
from nutshellpbx.desktop import pairing
from nutshellpbx.desktop.models import Device, Pairing
from nutshellpbx.desktop.tokens import find_device, find_fingerprint, make_token
from nutshellpbx.faults import Denied, Fault, Rejected, TryLater
from tests.desktop.people import NOON, make_user

pytestmark = pytest.mark.django_db

REQUEST = wire.PairingRequest(name="Ann's PC", os="Linux", client_version="1")


def start(address: str = "192.0.2.1") -> tuple[Pairing, str]:
    return pairing.start(request=REQUEST, address=address, now=NOON)


def wrong(code: str) -> str:
    return ("C" if code[0] == "B" else "B") + code[1:]


def test_an_approved_desktop_gets_a_token_once() -> None:
    user = make_user()
    row, secret = start()
    assert pairing.claim(poll_secret=secret, now=NOON) is None
    pairing.approve(code=row.code, user=user, now=NOON)
    claimed = pairing.claim(poll_secret=secret, now=NOON)
    assert claimed is not None
    device, token = claimed
    assert (device.user, device.name) == (user, "Ann's PC")
    kept = find_fingerprint(token)
    assert kept is not None and find_device(kept) == device
    assert token not in str(Device.objects.values().get())
    with pytest.raises(Rejected):
        pairing.claim(poll_secret=secret, now=NOON)


def test_the_code_may_be_typed_as_it_is_shown() -> None:
    row, _secret = start()
    assert pairing.find_open(f" {row.code[:4].lower()}-{row.code[4:]} ", now=NOON) == row
    assert pairing.find_open(row.code + "B", now=NOON) is None


def test_a_code_lives_five_minutes() -> None:
    user = make_user()
    row, secret = start()
    late = NOON + timedelta(minutes=5)
    assert pairing.find_open(row.code, now=late) is None
    with pytest.raises(Rejected):
        pairing.approve(code=row.code, user=user, now=late)
    with pytest.raises(Rejected):
        pairing.claim(poll_secret=secret, now=late)


def test_a_desktop_that_was_approved_in_the_last_second_can_still_fetch_its_token() -> None:
    user = make_user()
    row, secret = start()
    pairing.approve(code=row.code, user=user, now=NOON + timedelta(seconds=299))
    assert pairing.claim(poll_secret=secret, now=NOON + timedelta(seconds=310))


def test_a_denied_desktop_gets_nothing() -> None:
    user = make_user()
    row, secret = start()
    pairing.deny(code=row.code, user=user, now=NOON)
    with pytest.raises(Rejected):
        pairing.claim(poll_secret=secret, now=NOON)
    with pytest.raises(Rejected):
        pairing.approve(code=row.code, user=user, now=NOON)
    assert Device.objects.count() == 0


def test_after_five_wrong_codes_even_the_right_one_is_refused_until_five_minutes_are_over() -> None:
    user = make_user()
    row, _secret = start()
    for _try in range(5):
        with pytest.raises(Rejected):
            pairing.approve(code=wrong(row.code), user=user, now=NOON)
    with pytest.raises(Denied):
        pairing.approve(code=row.code, user=user, now=NOON)
    with pytest.raises(Denied):
        pairing.find_open(row.code, user=user, now=NOON)
    pairing.approve(code=row.code, user=make_user("bob@example.com"), now=NOON)
    later = NOON + timedelta(minutes=5, seconds=1)
    row, _secret = pairing.start(request=REQUEST, address=None, now=later)
    pairing.approve(code=row.code, user=user, now=later)


def test_looking_for_codes_counts_as_trying_them() -> None:
    user = make_user()
    row, _secret = start()
    for _try in range(5):
        assert pairing.find_open(wrong(row.code), user=user, now=NOON) is None
    with pytest.raises(Denied):
        pairing.approve(code=row.code, user=user, now=NOON)


def test_three_desktops_of_a_user_may_wait_to_fetch_their_tokens() -> None:
    user = make_user()
    rows = [start() for _one in range(4)]
    for row, _secret in rows[:3]:
        pairing.approve(code=row.code, user=user, now=NOON)
    with pytest.raises(Rejected):
        pairing.approve(code=rows[3][0].code, user=user, now=NOON)
    pairing.claim(poll_secret=rows[0][1], now=NOON)
    pairing.approve(code=rows[3][0].code, user=user, now=NOON)


def test_one_address_opens_ten_pairings_in_five_minutes_and_others_are_not_concerned() -> None:
    for _one in range(10):
        start()
    with pytest.raises(TryLater) as refused:
        start()
    assert refused.value.next_step
    start("192.0.2.2")
    pairing.start(request=REQUEST, address="192.0.2.1", now=NOON + timedelta(minutes=6))


def test_a_token_that_was_mistyped_is_no_token() -> None:
    token = make_token()
    assert find_fingerprint(token)
    assert find_fingerprint(token[:-1] + ("0" if token[-1] != "0" else "1")) is None
    assert find_fingerprint("npbxd_") is None
    assert find_fingerprint("é" * len(token)) is None


def test_a_token_with_the_right_prefix_and_a_wrong_rest_lets_nobody_in() -> None:
    user = make_user()
    row, secret = start()
    pairing.approve(code=row.code, user=user, now=NOON)
    claimed = pairing.claim(poll_secret=secret, now=NOON)
    assert claimed is not None
    kept = find_fingerprint(claimed[1])
    other = find_fingerprint(make_token())
    assert kept and other
    assert find_device(type(kept)(prefix=kept.prefix, hash=other.hash)) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["approve", "claim"])
def test_of_many_at_once_exactly_one_gets_a_device(step: str) -> None:
    user = make_user()
    row, secret = start()
    if step == "claim":
        pairing.approve(code=row.code, user=user, now=NOON)
    done: list[object] = []
    gate = threading.Barrier(12)

    def run(number: int) -> None:
        gate.wait()
        try:
            if step == "approve":
                done.append(pairing.approve(code=row.code, user=user, now=NOON))
            else:
                done.append(pairing.claim(poll_secret=secret, now=NOON))
        except Fault:
            return
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    if step == "approve":
        pairing.claim(poll_secret=secret, now=NOON)
    assert Device.objects.count() == 1
