"""What makes the book append-only in the database itself: triggers that refuse to change or to remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

_REFUSAL = "the audit book is append-only"

_SQLITE = {
    "audit_act_kept_update": f"BEFORE UPDATE ON audit_act BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    "audit_act_kept_delete": f"BEFORE DELETE ON audit_act BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    # REPLACE removes a row without asking the trigger above.
    "audit_act_in_order": (
        "BEFORE INSERT ON audit_act"
        " WHEN NEW.number <> (SELECT COALESCE(MAX(number), 0) + 1 FROM audit_act)"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    ),
    "audit_head_grows": (
        "BEFORE UPDATE ON audit_head WHEN NEW.number <= OLD.number OR NEW.id <> OLD.id"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    ),
    "audit_head_kept": f"BEFORE DELETE ON audit_head BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    "audit_head_once": (
        "BEFORE INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head)"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    ),
}
_POSTGRES = {
    "audit_act_kept": ("audit_act", "BEFORE UPDATE OR DELETE ON audit_act FOR EACH ROW"),
    "audit_act_not_emptied": ("audit_act", "BEFORE TRUNCATE ON audit_act FOR EACH STATEMENT"),
    "audit_head_grows": (
        "audit_head",
        "BEFORE UPDATE ON audit_head FOR EACH ROW WHEN (NEW.number <= OLD.number OR NEW.id <> OLD.id)",
    ),
    "audit_head_kept": ("audit_head", "BEFORE DELETE ON audit_head FOR EACH ROW"),
    "audit_head_not_emptied": ("audit_head", "BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT"),
}
_POSTGRES_REFUSE = (
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Have this database refuse to change what stands in the book.

    A migration that rebuilds the tables on SQLite must call it again: triggers go with the old table.
    """
    _run(connection, _statements(connection.vendor, making=True))


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take the refusal away, as a reversed migration must."""
    _run(connection, _statements(connection.vendor, making=False))


@contextmanager
def lifted(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """The refusal is away inside, as tests that forge or empty the book need it."""
    remove(connection)
    try:
        yield
    finally:
        install(connection)


def _statements(vendor: str, *, making: bool) -> list[str]:
    if vendor == "sqlite":
        if making:
            return [f"CREATE TRIGGER {name} {rule}" for name, rule in _SQLITE.items()]
        return [f"DROP TRIGGER {name}" for name in _SQLITE]
    if making:
        made = [
            f"CREATE TRIGGER {name} {rule} EXECUTE FUNCTION audit_refuse()"
            for name, (_table, rule) in _POSTGRES.items()
        ]
        return [_POSTGRES_REFUSE, *made]
    return [
        *(f"DROP TRIGGER {name} ON {table}" for name, (table, _rule) in _POSTGRES.items()),
        "DROP FUNCTION audit_refuse()",
    ]


def _run(connection: Any, statements: list[str]) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
