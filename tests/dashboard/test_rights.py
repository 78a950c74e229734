"""Who may see what: every route declares it, and other people's things are not found."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from nutshellpbx.dashboard.rights import May
from nutshellpbx.people.models import User
from tests.dashboard.conftest import signed_in
from tests.dashboard.office import make_device, make_user

#: Routes for machines, with their own ways of proving who asks; tested where they stand.
MACHINES = ("healthz", "hooks/", "api/")
EXAMPLES = {
    "uuid": str(uuid.UUID(int=7)),
    "str": "token",
    "int": "7",
    "slug": "open_mode",
    "purpose": "invitation",
    "entry_verb": "again",
}


def routes(patterns=None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every route of the whole server."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        here = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, here)
        else:
            yield here, pattern


PAGES = {route: pattern for route, pattern in routes() if not route.startswith(MACHINES)}


def declared(route: str) -> May | None:
    """Who may see it, as its view says; None when it says nothing."""
    return getattr(PAGES[route].callback, "open_to", None)


def address_of(route: str) -> str:
    """A route with examples for its parts; nothing of the kind exists."""
    parts = []
    for part in route.split("/"):
        parts.append(EXAMPLES[part[1:].split(":")[0]] if part.startswith("<") else part)
    return "/" + "/".join(parts)


@pytest.mark.parametrize("route", PAGES)
def test_every_page_declares_who_may_see_it(route):
    assert isinstance(declared(route), May), f"/{route} declares nothing"


@pytest.mark.parametrize(
    "route", [route for route in PAGES if declared(route) not in {May.ANYBODY, May.TICKET}]
)
@pytest.mark.django_db
def test_nobody_is_led_to_the_sign_in_page(route):
    for ask in (Client().get, Client().post):
        answer = ask(address_of(route))
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("role", ["user", "supervisor"])
def test_pages_of_a_higher_role_are_closed(role, db):
    client = signed_in(make_user("Tomas Ferreira", role=role))
    higher = {May.ADMIN} | ({May.SUPERVISOR} if role == "user" else set())
    closed = [route for route in PAGES if declared(route) in higher]
    assert closed
    for route in closed:
        for ask in (client.get, client.post):
            assert ask(address_of(route)).status_code == 403, route


def test_person_who_is_switched_off_sees_nothing(office, as_owner):
    User.objects.filter(pk=office.owner.pk).update(is_active=False)
    answer = as_owner.get(reverse("my_calls"))
    assert answer.status_code == 302


@pytest.mark.parametrize("verb", ["my_desktop_browser", "my_desktop_rename", "my_desktop_revoke"])
def test_another_s_desktop_is_not_found(verb, office, as_colleague):
    answer = as_colleague.post(reverse(verb, args=[office.device.pk]), {"name": "Mine", "browser": ""})
    assert answer.status_code == 404
    office.device.refresh_from_db()
    assert office.device.revoked_at is None
    assert office.device.name == "Mara-PC"


def test_colleague_s_own_desktop_is_found(office, as_colleague):
    mine = make_device(office.colleague, "Dele-PC")
    as_colleague.post(reverse("my_desktop_rename", args=[mine.pk]), {"name": "Counter"})
    mine.refresh_from_db()
    assert mine.name == "Counter"


def test_another_s_call_can_be_neither_read_nor_chosen_for(office, as_stranger):
    call = office.calls["several"]
    assert as_stranger.get(reverse("my_call", args=[call.pk])).status_code == 404
    chosen = as_stranger.post(
        reverse("my_call_choose", args=[call.pk, office.crm.pk]), {"card": "31-contacts"}
    )
    assert chosen.status_code == 404
    assert as_stranger.post(reverse("my_call_private", args=[call.pk])).status_code == 404


def test_supervisor_sees_calls_and_journal_and_no_configuration(office):
    client = signed_in(make_user("Nadia Karim", role="supervisor"))
    for name, status in (("home", 200), ("calls", 200), ("journal", 200), ("extensions", 403), ("pbxs", 403)):
        assert client.get(reverse(name)).status_code == status, name
