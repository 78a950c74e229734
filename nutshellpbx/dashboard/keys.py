"""A key on its way from a form to a worker: sealed in the web process, which cannot open it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from nutshellpbx import doorbell
from nutshellpbx.crm import signin
from nutshellpbx.crm.models import Credential, Crm
from nutshellpbx.people.models import User
from nutshellpbx.redact import Secret

TASK = "crm.check_candidate"


@sensitive_variables("key")
def offer(*, crm: Crm, user: User | None, email: str, key: str) -> Credential:
    """Seal the key as a candidate and ring for a worker to check it; raises a Fault with words for people."""
    with transaction.atomic():
        candidate = signin.offer_candidate(
            crm=crm, user=user, email=email, secret=Secret(key), now=timezone.now()
        )
        doorbell.ring_on_commit(task=TASK, ids=[str(candidate.pk)], queue="slow")
    return candidate
