from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx.lab.phone_calls import STORIES, inbound_answered, out_of_order
from nutshellpbx.lab.phone_command import tell_story
from nutshellpbx.lab.phone_system import CAUSES, KINDS, NotTaken, PhoneSystem, make_event

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SETTINGS = {"number": "+1 312 555 0142", "name": "Mara", "extension": "101", "second": "102"}


class Webhook:
    """Takes messages and keeps them; ``refusals`` is how many it answers 503 first."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, str], bytes]] = []
        self.refusals = 0
        self.systems: list[PhoneSystem] = []
        outer = self

        class Taking(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = 202
                if outer.refusals:
                    outer.refusals -= 1
                    status = 503
                outer.messages.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/7/events"

    @property
    def events(self) -> list[dict[str, Any]]:
        found = []
        for _, body in self.messages:
            content = json.loads(body)
            found += content.get("events", [content])
        return found


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    thread = threading.Thread(target=webhook.server.serve_forever, args=(0.01,))
    thread.start()
    yield webhook
    for made in webhook.systems:
        made.close()
    webhook.server.shutdown()
    webhook.server.server_close()
    thread.join()


def system(webhook: Webhook, **how: Any) -> PhoneSystem:
    settings: dict[str, Any] = {"url": webhook.url, "secret": SECRET, "speed": 1000.0} | how
    made = PhoneSystem(**settings)
    webhook.systems.append(made)
    return made


@pytest.mark.parametrize("story", STORIES)
def test_each_story_tells_well_formed_events_and_says_what_really_happened(
    webhook: Webhook, story: str
) -> None:
    [call] = tell_story(story, system=system(webhook), settings=SETTINGS)
    assert call.story == story
    assert call.untold == 0
    events = webhook.events
    assert {event["call"] for event in events} == {call.id}
    for event in events:
        assert {"id", "call", "kind", "at", "direction", "number"} <= set(event)
        assert set(event) <= {
            *("id", "call", "leg", "kind", "at", "extension", "direction", "number"),
            *("name", "dialled", "via", "cause", "joins"),
        }
        assert event["kind"] in KINDS
        assert event.get("cause") in (None, *CAUSES)
        assert event.get("leg") == (f"{call.id}/{event['extension']}" if "extension" in event else None)
    answered = {event["extension"] for event in events if event["kind"] == "answered"}
    assert call.is_answered == bool(answered)
    assert call.answered_by is None or call.answered_by in answered
    assert call.started_at <= (call.answered_at or call.started_at) <= (call.ended_at or "")
    assert [event["kind"] for event in events if "leg" not in event].count("ended") >= 1


def test_an_answered_call_is_told_in_its_order(webhook: Webhook) -> None:
    [call] = inbound_answered(
        system=system(webhook), number="+1 312 555 0142", extension="101", dialled="+13125550100"
    )
    told = [(event["kind"], event.get("leg")) for event in webhook.events]
    leg = f"{call.id}/101"
    assert told == [("ringing", leg), ("answered", leg), ("ended", leg), ("ended", None)]
    assert webhook.events[0]["dialled"] == "+13125550100"
    assert (call.answered_by, call.rang, call.direction) == ("101", ["101"], "inbound")


def test_out_of_order_keeps_the_true_times(webhook: Webhook) -> None:
    out_of_order(system=system(webhook), number="+1 312 555 0142", extension="101", order=(1, 0, 3, 2))
    kinds = [event["kind"] for event in webhook.events]
    assert kinds == ["answered", "ringing", "ended", "ended"]
    assert webhook.events[1]["at"] < webhook.events[0]["at"]


def test_events_twice_repeats_messages_under_their_id_and_events_under_theirs(webhook: Webhook) -> None:
    tell_story("events-twice", system=system(webhook), settings=SETTINGS)
    messages = [headers["webhook-id"] for headers, _ in webhook.messages]
    events = [event["id"] for event in webhook.events]
    assert len(events) == 12
    assert len(set(events)) == 4
    assert len(set(messages)) == 8


def test_every_message_is_signed_over_id_time_and_body(webhook: Webhook) -> None:
    tell_story("busy", system=system(webhook), settings=SETTINGS)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    for headers, body in webhook.messages:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{digest}"
        assert "authorization" not in headers


def test_a_bearer_token_goes_instead_of_a_signature(webhook: Webhook) -> None:
    tell_story("busy", system=system(webhook, secret=None, token="hush"), settings=SETTINGS)
    headers, _ = webhook.messages[0]
    assert headers["authorization"] == "Bearer hush"
    assert "webhook-signature" not in headers


def test_a_message_that_is_not_taken_is_counted_and_the_call_goes_on(webhook: Webhook) -> None:
    webhook.refusals = 1
    [call] = tell_story("inbound-answered", system=system(webhook), settings=SETTINGS)
    assert call.untold == 1
    assert len(webhook.messages) == 4


def test_a_patient_system_posts_again_under_the_same_id(webhook: Webhook) -> None:
    webhook.refusals = 2
    [call] = tell_story("busy", system=system(webhook, retry_for_s=10.0), settings=SETTINGS)
    assert call.untold == 0
    ids = [headers["webhook-id"] for headers, _ in webhook.messages]
    assert len(ids) == 5
    assert len(set(ids)) == 3


def test_nobody_listening_is_not_taken() -> None:
    deaf = PhoneSystem(url="http://127.0.0.1:1/hooks/7/events", token="hush")
    with pytest.raises(NotTaken) as refusal:
        deaf.tell(make_event(call="c-1", kind="ringing", at=deaf.now()))
    assert refusal.value.status is None


def test_a_message_carries_at_most_fifty_events(webhook: Webhook) -> None:
    phones = system(webhook)
    events = [make_event(call="c-1", kind="updated", at=phones.now()) for _ in range(51)]
    phones.tell(*events[:50])
    with pytest.raises(ValueError, match="50"):
        phones.tell(*events)
    assert len(webhook.events) == 50


@pytest.mark.parametrize(
    "how",
    [
        {"url": "ftp://127.0.0.1/"},
        {"secret": None},
        {"token": "both"},
        {"speed": 0},
    ],
)
def test_a_system_that_cannot_work_is_not_made(webhook: Webhook, how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        system(webhook, **how)


def test_the_program_tells_a_story_and_prints_its_ledger(webhook: Webhook, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    command = [sys.executable, "-W", "error", "-m", "nutshellpbx.lab", "pbx", "--url", webhook.url]
    command += ["--secret-file", str(secret), "--story", "two-ring-one-answers", "--speed", "1000"]
    command += ["--number", "+41 44 555 01 99", "--extension", "201", "--second", "202", "--repeat", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    calls = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len({call["id"] for call in calls}) == 2
    assert calls[0]["rang"] == ["201", "202"]
    assert (calls[0]["answered_by"], calls[0]["is_answered"]) == ("201", True)
    webhook.refusals = 100
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert "not taken" in ended.stderr
