"""Settings that are read from text: what cannot be meant is refused at the start, by name."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from nutshellpbx.settings import DATABASE_PATIENCE, database_from_url


def test_a_database_address_passes_its_connections_options_on() -> None:
    database = database_from_url(
        "postgres://pbx:p%40ss@db.example.com:5433/pbx"
        "?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&connect_timeout=5"
    )
    assert database["OPTIONS"] == DATABASE_PATIENCE | {
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ca.pem",
        "connect_timeout": "5",
    }
    assert (database["HOST"], database["PORT"], database["PASSWORD"]) == ("db.example.com", "5433", "p@ss")


def test_a_sockets_folder_is_given_as_host() -> None:
    database = database_from_url("postgresql://pbx@/pbx?host=%2Frun%2Fpostgresql")
    assert (database["HOST"], database["OPTIONS"]) == ("/run/postgresql", DATABASE_PATIENCE)


@pytest.mark.parametrize("query", ["sslmod=require", "sslmode=require&options=-c", "sslrootcrt"])
def test_an_option_that_would_be_lost_is_refused_by_its_name(query: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="sslmod|options|sslrootcrt"):
        database_from_url(f"postgres://pbx@db/pbx?{query}")


def test_another_databases_address_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured):
        database_from_url("mysql://pbx@db/pbx")
