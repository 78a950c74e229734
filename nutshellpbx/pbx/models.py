"""The phone systems that we are connected to, what they told us, and what we ask them to do."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from nutshellpbx.vault.models import Sealed


class Pbx(models.Model):
    """A phone system."""

    class State(models.TextChoices):
        NEVER = "never", _("Not heard of yet")
        CONNECTED = "connected", _("Connected")
        AWAY = "away", _("Away, trying again")
        DENIED = "denied", _("Refuses us")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20)
    name = models.CharField(_("Name"), max_length=80, unique=True)
    settings = models.JSONField(default=dict, blank=True)
    country = models.CharField(_("Country"), max_length=2, blank=True)
    is_enabled = models.BooleanField(default=True)
    is_practice = models.BooleanField(default=False)
    state = models.CharField(max_length=12, choices=State, default=State.NEVER)
    state_text = models.CharField(max_length=300, blank=True)
    state_at = models.DateTimeField(null=True, blank=True)
    last_event_at = models.DateTimeField(null=True, blank=True)
    epoch = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PbxSecret(models.Model):
    """A sealed value of a PBX's configuration, by the field's name."""

    pbx = models.ForeignKey(Pbx, on_delete=models.CASCADE, related_name="secrets")
    field = models.CharField(max_length=40)
    sealed = models.OneToOneField(Sealed, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pbx", "field"], name="one_secret_per_field")]

    def __str__(self) -> str:
        return f"{self.pbx_id} {self.field}"


class Received(models.Model):
    """A posted message as it came, stored before anything is made of it; also recognises repeats."""

    class State(models.TextChoices):
        TAKEN = "taken", _("Understood")
        KEPT = "kept", _("Kept: unknown kind")
        FAILED = "failed", _("Kept: will be tried again")

    pbx = models.ForeignKey(Pbx, on_delete=models.CASCADE, related_name="received")
    raw_id = models.CharField(max_length=120)
    body = models.TextField(max_length=70_000)
    state = models.CharField(max_length=8, choices=State, default=State.TAKEN)
    text = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    received_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pbx", "raw_id"], name="one_row_per_message")]
        indexes = [models.Index(fields=["state", "received_at"]), models.Index(fields=["received_at"])]

    def __str__(self) -> str:
        return f"{self.pbx_id} {self.raw_id}"


class Refusal(models.Model):
    """How often posts to a PBX's hook were refused, by reason; a counter, so that a flood fills no disk."""

    pbx = models.ForeignKey(Pbx, on_delete=models.CASCADE, related_name="refusals")
    reason = models.CharField(max_length=40)
    text = models.CharField(max_length=300, blank=True)
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pbx", "reason"], name="one_counter_per_reason")]

    def __str__(self) -> str:
        return f"{self.pbx_id} {self.reason}: {self.count}"


class Alias(models.Model):
    """What a phone system calls one of its extensions by: a person's name, or a number that is not the
    extension's own. Without an extension it waits for the admin to say whose it is.
    """

    class Kind(models.TextChoices):
        ANSWERING = "answering", _("Answering number")
        USER = "user", _("User")
        NUMBER = "number", _("Dialled number")

    pbx = models.ForeignKey(Pbx, on_delete=models.CASCADE, related_name="aliases")
    kind = models.CharField(max_length=12, choices=Kind)
    key = models.CharField(max_length=120, help_text="What is compared: lower case, digits of a number.")
    text = models.CharField(max_length=120, help_text="As it came, for people.")
    extension = models.CharField(_("Extension"), max_length=20, blank=True)
    seen_at = models.DateTimeField()
    chosen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["kind", "key"]
        constraints = [models.UniqueConstraint(fields=["pbx", "kind", "key"], name="one_alias_per_key")]
        indexes = [models.Index(fields=["pbx", "-seen_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


class Command(models.Model):
    """Something that a PBX's own listener shall do: short-lived, carried out at most once.

    Verbs: "probe" (also for a PBX that is not saved as working yet), "dial" (extension, number), "hang_up"
    (leg).
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DOING = "doing", _("On its way")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pbx = models.ForeignKey(Pbx, on_delete=models.CASCADE, related_name="commands")
    verb = models.CharField(max_length=20)
    arguments = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    result = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state", "created_at"])]

    def __str__(self) -> str:
        return f"{self.verb} on {self.pbx_id}"
