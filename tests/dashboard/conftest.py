"""An office for the tests of the pages, and a browser-like client for each of its people."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.dashboard.office import Office, make_morning, make_office


@pytest.fixture
def office(db) -> Office:
    return make_morning(make_office())


@pytest.fixture
def as_admin(office) -> Client:
    return signed_in(office.admin)


@pytest.fixture
def as_owner(office) -> Client:
    return signed_in(office.owner)


@pytest.fixture
def as_colleague(office) -> Client:
    return signed_in(office.colleague)


@pytest.fixture
def as_stranger(office) -> Client:
    return signed_in(office.stranger)


def signed_in(user) -> Client:
    """A client that this user has signed in with."""
    client = Client()
    client.force_login(user)
    return client
