from __future__ import annotations

import hashlib
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from nutshellpbx.faults import Denied
from nutshellpbx.pbx.asterisk.connector import AsteriskConnector, read_lines
from nutshellpbx.pbx.connector import PbxConfig, get_connector_class
from nutshellpbx.redact import Secret
from tests.pbx_port.asterisk.scripted import ScriptedManager


def make_config(port: int | str = 5038, *, secret: str = "right", **settings: str) -> PbxConfig:
    values = {"host": "127.0.0.1", "port": str(port), "username": "nutshellpbx", **settings}
    return PbxConfig("pbx", "Office", "asterisk", values, {"secret": Secret(secret)})


def test_it_is_the_connector_of_its_kind() -> None:
    assert get_connector_class("asterisk") is AsteriskConnector


def test_secret_is_the_only_secret_field() -> None:
    assert [field.name for field in AsteriskConnector.fields if field.is_secret] == ["secret"]


def test_probe_passes_check_by_check() -> None:
    with ScriptedManager() as pbx:
        probe = AsteriskConnector(make_config(pbx.port)).probe()
    assert probe.ok
    assert [check.name for check in probe.checks][:3] == [
        "Reach the manager interface",
        "Sign in",
        "Read its state",
    ]
    assert probe.facts["greeting"] == "Asterisk Call Manager/11.0.0"


def test_probe_says_which_check_failed_and_what_to_do() -> None:
    with ScriptedManager() as pbx:
        probe = AsteriskConnector(make_config(pbx.port, secret="wrong")).probe()
    assert [(check.name, check.ok) for check in probe.checks] == [
        ("Reach the manager interface", True),
        ("Sign in", False),
    ]
    assert "Authentication failed" in probe.checks[-1].text
    assert probe.checks[-1].next_step
    assert "wrong" not in repr(probe)


def test_probe_of_a_pbx_that_is_away_does_not_raise() -> None:
    with ScriptedManager() as gone:
        port = gone.port
    (check,) = AsteriskConnector(make_config(port)).probe().checks
    assert (check.name, check.ok) == ("Reach the manager interface", False)


def test_probe_without_the_right_to_see_calls_fails_and_says_so() -> None:
    with ScriptedManager(refused=["CoreShowChannels", "Status"]) as pbx:
        probe = AsteriskConnector(make_config(pbx.port)).probe()
    assert [check.name for check in probe.checks if not check.ok] == ["Read its state"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody but its maker has signed, with its key, in one file."""
    file = tmp_path_factory.mktemp("tls") / "pbx.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-days", "1", "-subj", "/CN=pbx"]
    subprocess.run([*make, "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def make_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def fingerprint_of(certificate: Path) -> str:
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().partition("-----END PRIVATE KEY-----\n")[2])
    return hashlib.sha256(der).digest().hex(":").upper()


def test_tls_with_the_known_fingerprint_is_trusted(certificate: Path) -> None:
    with ScriptedManager(tls=make_tls(certificate)) as pbx:
        config = make_config(pbx.port, tls="on", fingerprint=fingerprint_of(certificate))
        assert AsteriskConnector(config).probe().ok


@pytest.mark.parametrize("fingerprint", ["", "00" * 32])
def test_tls_with_an_unknown_certificate_sends_no_secret(certificate: Path, fingerprint: str) -> None:
    with ScriptedManager(tls=make_tls(certificate)) as pbx:
        config = make_config(pbx.port, tls="on", fingerprint=fingerprint)
        (check,) = AsteriskConnector(config).probe().checks
        assert not check.ok
        assert "certificate" in check.text
        assert pbx.actions == []


@pytest.mark.parametrize("port", ["0", "70000", "five", "-1"])
def test_bad_port_is_a_check_that_fails(port: str) -> None:
    config = make_config()
    probe = AsteriskConnector(replace(config, settings={**config.settings, "port": port})).probe()
    assert not probe.ok


def test_listing_phones_without_the_right_is_denied_with_a_way_out() -> None:
    refused = ["PJSIPShowEndpoints", "SIPpeers"]
    with ScriptedManager(refused=refused) as pbx, pytest.raises(Denied) as denied:
        AsteriskConnector(make_config(pbx.port)).extensions()
    assert "by hand" in denied.value.next_step


def test_lines_are_read_from_the_settings() -> None:
    lines = read_lines(
        make_config(longest="4", trunks="77, 8800", devices="web-ada=101, 99102 = 102, x=, =y")
    )
    assert lines.longest == 4
    assert lines.trunks == {"77", "8800"}
    assert dict(lines.devices) == {"web-ada": "101", "99102": "102"}
    assert [lines.find_extension(device) for device in ("101", "77", "99102", "12345")] == [
        "101",
        None,
        "102",
        None,
    ]


@pytest.mark.parametrize("longest", ["", "x", "0", "99"])
def test_unreadable_extension_length_falls_back(longest: str) -> None:
    assert read_lines(make_config(longest=longest)).longest == 6
