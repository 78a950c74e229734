"""A key that is wrong, a licence without the API, a certificate that is not trusted: each has its answer."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from nutshellpbx.faults import Denied, TryLater
from nutshellpbx.lab.threecx.server import CLIENT, ThreeCx
from nutshellpbx.pbx.connector import PbxConfig, SeenExtension
from nutshellpbx.pbx.threecx.connection import Connection
from nutshellpbx.pbx.threecx.connector import ThreeCxConnector
from nutshellpbx.pbx.threecx.people import Match, propose
from nutshellpbx.pbx.threecx.tokens import Token
from nutshellpbx.redact import Secret
from tests.threecx.hearing import GRACE, hearing, listening_to, make_connector, play


def failed(connector: ThreeCxConnector) -> list[tuple[str, str]]:
    return [(check.text, check.next_step) for check in connector.probe().checks if not check.ok]


def test_a_wrong_key_is_told_to_a_person_and_not_tried_again(pbx: ThreeCx) -> None:
    with listening_to(make_connector(pbx.url, key="not-the-key")) as heard:
        heard.wait(lambda: heard.raised)
        assert heard.reports[-1][0] == "denied"
        assert "client ID or API key" in heard.reports[-1][1]
        assert "not-the-key" not in str(heard.reports)
    with hearing(pbx):
        # not even beside a listener that is signed in with the right one
        [(text, next_step)] = failed(make_connector(pbx.url, key="not-the-key"))
        assert "API key" in text and next_step
    assert pbx.tokens_given == 1


@pytest.mark.parametrize("status", [402, 403, 404])
def test_a_licence_without_the_api_says_what_it_needs(pbx: ThreeCx, status: int) -> None:
    pbx.behaviour.has_call_control, pbx.behaviour.refuses_with = False, status
    connector = make_connector(pbx.url)
    assert failed(connector)
    facts = connector.probe().facts
    assert facts["Call Control API"].startswith("not here:")
    assert facts["Users (XAPI)"].startswith("possible:")
    with listening_to(connector) as heard:
        heard.wait(lambda: heard.raised)
        assert heard.reports[-1][0] == "denied"


def test_a_client_without_a_role_hears_calls_all_the_same(pbx: ThreeCx) -> None:
    pbx.behaviour.has_xapi = False
    connector = make_connector(pbx.url)
    probe = connector.probe()
    assert probe.ok
    assert probe.facts["Users (XAPI)"].startswith("not here:")
    assert probe.facts["Call Control API"].startswith("possible:")
    assert connector.extensions() == [SeenExtension(f"10{number}") for number in range(1, 7)]
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait(lambda: heard.events)
        play(pbx, "end A")
        heard.wait_for_end()


def test_a_client_that_lists_no_extensions_is_told_to(pbx: ThreeCx) -> None:
    pbx.switch.listed = {"npbx"}
    [(text, next_step)] = failed(make_connector(pbx.url))
    assert text.startswith("0 extensions") and "List the extensions" in next_step


def test_people_are_proposed_by_their_email(pbx: ThreeCx) -> None:
    seen = make_connector(pbx.url).extensions()
    users = {"ADA@practice.example": "u1", "somebody@practice.example": "u2"}
    found = {each.extension.number: each for each in propose(seen, users=users, known={"103"})}
    assert (found["101"].match, found["101"].user) == (Match.OWNER, "u1")
    assert found["102"].match is Match.NEW_USER
    assert found["103"].match is Match.KNOWN
    assert found["101"].extension.name == "Ada Vance"


def test_an_email_of_two_extensions_is_shown_as_such() -> None:
    seen = [SeenExtension("101", "Ada", "a@x.example"), SeenExtension("201", "Ada", "A@x.example")]
    seen.append(SeenExtension("301"))
    matches = [each.match for each in propose(seen, users={"a@x.example": "u1"}, known=())]
    assert matches == [Match.SHARED, Match.SHARED, Match.NO_EMAIL]


def test_an_untrusted_certificate_is_a_fault_of_its_own(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with ThreeCx(tls=tls) as pbx:
        address = pbx.url.replace("127.0.0.1", "localhost")
        [(text, next_step)] = failed(make_connector(address))
        assert text.startswith("The certificate of this 3CX is not trusted") and "FQDN" in next_step
        with listening_to(make_connector(address)) as heard:
            heard.wait(lambda: heard.raised)
            assert "certificate" in heard.reports[-1][1]
        trusting = make_connector(address, authority=str(certificate[0]))
        assert trusting.probe().ok
        with listening_to(trusting) as heard:
            heard.wait(lambda: heard.reports)
            play(pbx, f"in A {GRACE} Grace", "ring A 101")
            heard.wait_for("1 101-1 ringing inbound …0142")


@pytest.mark.parametrize(
    "settings",
    [
        {"address": "", "client_id": CLIENT},
        {"address": "not an address", "client_id": CLIENT},
        {"address": "https://127.0.0.1", "client_id": ""},
        {"address": "https://127.0.0.1:1", "client_id": CLIENT},
        {"address": "http://203.0.113.5", "client_id": CLIENT},
    ],
)
def test_whatever_is_entered_the_probe_says_what_to_do(settings: dict[str, str]) -> None:
    config = PbxConfig("pbx", "Office", "threecx", settings, {"secret": Secret("x")})
    probe = ThreeCxConnector(config).probe()
    assert not probe.ok
    assert all(check.next_step for check in probe.checks if not check.ok)


def test_a_key_that_is_not_entered_is_asked_for() -> None:
    config = PbxConfig("pbx", "Office", "threecx", {"address": "https://x.example", "client_id": "c"}, {})
    with pytest.raises(Denied):
        Connection(config)


def test_a_token_that_somebody_else_keeps_cutting_is_said_to_be_so() -> None:
    token, given = Token(), iter(range(10))

    def cut() -> None:
        token.void(token.get(lambda: (Secret(f"token {next(given)}"), 3600.0)))

    cut()
    cut()
    with pytest.raises(TryLater) as caught:
        cut()
    assert "only this server uses" in caught.value.next_step
