"""Forms from declared fields: each kind checks what is typed, and no secret is echoed."""

from __future__ import annotations

import pytest

from nutshellpbx.dashboard.declared import Declared
from nutshellpbx.fields import Field, FieldKind

FIELDS = (
    Field("host", "Host", FieldKind.HOST),
    Field("port", "Port", FieldKind.PORT, default="5038"),
    Field("address", "Address", FieldKind.ADDRESS, required=False),
    Field("secret", "Secret", FieldKind.SECRET),
    Field("how", "How", FieldKind.CHOICE, default="a", choices=(("a", "A"), ("b", "B"))),
    Field("tls", "TLS", FieldKind.FLAG, required=False),
    Field("user", "User", max_length=10),
)
GOOD = {
    "v-host": "pbx.tannhaven.example",
    "v-port": "5038",
    "v-secret": "walnut harbour",
    "v-how": "b",
    "v-tls": "on",
    "v-user": "npbx",
}


def test_values_are_text_and_secrets_stand_apart():
    form = Declared(GOOD, declared=FIELDS)
    assert form.is_valid(), form.errors
    assert form.settings == {
        "host": "pbx.tannhaven.example",
        "port": "5038",
        "address": "",
        "how": "b",
        "tls": "1",
        "user": "npbx",
    }
    assert form.secrets["secret"].reveal() == "walnut harbour"
    assert "walnut" not in repr(form.secrets)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("host", "http://pbx"),
        ("host", "pbx/../x"),
        ("host", "a b"),
        ("host", "pbx:5038"),
        ("host", "-pbx"),
        ("host", "x" * 300),
        ("port", "0"),
        ("port", "65536"),
        ("port", "5e3"),
        ("address", "javascript:alert(1)"),
        ("address", "ftp://files.example"),
        ("how", "c"),
        ("secret", ""),
        ("user", "x" * 11),
    ],
)
def test_nonsense_is_refused_at_its_field(name, text):
    form = Declared(GOOD | {f"v-{name}": text}, declared=FIELDS)
    assert not form.is_valid()
    assert list(form.errors) == [name]


@pytest.mark.parametrize("host", ["pbx", "192.168.1.5", "fd00::5", "pbx-1.lan", "pbx.tannhaven.example."])
def test_names_and_addresses_of_computers_are_taken(host):
    assert Declared(GOOD | {"v-host": host}, declared=FIELDS).is_valid()


def test_secret_that_is_kept_may_stay_empty_and_is_never_filled_in():
    form = Declared(GOOD | {"v-secret": ""}, declared=FIELDS, kept=["secret"])
    assert form.is_valid()
    assert form.secrets == {}
    shown = Declared(GOOD, declared=FIELDS, kept=["secret"])
    assert "walnut harbour" not in str(shown["secret"])


def test_stored_settings_are_shown_again():
    form = Declared(declared=FIELDS, settings={"host": "pbx.lan", "tls": "1", "secret": "x"})
    assert 'value="pbx.lan"' in str(form["host"])
    assert "checked" in str(form["tls"])
    assert "value" not in str(form["secret"])
