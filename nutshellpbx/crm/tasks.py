"""The workers' way in: row ids only, and what waits in the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from celery import shared_task
from django.utils import timezone

from nutshellpbx.crm import signin, sync
from nutshellpbx.crm.models import Credential

#: Younger work is the doorbell's; older work is taken up by whoever looks.
RUNG_WITHIN: Final = timedelta(seconds=1)
SLOW: Final = "slow"


@shared_task(name="crm.check_candidate", ignore_result=True)
def check_candidate(credential_id: str) -> None:
    """Ask the CRM whether an entered key works."""
    signin.check_candidate(credential_id=credential_id, now=timezone.now())


@shared_task(name="crm.sync", ignore_result=True)
def sync_crm(crm_id: str) -> None:
    """Bring a CRM's numbers into the index."""
    sync.run_sync(crm_id=crm_id)


def due(now: datetime) -> list[tuple[str, str, str]]:
    """Work older than a second, as (task, id, queue); the sweeper in each worker asks every second."""
    waiting = Credential.objects.filter(
        state=Credential.State.CANDIDATE, created_at__lte=now - RUNG_WITHIN
    ).values_list("pk", flat=True)
    return [
        *(("crm.check_candidate", str(credential_id), SLOW) for credential_id in waiting),
        *(("crm.sync", str(crm_id), SLOW) for crm_id in sync.find_due(now=now)),
    ]
