"""Webhook intake over HTTP: stored before it is answered, refused with a reason, never twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from nutshellpbx.calls import flow, intake
from nutshellpbx.calls.models import Call, Heard
from nutshellpbx.pbx import config
from nutshellpbx.pbx.models import Pbx, Received, Refusal
from nutshellpbx.redact import Secret
from nutshellpbx.vault import pairs

pytestmark = pytest.mark.django_db
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
RING = {"id": "e-1", "call": "c-1", "kind": "ringing", "extension": "101", "number": "+13125550142"}

Post = Callable[..., Any]

#: Text with everything that a JSON string can hold: NUL, lone halves of surrogate pairs, right-to-left marks.
ANY_TEXT = st.text(st.characters(), max_size=45) | st.sampled_from(["\ud83d", "\x00", "x" * 130, "sha256:"])
ANY_TIME = st.sampled_from(
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1970-01-01", "2026-11-22T15:04:05Z", "25:61"]
)
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | ANY_TIME,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["id", "at", "leg", "extension", "direction", "number", "name", "dialled", "via", "cause", "joins"]
#: Objects that come far: call and kind are mostly good, the rest is anything.
ANY_OBJECT = st.builds(
    lambda most, rest, odd: {**rest, **most, **odd},
    st.fixed_dictionaries(
        {
            "call": st.sampled_from(["c-1", "c-2"]) | ANY_VALUE,
            "kind": st.sampled_from(["ringing", "answered", "joined", "ended"]) | ANY_TEXT,
        }
    ),
    st.dictionaries(st.sampled_from(FIELDS), ANY_TEXT | ANY_TIME, max_size=5),
    st.dictionaries(st.sampled_from(["events", "via", "at", "id", "x"]) | ANY_TEXT, ANY_VALUE, max_size=2),
)


@pytest.fixture
def web_keys(settings: Any, tmp_path: Path) -> None:
    """This process is the web process: it holds the web key, and no other."""
    settings.NUTSHELLPBX_KEYS_DIR = tmp_path / "keys"
    settings.NUTSHELLPBX_ROLE = "web"
    pairs.make_missing()


@pytest.fixture
def pbx(web_keys: None) -> Pbx:
    row = Pbx.objects.create(kind="webhook", name="Office")
    config.keep_secret(pbx=row, field="secret", secret=Secret(SECRET))
    return row


@pytest.fixture
def post(pbx: Pbx, client: Client) -> Post:
    def send(content: Any, *, headers: dict[str, str] | None = None, raw: bytes | None = None) -> Any:
        body = json.dumps(content).encode() if raw is None else raw
        now = timezone.now()
        signed = {
            "webhook-id": "m-1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign("m-1", now, body.decode("utf-8", "replace")),
        }
        return client.post(
            f"/hooks/{pbx.pk}/events",
            data=body,
            content_type="application/json",
            headers=signed if headers is None else headers,
        )

    return send


def test_a_signed_event_is_stored_and_taken_in_before_the_answer(post: Post) -> None:
    answer = post(RING)
    assert (answer.status_code, answer.json()) == (202, {"taken": 1, "repeated": 0, "kept": 0})
    assert Received.objects.get().state == Received.State.TAKEN
    assert Call.objects.get().number == "+13125550142"


def test_the_same_event_again_is_accepted_and_changes_nothing(post: Post) -> None:
    post(RING)
    assert post(RING).json() == {"taken": 0, "repeated": 1, "kept": 0}
    assert Heard.objects.count() == 1


def test_an_event_without_id_is_a_repeat_by_all_that_it_says(post: Post) -> None:
    nameless = {key: value for key, value in RING.items() if key != "id"}
    post(nameless)
    assert post(nameless).json()["repeated"] == 1


def test_a_post_without_or_with_a_wrong_signature_is_refused_and_counted(post: Post) -> None:
    for headers in ({}, {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,x"}):
        answer = post(RING, headers=headers)
        assert answer.status_code == 401
        assert set(answer.json()) == {"error", "field"}
    assert Refusal.objects.get().count == 2
    assert not Received.objects.exists()


def test_a_body_over_64_kb_is_refused(post: Post) -> None:
    assert post(None, raw=b"x" * 65_537).status_code == 413
    assert not Received.objects.exists()


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"kind": "ringing"}, "call"),
        ({"call": "c-1"}, "kind"),
        ({**RING, "number": "5" * 500}, "number"),
        ({**RING, "number": "+1312\u0000555"}, "number"),
        ({"events": [RING, {"call": "c-2", "kind": "ringing", "at": "soon"}]}, "events[1].at"),
        ([], "body"),
    ],
)
def test_a_bad_field_is_named_in_a_short_answer(post: Post, content: Any, field: str) -> None:
    answer = post(content)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_a_bad_event_never_costs_the_valid_ones_beside_it(post: Post) -> None:
    assert post({"events": [{"kind": "ringing"}, RING]}).status_code == 400
    assert Call.objects.count() == 1


def test_an_unknown_kind_is_kept_and_counted(post: Post) -> None:
    answer = post({**RING, "kind": "teleported"})
    assert (answer.status_code, answer.json()["kept"]) == (202, 1)
    assert Received.objects.get().kind == "teleported"


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "'; DROP TABLE calls_call; --", "$(touch /tmp/x)"]
)
def test_hostile_names_and_numbers_are_kept_as_text(post: Post, text: str) -> None:
    assert post({**RING, "name": text, "number": text[:60]}).status_code == 202
    assert Call.objects.get().name == text


def test_an_event_that_cannot_be_taken_in_now_is_stored_answered_and_tried_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(flow, "take_in", broken)
    assert post(RING).status_code == 202
    assert Received.objects.get().state == Received.State.FAILED
    monkeypatch.undo()
    assert intake.try_again(now=timezone.now() + timedelta(seconds=5)) == 1
    assert Call.objects.count() == 1


def test_a_phone_system_with_a_token_is_heard_by_it(pbx: Pbx, post: Post) -> None:
    Pbx.objects.update(settings={"auth": "bearer"})
    assert post(RING, headers={"authorization": f"Bearer {SECRET}"}).status_code == 202
    assert post({**RING, "id": "e-2"}, headers={"authorization": "Bearer x"}).status_code == 401


def test_an_unknown_or_switched_off_hook_is_not_there(pbx: Pbx, post: Post) -> None:
    Pbx.objects.update(is_enabled=False)
    assert post(RING).status_code == 404


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=ANY_OBJECT)
def test_no_json_object_makes_the_hook_answer_500(post: Post, content: Any) -> None:
    answer = post(content)
    assert answer.status_code in {202, 400}
    failed = Received.objects.filter(state=Received.State.FAILED)
    assert not failed.exists(), failed.values_list("body", "text")
    for row in Received.objects.all():
        assert row.raw_id.isprintable() and row.kind.isprintable() and row.body.isascii()
        json.loads(row.body)
    Received.objects.all().delete()


@pytest.mark.parametrize(
    "odd",
    [
        {"name": "Mara \ud83d"},
        {"id": "\ud83d"},
        {"id": "e\x001"},
        {"id": "sha256:" + "0" * 64},
        {"at": "1970-01-01T00:00:00Z"},
        {"note": "é" * 20_000},
        {"note": ["\x00"]},
    ],
)
def test_odd_text_is_taken_in_and_its_body_is_kept_whole(post: Post, odd: dict[str, Any]) -> None:
    raw = json.dumps({**RING, **odd}, ensure_ascii="note" not in odd).encode("utf-8")
    assert post(None, raw=raw).json() == {"taken": 1, "repeated": 0, "kept": 0}
    row = Received.objects.get()
    assert json.loads(row.body) == {**RING, **odd}
    assert row.body.isascii() and "\x00" not in row.body
    assert row.raw_id.isprintable()
    assert Call.objects.get().started_at.year >= 2000


@pytest.mark.parametrize(
    ("odd", "field"),
    [
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at"),
        ({"kind": "tele\x00ported"}, "kind"),
        ({"kind": "\ud83d"}, "kind"),
        ({"kind": "t" * 41}, "kind"),
        ({"call": "\ud83d"}, "call"),
    ],
)
def test_what_cannot_be_stored_or_reckoned_with_is_refused_by_its_name(
    post: Post, odd: dict[str, Any], field: str
) -> None:
    answer = post({**RING, **odd})
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert not Received.objects.exists()


@pytest.mark.parametrize("depth", [30, 300, 900, 20_000])
def test_a_body_nested_too_deep_is_refused(post: Post, depth: int) -> None:
    raw = json.dumps({**RING, "note": 0}).encode().replace(b": 0", b":" + b"[" * depth + b"]" * depth)
    answer = post(None, raw=raw)
    assert (answer.status_code, answer.json()["field"]) == (400, "body")


def test_a_message_without_id_is_a_repeat_within_ten_minutes_of_the_newest(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = {key: value for key, value in RING.items() if key != "id"}
    at = timezone.now().timestamp()
    ends = []
    for seconds in (0, 5, 700, 705, 710):
        monkeypatch.setattr(timezone, "now", partial(datetime.fromtimestamp, at + seconds, UTC))
        ends.append(post(nameless).json()["taken"])
    assert ends == [1, 0, 1, 0, 0]
    assert Heard.objects.count() == 2


def test_a_message_without_id_counts_again_after_its_stored_post_was_tidied_away(post: Post) -> None:
    nameless = {key: value for key, value in RING.items() if key != "id"}
    post(nameless)
    Received.objects.all().delete()
    post(nameless)
    assert Heard.objects.count() == 2


def test_a_stored_body_that_cannot_be_read_any_more_holds_nobody_up(pbx: Pbx) -> None:
    long_ago = timezone.now() - timedelta(minutes=1)
    for number, body in enumerate(('{"call":', '{"kind":"ringing"}', json.dumps(RING))):
        Received.objects.create(
            pbx=pbx, raw_id=f"r-{number}", body=body, state="failed", received_at=long_ago, kind="ringing"
        )
    assert intake.try_again(now=timezone.now()) == 1
    assert Call.objects.count() == 1
    assert Received.objects.get(raw_id="r-1").text
