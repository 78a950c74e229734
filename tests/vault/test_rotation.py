"""A new key for every secret, cut short at any moment and resumed; and the doctor's visit."""

from __future__ import annotations

import io
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from nutshellpbx.vault import doctor, keys, pairs, rotation, safe
from nutshellpbx.vault.errors import Tampered
from nutshellpbx.vault.models import Sealed


@pytest.fixture(autouse=True)
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "PAUSE_S", 0)
    monkeypatch.setattr(rotation, "BATCH", 7)


@pytest.fixture
def rows(db: None, keys_dir: Path) -> list[Sealed]:
    return [
        safe.seal(
            purpose=purpose, secret=f"key-{number}", bound_to=f"owner-{number}", origins=["https://a.test"]
        )
        for number, purpose in enumerate(["crm"] * 20 + ["web"] * 3)
    ]


def all_open() -> bool:
    seen = doctor.visit(ring=keys.owner_ring())
    return not seen.findings and not seen.not_ours


def later() -> float:
    return time.time() + 2 * rotation.GRACE_S


def test_rotation_moves_every_secret_of_its_purpose_to_the_new_key(rows: list[Sealed]) -> None:
    told: list[int] = []
    done = rotation.rotate(purpose="crm", tell=told.append)
    assert (done.moved, done.left, done.is_resumed) == (20, [], False)
    assert told == [7, 14, 20]
    moved = Sealed.objects.filter(purpose="crm")
    assert {sealed.key_id for sealed in moved} == {done.key_id}
    assert {sealed.version for sealed in moved} == {2}
    assert {sealed.version for sealed in Sealed.objects.filter(purpose="web")} == {1}
    assert all_open()
    secrets = {
        safe.open_sealed(each, bound_to=each.bound_to, origins=["https://a.test"]).reveal() for each in moved
    }
    assert secrets == {f"key-{number}" for number in range(20)}


def test_what_was_sealed_before_the_rotation_cannot_be_pasted_back(rows: list[Sealed]) -> None:
    rotation.rotate(purpose="crm")
    sealed = Sealed.objects.get(pk=rows[0].pk)
    sealed.ciphertext = rows[0].ciphertext
    with pytest.raises(Tampered):
        safe.open_sealed(sealed, bound_to=sealed.bound_to, origins=sealed.origins)


def test_a_rotation_that_was_cut_short_is_finished_without_another_key(
    rows: list[Sealed], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(moved: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(purpose="crm", tell=cut)
    assert all_open()
    assert Sealed.objects.values("key_id").filter(purpose="crm").distinct().count() == 2
    done = rotation.rotate(purpose="crm")
    assert (done.moved, done.is_resumed) == (13, True)
    assert len(list((keys.public_folder()).glob("crm-*"))) == 2
    assert all_open()


def test_a_key_whose_public_half_a_crash_left_out_is_found_again(rows: list[Sealed]) -> None:
    made = pairs.add_pair("crm")
    made.path.unlink()
    rotation.rotate(purpose="crm")
    assert made.path.exists()
    assert all_open()


def test_a_secret_that_does_not_open_is_named_and_left_and_holds_up_no_other(rows: list[Sealed]) -> None:
    Sealed.objects.filter(pk=rows[3].pk).update(bound_to="thief")
    done = rotation.rotate(purpose="crm")
    assert done.moved == 19
    assert [sealed.pk for sealed in done.left] == [rows[3].pk]
    with pytest.raises(CommandError, match=str(rows[3].pk)):
        call_command("vault_keys", "rotate", "--purpose", "crm", stdout=io.StringIO())


def test_a_secret_replaced_while_it_was_moved_keeps_its_new_value(
    rows: list[Sealed], monkeypatch: pytest.MonkeyPatch
) -> None:
    move = safe.seal_again

    def replaced_meanwhile(sealed: Sealed, *, ring: keys.Ring) -> Sealed:
        if sealed.pk == rows[5].pk and sealed.version == 1:
            fresh = Sealed.objects.get(pk=sealed.pk)
            safe.reseal(fresh, secret="entered just now", origins=["https://a.test"])
        return move(sealed, ring=ring)

    monkeypatch.setattr(safe, "seal_again", replaced_meanwhile)
    done = rotation.rotate(purpose="crm")
    assert (done.moved, done.left) == (19, [])
    sealed = Sealed.objects.get(pk=rows[5].pk)
    opened = safe.open_sealed(sealed, bound_to="owner-5", origins=["https://a.test"])
    assert opened.reveal() == "entered just now"


def test_retiring_deletes_the_old_key_once_nothing_needs_it(rows: list[Sealed]) -> None:
    old = rows[0].key_id
    done = rotation.rotate(purpose="crm")
    with pytest.raises(rotation.CannotRetire, match="younger"):
        rotation.retire(purpose="crm", now=time.time())
    assert rotation.retire(purpose="crm", now=later()) == [old]
    assert rotation.retire(purpose="crm", now=later()) == []
    assert [path.name for path in (keys.public_folder()).glob("crm-*")] == [f"crm-{done.key_id}.pub"]
    assert [path.name for path in keys.private_folder("worker").iterdir()] == [f"crm-{done.key_id}.key"]
    for role in keys.ROLE_PURPOSES:
        keys.demand(role)
    assert all_open()


def test_a_key_that_is_needed_is_not_retired(rows: list[Sealed]) -> None:
    pairs.add_pair("crm")
    with pytest.raises(rotation.CannotRetire, match="20 secrets"):
        rotation.retire(purpose="crm", now=later())
    assert all_open()


def test_a_secret_sealed_with_the_old_key_at_the_last_moment_stops_the_retirement(
    rows: list[Sealed], monkeypatch: pytest.MonkeyPatch
) -> None:
    old_id, old_key = keys.newest_public("crm")
    rotation.rotate(purpose="crm")
    take_away = pairs.remove_public

    def last_moment(purpose: str, key_id: str) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(keys, "newest_public", lambda purpose: (old_id, old_key))
            safe.seal(purpose="crm", secret="late", bound_to="late", origins=[])
        take_away(purpose, key_id)

    monkeypatch.setattr(pairs, "remove_public", last_moment)
    with pytest.raises(rotation.CannotRetire):
        rotation.retire(purpose="crm", now=later())
    monkeypatch.setattr(pairs, "remove_public", take_away)
    assert all_open()
    # What it says to do puts it right.
    rotation.rotate(purpose="crm")
    rotation.retire(purpose="crm", now=later())
    assert all_open()


# ------------------------------------------------------------------------------------------------ doctor
def test_the_doctor_names_each_secret_that_does_not_open(rows: list[Sealed]) -> None:
    Sealed.objects.filter(pk=rows[2].pk).update(version=9)
    Sealed.objects.filter(pk=rows[4].pk).update(key_id="0009-00000000")
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("vault_doctor", "--json", stdout=out)
    assert caught.value.code == 1
    seen = json.loads(out.getvalue())
    found = {finding["row"]: finding for finding in seen["findings"]}
    assert found.keys() == {str(rows[2].pk), str(rows[4].pk)}
    assert found[str(rows[2].pk)]["bound_to"] == "owner-2"
    assert all(finding["remedy"] and finding["purpose"] == "crm" for finding in found.values())
    # This process plays the worker: what is the web process's own is not looked at, and said so.
    assert (seen["opened"], seen["not_ours"]) == (18, {"web": 3})


def test_the_doctor_called_by_the_owner_opens_all(rows: list[Sealed], settings: Any) -> None:
    settings.NUTSHELLPBX_ROLE = "manage"
    out = io.StringIO()
    call_command("vault_doctor", stdout=out)
    assert out.getvalue() == "23 open, 0 do not.\n"


def test_the_doctor_says_in_words_which_row_and_whose(rows: list[Sealed]) -> None:
    Sealed.objects.filter(pk=rows[2].pk).update(version=9)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("vault_doctor", stdout=out)
    line = out.getvalue().splitlines()[0]
    assert line.startswith(f"crm {rows[2].pk} of owner-2: ")
    assert "Enter the secret again" in line
    assert "key-2" not in out.getvalue()


# ------------------------------------------------------------------------------------------ real processes
def test_a_rotation_killed_at_any_moment_is_resumed_and_every_secret_always_opens(
    home: Any, seal_many: Any
) -> None:
    count = 1500
    setting_up = (
        "from django.core.management import call_command\n"
        "call_command('migrate', 'vault', verbosity=0)\n"
        "call_command('vault_keys', 'make')\n"
    )
    code, _out, complaint = home.script(setting_up + seal_many(count))
    assert code == 0, complaint
    chance = random.Random(7)
    for lines in (1, 4):
        process = home.start("manage.py", "vault_keys", "rotate", "--purpose", "crm", PYTHONUNBUFFERED="1")
        with process:
            for _each in range(lines):
                process.stdout.readline()
            # Somewhere inside the batch that follows.
            deadline = time.monotonic() + chance.random() * 0.1
            while time.monotonic() < deadline:
                pass
            assert process.poll() is None
            process.kill()
        seen = json.loads(home.manage("vault_doctor", "--json"))
        assert (seen["opened"], seen["findings"]) == (count, [])
    assert "resumed crm 0002-" in home.manage("vault_keys", "rotate", "--purpose", "crm")
    assert len(list((home.keys / "public").glob("crm-*"))) == 2
    code, out, complaint = home.script(
        "from nutshellpbx.vault import safe\n"
        "from nutshellpbx.vault.models import Sealed\n"
        "rows = Sealed.objects.all()\n"
        "texts = {(row.bound_to, safe.open_sealed(row, bound_to=row.bound_to,"
        " origins=['https://crm.test']).reveal()) for row in rows}\n"
        f"assert texts == {{(f'owner-{{number}}', f'key-{{number:06d}}') for number in range({count})}}\n"
        "print({row.key_id for row in rows})\n",
        role="worker",
    )
    assert code == 0, complaint
    assert out.startswith("{'0002-") and "," not in out
