"""Links that let somebody in once: the first admin, an invitation, a sign-in without a password.

The database holds a hash only; the link itself is shown to whoever asked for it, and never again.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from nutshellpbx.faults import Rejected

if TYPE_CHECKING:
    from nutshellpbx.people.models import User


class OneTimeLink(models.Model):
    """One link: for what, for whom, until when; spent when `used_at` is set."""

    class Purpose(models.TextChoices):
        FIRST_ADMIN = "first_admin", _("First admin")
        SIGN_IN = "sign_in", _("Sign in once")
        INVITATION = "invitation", _("Choose a password")

    token_hash = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=12, choices=Purpose)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False) | models.Q(purpose="first_admin"),
                name="only_the_first_admin_has_no_user",
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} for {self.user_id or 'nobody yet'}"


#: How long a link of each purpose may wait to be opened.
LIFE: dict[str, timedelta] = {
    OneTimeLink.Purpose.FIRST_ADMIN: timedelta(hours=24),
    OneTimeLink.Purpose.SIGN_IN: timedelta(minutes=60),
    OneTimeLink.Purpose.INVITATION: timedelta(days=7),
}


def make_link(*, purpose: str, now: datetime, user: User | None = None) -> str:
    """Make a link and return its token; links of the same purpose and person that were made before are
    void.
    """
    OneTimeLink.objects.filter(purpose=purpose, user=user, used_at__isnull=True).update(used_at=now)
    token = secrets.token_urlsafe(32)
    OneTimeLink.objects.create(
        token_hash=_hash(token), purpose=purpose, user=user, made_at=now, expires_at=now + LIFE[purpose]
    )
    return token


def find_link(*, token: str, purpose: str, now: datetime) -> OneTimeLink | None:
    """The link that this token opens now, without spending it; None when it is unknown, spent or too old."""
    return (
        OneTimeLink.objects.select_related("user")
        .filter(token_hash=_hash(token), purpose=purpose, used_at__isnull=True, expires_at__gt=now)
        .exclude(user__is_active=False)
        .first()
    )


def spend(*, token: str, purpose: str, now: datetime) -> OneTimeLink:
    """Use a link up and return it; raises Rejected when it is unknown, too old, or somebody was quicker."""
    link = find_link(token=token, purpose=purpose, now=now)
    if link is None or not OneTimeLink.objects.filter(pk=link.pk, used_at__isnull=True).update(used_at=now):
        raise Rejected(str(_("This link does not work any more")), str(_("Ask your admin for a new one.")))
    return link


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
