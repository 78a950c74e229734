"""What the doorbell starts: each task takes a row's id and calls the verb; a second ring does nothing."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from nutshellpbx.calls import contacts, present


@shared_task(name="calls.present")
def present_pop(pop_id: str) -> None:
    present.present(pop_id=int(pop_id), now=timezone.now())


@shared_task(name="calls.create_contact")
def create_contact(request_id: str) -> None:
    contacts.create(request_id=request_id, now=timezone.now())


def due(now: datetime) -> list[tuple[str, str, str]]:
    """Work that waits for longer than a second: (task, row id, queue)."""
    return [
        *(("calls.present", str(pk), "pop") for pk in present.due(now=now)),
        *(("calls.create_contact", pk, "pop") for pk in contacts.due(now=now)),
    ]
