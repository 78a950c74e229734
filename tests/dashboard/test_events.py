"""Live events: each line as it happens, a pause that stands still, and nothing lost while nobody looked."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.calls import flow
from nutshellpbx.calls.models import Answer, Call, Heard, Step
from nutshellpbx.dashboard.admin import events
from nutshellpbx.dashboard.callshow import stream
from nutshellpbx.desktop.models import Instruction
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind
from tests.dashboard.conftest import signed_in
from tests.dashboard.office import (
    HOSTILE,
    Office,
    make_call,
    make_card,
    make_office,
    make_pbx,
    make_user,
)

NUMBER = "+442079460812"


@pytest.fixture
def quiet_office(db: None) -> Office:
    """Nobody has called yet."""
    return make_office()


@pytest.fixture
def admin(quiet_office: Office) -> Client:
    return signed_in(quiet_office.admin)


def say(office: Office, kind: Kind, extension: str, *, call: str = "c1", **more: Any) -> None:
    """The phone system tells of an event now."""
    now = timezone.now()
    leg = f"{call}-{extension}" if extension else ""
    event = CallEvent(
        pbx=str(more.pop("pbx", office.pbx).pk),
        call_uid=call,
        kind=kind,
        at=now,
        leg=leg,
        extension=extension,
        direction=Direction.INBOUND,
        number=more.pop("number", NUMBER),
        **more,
    )
    flow.take_in(event=event, now=now)


def words_of(answer: Any) -> str:
    """What a person reads: tags gone, blanks single."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def state_of(answer: Any) -> dict[str, str]:
    """What the page remembers, and sends with its next question."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.content.decode()))


def poll(client: Client, state: dict[str, str], **filters: str) -> Any:
    return client.get(reverse("events_live"), {**state, **filters})


def test_a_call_stands_there_with_what_was_found_and_shown_and_why(
    quiet_office: Office, admin: Client
) -> None:
    office = quiet_office
    state = state_of(admin.get(reverse("events")))
    say(office, Kind.RINGING, "204")
    say(office, Kind.RINGING, "209")
    call = Call.objects.get()
    leg = call.legs.get(number="204")
    now = timezone.now()
    card = make_card("23-contacts", "Priya Raman")
    Answer.objects.create(
        call=call, crm=office.crm, asked_for=office.owner, result="found", cards=[card], created_at=now
    )
    found = {"crm": office.crm.name, "source": "index", "matches": "1"}
    Step.objects.create(call=call, at=now, what="answer_found", tone="good", took_ms=3.1, facts=found)
    why = {"reason": "rings_for_several"}
    Step.objects.create(call=call, leg=leg, at=now, what="shown_card", tone="desk", took_ms=20, facts=why)
    Instruction.objects.create(
        device=office.device,
        cursor=1,
        call_key=call.key,
        subject=leg.uid,
        verb="card",
        body={},
        created_at=now,
        expires_at=now + timedelta(minutes=1),
        outcome="shown",
        outcome_at=now,
        took_ms=41,
    )
    answer = poll(admin, state)
    said = words_of(answer)
    line = (
        "Priya Raman rings at Mara Lindqvist (204), Dele Okafor (209) found in the index in 3 ms "
        "card to Mara Lindqvist’s desk (Several phones rang: a quiet card until somebody answers) "
        "card shown on Mara-PC after 41 ms"
    )
    assert line in said
    assert answer.content.decode().count('id="e-') == 1, "it is one line"
    assert "+44 20 7946 0812" in said and "since" in said
    assert answer.content.decode().count("lane") and "209: rang" in answer.content.decode()


def test_what_is_shown_already_is_not_sent_again(quiet_office: Office, admin: Client) -> None:
    state = state_of(admin.get(reverse("events")))
    assert poll(admin, state).status_code == 204
    say(quiet_office, Kind.RINGING, "204")
    answer = poll(admin, state)
    assert answer.status_code == 200
    assert 'id="stream" hx-swap-oob' in answer.content.decode()
    again = poll(admin, state_of(answer))
    assert 'id="stream"' not in again.content.decode(), "the list stands still, only the lanes grow"
    assert 'id="now"' not in again.content.decode() and "204: rang" in again.content.decode()
    say(quiet_office, Kind.ENDED, "", cause=Cause.GAVE_UP)
    ended = poll(admin, state_of(answer))
    assert "over: the caller gave up" in words_of(ended)
    assert "Nobody is on the phone." in words_of(ended)


def test_a_tab_that_slept_shows_every_line_that_came_meanwhile(quiet_office: Office, admin: Client) -> None:
    state = state_of(admin.get(reverse("events")))
    n = events.AT_FIRST + 20
    for place in range(n):
        say(quiet_office, Kind.RINGING, "204", call=f"c{place}", number=f"+4420794601{place:02}")
    body = poll(admin, state).content.decode()
    assert body.count("<li><time") == n
    first = admin.get(reverse("events")).content.decode()
    assert first.count("<li><time") == events.AT_FIRST and 'id="older"' in first


def test_older_lines_are_reached_page_by_page_and_none_is_left_out(
    quiet_office: Office, admin: Client
) -> None:
    n = events.AT_FIRST * 2 + 5
    for place in range(n):
        say(quiet_office, Kind.RINGING, "204", call=f"c{place}")
    seen: list[str] = []
    address = reverse("events")
    for _page in range(4):
        body = admin.get(address).content.decode()
        seen += re.findall(r'id="(e-[\w-]+)"', body)
        older = re.search(r'id="older" href="([^"]+)"', body)
        if older is None:
            break
        address = older[1].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == n


def test_the_list_is_bounded_and_says_where_the_rest_is(
    quiet_office: Office, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_LINES", 10)
    state = state_of(admin.get(reverse("events")))
    for place in range(15):
        say(quiet_office, Kind.RINGING, "204", call=f"c{place}")
    answer = poll(admin, state)
    assert answer.content.decode().count("<li><time") == 10
    assert 'id="older"' in answer.content.decode()
    for place in range(15, 20):
        say(quiet_office, Kind.RINGING, "204", call=f"c{place}")
    assert poll(admin, state_of(answer)).content.decode().count("<li><time") == 10


def test_a_pause_stands_still_and_says_how_many_wait(quiet_office: Office, admin: Client) -> None:
    say(quiet_office, Kind.RINGING, "204")
    paused = admin.get(reverse("events_pause"), follow=True)
    address = paused.redirect_chain[-1][0]
    said = words_of(paused)
    assert "rings at Mara Lindqvist (204)" in said and "Nothing new since then." in said
    assert 'hx-get="/admin/events/live' not in paused.content.decode()
    for place in range(3):
        say(quiet_office, Kind.RINGING, "209", call=f"d{place}")
    query = address.partition("?")[2]
    assert words_of(admin.get(f"{reverse('events_waiting')}?{query}")) == "3 new lines since then."
    assert "Dele Okafor" not in words_of(admin.get(address)).partition("As it happened")[2]
    assert "Dele Okafor" in words_of(admin.get(reverse("events")))


def test_the_list_is_filtered_by_phone_system_and_extension(quiet_office: Office, admin: Client) -> None:
    other = make_pbx("Warehouse")
    say(quiet_office, Kind.RINGING, "204", call="here")
    say(quiet_office, Kind.RINGING, "209", call="there", pbx=other, number="+442079460999")
    by_pbx = words_of(admin.get(reverse("events"), {"pbx": str(other.pk)}))
    assert "rings at 209" in by_pbx and "Mara Lindqvist (204)" not in by_pbx
    by_line = words_of(admin.get(reverse("events"), {"ext": "204"}))
    assert "Mara Lindqvist (204)" in by_line and "rings at 209" not in by_line
    nobody = words_of(admin.get(reverse("events"), {"ext": "999"}))
    assert "Nothing happened there" in nobody and "Nobody is on the phone there." in nobody
    state = state_of(admin.get(reverse("events"), {"ext": "204"}))
    say(quiet_office, Kind.RINGING, "209", call="there2", pbx=other)
    answer = poll(admin, state, ext="204")
    assert answer.status_code == 204 or "rings at 209" not in words_of(answer)


def test_what_is_read_out_is_one_short_sentence_and_not_at_every_line(
    quiet_office: Office, admin: Client
) -> None:
    def said_in(answer: Any) -> list[str]:
        return re.findall(r'id="events-said"[^>]*>([^<]*)<', answer.content.decode())

    state = state_of(admin.get(reverse("events")))
    long_ago = (timezone.now() - events.SAID_EVERY * 2).isoformat()
    say(quiet_office, Kind.RINGING, "204")
    first = poll(admin, {**state, "said_at": long_ago})
    assert said_in(first) == ["+44 20 7946 0812: rings at Mara Lindqvist (204)"]
    say(quiet_office, Kind.RINGING, "209", call="c2")
    say(quiet_office, Kind.RINGING, "209", call="c3")
    second = poll(admin, state_of(first))
    assert said_in(second) == [], "somebody is still being told of the first"
    third = poll(admin, {**state_of(second), "said_at": long_ago})
    assert said_in(third)[0].startswith("2 new lines, the newest: +44 20 7946 0812")
    assert said_in(poll(admin, {**state_of(third), "said_at": long_ago})) == []


def test_a_private_caller_and_a_hostile_name_are_shown_as_elsewhere(
    quiet_office: Office, admin: Client
) -> None:
    now = timezone.now()
    make_call(quiet_office, "p", at=now, is_private=True, state=Call.State.LIVE, talked_s=None)
    make_call(quiet_office, "h", at=now, number="", name=HOSTILE, state=Call.State.LIVE, talked_s=None)
    body = admin.get(reverse("events")).content.decode()
    assert "Private call" in body and "7946 0812" not in body
    assert HOSTILE not in body and "<script>alert" not in body


def test_a_long_call_that_ends_now_is_the_newest_line_though_many_began_since(
    quiet_office: Office, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SLACK", 0)
    monkeypatch.setattr(events, "AT_FIRST", 5)
    say(quiet_office, Kind.ANSWERED, "204", call="long")
    long_ago = timezone.now() - timedelta(hours=3)
    Call.objects.update(started_at=long_ago)
    Heard.objects.update(at=long_ago, taken_at=long_ago)
    Step.objects.update(at=long_ago)
    for place in range(12):
        say(quiet_office, Kind.RINGING, "209", call=f"c{place}")
        say(quiet_office, Kind.ENDED, "", call=f"c{place}", cause=Cause.GAVE_UP)
    say(quiet_office, Kind.ENDED, "", call="long", cause=Cause.HUNG_UP)
    body = words_of(admin.get(reverse("events"))).partition("As it happens")[2]
    assert "over: hung up" in body.partition("gave up")[0]


def test_nonsense_in_the_address_shows_everything(quiet_office: Office, admin: Client) -> None:
    say(quiet_office, Kind.RINGING, "204")
    for query in ({"pbx": "x"}, {"until": "yesterday"}, {"until": "0001-01-01T00:00:00+14:00"}):
        assert "Mara Lindqvist (204)" in words_of(admin.get(reverse("events"), query)), query
    assert poll(admin, {"since": "x", "seen": "y", "said_at": "z", "said": "<b>"}).status_code == 200


def test_a_page_in_a_busy_hour_asks_no_question_per_call(
    quiet_office: Office, admin: Client, django_assert_max_num_queries: Any
) -> None:
    for place in range(60):
        say(quiet_office, Kind.RINGING, "204", call=f"c{place}")
    assert Heard.objects.count() == 60
    with django_assert_max_num_queries(45):
        assert poll(admin, {"since": (timezone.now() - timedelta(hours=1)).isoformat()}).status_code == 200


def test_users_do_not_see_it_and_supervisors_do(quiet_office: Office) -> None:
    boss = signed_in(make_user("Nadia Karim", role="supervisor"))
    for name in ("events", "events_live", "events_waiting"):
        assert boss.get(reverse(name)).status_code in {200, 204}
        assert signed_in(quiet_office.owner).get(reverse(name)).status_code == 403
