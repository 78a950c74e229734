"""Sealing and opening rows: who may, and everything that must not work."""

from __future__ import annotations

import copy
import itertools
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers

from nutshellpbx.faults import Denied, TryLater
from nutshellpbx.redact import Secret
from nutshellpbx.vault import keys, pairs, safe
from nutshellpbx.vault.errors import NoKey, NotHere, OriginChanged, Tampered, WrongKey
from nutshellpbx.vault.models import Sealed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keys_dir")]

KEY = "4f9c2d7be01a6358c9d4f7a2b1e0c3d596874a5b"
ORIGIN = "https://app.nutshell.com"


def seal_one(**wishes: Any) -> Sealed:
    defaults: dict[str, Any] = {
        "purpose": "crm",
        "secret": Secret(KEY),
        "bound_to": "user:1",
        "origins": [ORIGIN],
    }
    return safe.seal(**(defaults | wishes))


def open_it(sealed: Sealed, *, bound_to: str = "user:1", origins: Any = (ORIGIN,)) -> str:
    return safe.open_sealed(sealed, bound_to=bound_to, origins=origins).reveal()


def test_what_was_sealed_opens_for_its_owner_and_origin() -> None:
    sealed = seal_one()
    assert open_it(sealed) == KEY
    assert open_it(Sealed.objects.get(pk=sealed.pk)) == KEY


def test_the_row_holds_the_secret_in_no_form() -> None:
    row = Sealed.objects.get(pk=seal_one().pk)
    stored = json.dumps(serializers.serialize("python", [row]), default=str).encode() + bytes(row.ciphertext)
    assert KEY.encode() not in stored
    assert KEY not in repr(vars(row))


@pytest.mark.parametrize(
    ("secret", "hint"), [(KEY, "4a5b"), ("123456789012", "9012"), ("12345678901", ""), ("", "")]
)
def test_only_a_long_secret_shows_its_end(secret: str, hint: str) -> None:
    assert seal_one(secret=secret).hint == hint


def test_a_secret_of_other_letters_comes_back_as_it_was() -> None:
    assert open_it(seal_one(secret="pässwört – ключ 🔑")) == "pässwört – ключ 🔑"


def test_a_wrong_purpose_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="purpose"):
        seal_one(purpose="purpose")


# ------------------------------------------------------------------------------------------ moved, changed
def test_no_secret_opens_in_the_place_of_another() -> None:
    rows = [
        seal_one(
            secret=f"key-{number}", bound_to=f"user:{number % 10}", origins=[f"https://crm{number % 3}.test"]
        )
        for number in range(100)
    ]
    for row, other in itertools.permutations(rows, 2):
        moved = copy.copy(row)
        moved.ciphertext = other.ciphertext
        with pytest.raises(Tampered):
            safe.open_sealed(moved, bound_to=row.bound_to, origins=row.origins)


def test_a_whole_row_given_to_another_owner_is_refused() -> None:
    sealed = seal_one()
    Sealed.objects.filter(pk=sealed.pk).update(bound_to="user:2")
    stolen = Sealed.objects.get(pk=sealed.pk)
    for bound_to in ("user:1", "user:2"):
        with pytest.raises(Tampered):
            open_it(stolen, bound_to=bound_to)


def test_a_row_asked_for_by_another_owner_is_refused() -> None:
    with pytest.raises(Tampered):
        open_it(seal_one(), bound_to="user:2")


def test_a_copy_under_another_row_id_is_refused() -> None:
    sealed = seal_one()
    sealed.pk = uuid.uuid4()
    sealed.save(force_insert=True)
    with pytest.raises(Tampered):
        open_it(Sealed.objects.get(pk=sealed.pk))


def test_a_changed_address_means_enter_again() -> None:
    sealed = seal_one()
    for origins in ([], ["https://evil.test"], [ORIGIN, "https://evil.test"], ["http://app.nutshell.com"]):
        with pytest.raises(OriginChanged) as caught:
            open_it(sealed, origins=origins)
        assert not safe.has_origins(sealed, origins)
        assert caught.value.next_step == "Enter the key again."
    assert safe.has_origins(sealed, [ORIGIN])


def test_an_address_changed_in_the_sealed_row_too_is_refused() -> None:
    sealed = seal_one()
    Sealed.objects.filter(pk=sealed.pk).update(origins=["https://evil.test"])
    with pytest.raises(Tampered):
        open_it(Sealed.objects.get(pk=sealed.pk), origins=["https://evil.test"])


@pytest.mark.parametrize("origins", [None, 5, "https://app.nutshell.com", {"a": 1}, [5, "a"], [None], [[]]])
def test_a_spoilt_list_of_origins_is_refused_and_crashes_nothing(origins: Any) -> None:
    sealed = seal_one()
    sealed.origins = origins
    with pytest.raises(Denied):
        open_it(sealed)


def test_the_order_of_origins_does_not_matter() -> None:
    sealed = seal_one(origins=["https://b.test", "https://a.test", "https://b.test"])
    assert open_it(sealed, origins=("https://a.test", "https://b.test")) == KEY


def test_an_old_version_pasted_back_is_refused() -> None:
    sealed = seal_one()
    old = bytes(sealed.ciphertext)
    fresh = safe.reseal(sealed, secret="another-key", origins=[ORIGIN])
    assert open_it(fresh) == "another-key"
    fresh.ciphertext = old
    with pytest.raises(Tampered):
        open_it(fresh)


def test_a_row_turned_into_another_purpose_does_not_open(settings: Any) -> None:
    sealed = seal_one()
    Sealed.objects.filter(pk=sealed.pk).update(purpose="web")
    settings.NUTSHELLPBX_ROLE = "web"
    with pytest.raises(WrongKey):
        open_it(Sealed.objects.get(pk=sealed.pk))


@pytest.mark.parametrize("field", ["purpose", "bound_to", "origins", "key_id", "version", "ciphertext"])
def test_a_row_of_which_any_field_was_changed_does_not_open(field: str) -> None:
    sealed, other = seal_one(), seal_one(bound_to="user:2", origins=["https://b.test"])
    other = safe.reseal(other, secret="x", origins=["https://b.test"])
    other.purpose, other.key_id = "pbx", "0009-00000000"
    setattr(sealed, field, getattr(other, field))
    with pytest.raises(Denied):
        safe.open_sealed(sealed, bound_to=sealed.bound_to, origins=sealed.origins)


# ---------------------------------------------------------------------------------------------- who may
@pytest.mark.parametrize("role", ["web", "push", "listen", "manage", "unknown"])
def test_only_the_worker_opens_a_crm_key(settings: Any, role: str) -> None:
    sealed = seal_one()
    settings.NUTSHELLPBX_ROLE = role
    with pytest.raises(NotHere):
        open_it(sealed)


@pytest.mark.parametrize(("purpose", "role"), [("crm", "worker"), ("pbx", "listen"), ("web", "web")])
def test_each_purpose_has_one_role_that_opens_it_and_every_role_seals(
    settings: Any, purpose: str, role: str
) -> None:
    for sealing in keys.ROLE_PURPOSES:
        settings.NUTSHELLPBX_ROLE = sealing
        sealed = seal_one(purpose=purpose)
        for opening in keys.ROLE_PURPOSES:
            settings.NUTSHELLPBX_ROLE = opening
            if opening == role:
                assert open_it(sealed) == KEY
            else:
                with pytest.raises(NotHere):
                    open_it(sealed)


def test_the_web_process_cannot_read_a_stored_crm_key_by_any_door(home: Any, seal_many: Any) -> None:
    home.manage("vault_keys", "make")
    home.manage("migrate", "vault", "-v0")
    # Sealed by the web process itself, then asked for in every way that the vault has.
    code, out, complaint = home.script(
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda name, args: opened.append(str(args[0])) if name == 'open' else None)\n"
        + seal_many(1)
        + "from nutshellpbx.vault import doctor, keys, safe\n"
        "from nutshellpbx.vault.models import Sealed\n"
        "from nutshellpbx.vault.errors import NotHere\n"
        "keys.demand('web')\n"
        "sealed = Sealed.objects.get()\n"
        "doors = [\n"
        "    lambda: safe.open_sealed(sealed, bound_to='owner-0', origins=['https://crm.test']),\n"
        "    lambda: keys.process_ring().get_key('crm', sealed.key_id),\n"
        "    lambda: safe.seal_again(sealed, ring=keys.process_ring()),\n"
        "]\n"
        "for door in doors:\n"
        "    try:\n"
        "        door()\n"
        "    except NotHere:\n"
        "        print('refused')\n"
        "print(doctor.visit(ring=keys.process_ring()).not_ours)\n"
        "assert not [path for path in opened if path.endswith('.key') and '/web/' not in path], opened\n",
        role="web",
    )
    assert code == 0, complaint
    assert out.split("\n")[:4] == ["refused"] * 3 + ["{'crm': 1}"]


# ---------------------------------------------------------------------------------------- keys that are not
def test_without_a_public_key_nothing_is_sealed(keys_dir: Path) -> None:
    for file in (keys_dir / "public").iterdir():
        file.unlink()
    with pytest.raises(NoKey):
        seal_one()
    assert Sealed.objects.count() == 0


def test_with_a_lost_private_key_the_secret_stays_closed(settings: Any, keys_dir: Path) -> None:
    sealed = seal_one()
    for file in (keys_dir / "worker").iterdir():
        file.unlink()
    settings.NUTSHELLPBX_KEYS_DIR = keys_dir.rename(keys_dir.with_name("moved"))
    with pytest.raises(WrongKey) as caught:
        open_it(sealed)
    assert sealed.key_id in caught.value.title


def test_another_private_key_under_the_same_name_opens_nothing(settings: Any, keys_dir: Path) -> None:
    sealed = seal_one()
    (key,) = (keys_dir / "worker").iterdir()
    pairs.add_pair("crm")
    (other,) = [file for file in (keys_dir / "worker").iterdir() if file != key]
    other.replace(key)
    with pytest.raises(WrongKey):
        open_it(sealed)


def test_a_key_added_while_running_counts_at_once() -> None:
    before = seal_one()
    assert open_it(before) == KEY
    made = pairs.add_pair("crm")
    after = seal_one()
    assert after.key_id == made.key_id != before.key_id
    assert open_it(after) == open_it(before) == KEY


# --------------------------------------------------------------------------------------- replace, text hook
def test_replacing_keeps_row_owner_and_purpose_and_counts_up() -> None:
    sealed = seal_one()
    fresh = safe.reseal(sealed, secret=Secret("a-much-newer-key"), origins=["https://b.test"])
    stored = Sealed.objects.get()
    assert (stored.pk, stored.bound_to, stored.purpose) == (sealed.pk, "user:1", "crm")
    assert (stored.version, stored.hint, stored.created_at) == (2, "-key", sealed.created_at)
    assert open_it(stored, origins=["https://b.test"]) == open_it(fresh, origins=["https://b.test"])


def test_of_two_replacements_at_once_the_second_is_told() -> None:
    sealed = seal_one()
    stale = Sealed.objects.get()
    safe.reseal(sealed, secret="first", origins=[ORIGIN])
    with pytest.raises(TryLater):
        safe.reseal(stale, secret="second", origins=[ORIGIN])
    assert open_it(Sealed.objects.get()) == "first"


def test_a_text_is_sealed_for_a_place_that_holds_only_texts(settings: Any) -> None:
    settings.NUTSHELLPBX_ROLE = "web"
    stored = safe.encrypt_text(purpose="web", bound_to="totp", text="JBSWY3DPEHPK3PXP")
    assert "JBSWY3DPEHPK3PXP" not in stored
    assert safe.decrypt_text(purpose="web", bound_to="totp", text=stored) == "JBSWY3DPEHPK3PXP"
    assert Sealed.objects.get().purpose == "web"
    with pytest.raises(Tampered):
        safe.decrypt_text(purpose="web", bound_to="recovery", text=stored)
    for wrong in ("", "JBSWY3DPEHPK3PXP", stored[:-1], f"npbx-sealed:{uuid.uuid4()}"):
        with pytest.raises(Tampered):
            safe.decrypt_text(purpose="web", bound_to="totp", text=wrong)
    crm = seal_one()
    with pytest.raises(Tampered):
        safe.decrypt_text(purpose="web", bound_to="user:1", text=f"npbx-sealed:{crm.pk}")
