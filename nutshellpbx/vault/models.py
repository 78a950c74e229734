"""What the vault stores. It knows no owner: `bound_to` is a text that the owner's package chooses."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class Sealed(models.Model):
    """One secret, sealed; made and replaced by `vault.safe` only."""

    class Purpose(models.TextChoices):
        """Who may open it; see `vault.keys.ROLE_PURPOSES`."""

        CRM = "crm", _("CRM sign-in")
        PBX = "pbx", _("PBX sign-in")
        WEB = "web", _("Webhook or sign-in secret")
        BACKUP = "backup", _("Backup")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(max_length=16, choices=Purpose)
    bound_to = models.CharField(max_length=200)
    origins: models.JSONField[Any, Any] = models.JSONField(default=list)
    key_id = models.CharField(max_length=32)
    version = models.PositiveIntegerField(default=1)
    ciphertext = models.BinaryField()
    # The last four characters, only where the secret is long enough to spare them.
    hint = models.CharField(max_length=4, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["purpose", "key_id"], name="sealed_by_key")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.pk}"
