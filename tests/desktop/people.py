"""A person and their desks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from nutshellpbx import wire
from nutshellpbx.desktop import mailbox
from nutshellpbx.desktop.models import Device, Instruction
from nutshellpbx.desktop.tokens import find_fingerprint, make_token
from nutshellpbx.people.models import User

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PAGE = wire.Page(origin="https://app.nutshell.com", path="/person/23")


def make_user(email: str = "ann@example.com") -> User:
    return User.objects.create_user(email, "correct horse battery", name=email.partition("@")[0].title())


def make_device(user: User, *, name: str = "desk", **values: Any) -> tuple[Device, str]:
    token = make_token()
    kept = find_fingerprint(token)
    assert kept is not None
    device = Device.objects.create(
        user=user, name=name, token_prefix=kept.prefix, token_hash=kept.hash, **values
    )
    return device, token


def put(user: User, **changes: Any) -> list[Instruction]:
    """Put a page for a ringing call; `now` may be given."""
    now = changes.get("now", NOON)
    values: dict[str, Any] = {
        "user_id": user.pk,
        "call_key": "pbx:1",
        "subject": "leg-101",
        "phase": "live",
        "verb": "open",
        "title": "Maria Miller",
        "lines": ["+1 312 555 0142"],
        "page": PAGE,
        "expires_at": now + timedelta(seconds=60),
        "still": lambda: True,
        "now": now,
    }
    if changes.get("verb") == "card":
        values["page"] = None
    return mailbox.put(**values | changes)


def withdraw(user: User, **changes: Any) -> list[Instruction]:
    """Take away what a leg showed to this user; `subject` may be another leg."""
    shown_to = [(user.pk, changes.pop("subject", "leg-101"))]
    values: dict[str, Any] = {"call_key": "pbx:1", "shown_to": shown_to, "now": NOON}
    return mailbox.withdraw(**values | changes)


def given(device: Device, *, after: int = 0, now: datetime = NOON) -> list[str]:
    """The verbs that a desk is given, in order."""
    device.refresh_from_db()
    mailbox.note_seen(device=device, cursor=after, idle_s=None, now=now)
    rows = mailbox.alive(device=device, after=after, now=now)
    mailbox.note_given(rows=rows, now=now)
    return [row.verb for row in rows]
