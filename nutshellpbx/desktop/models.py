"""Paired desktops, their pairings, and what each of them was asked to do."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from nutshellpbx.people.models import User


class Device(models.Model):
    """A paired desktop of one user; its token is kept as a hash and was shown once, to the desktop."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    name = models.CharField(_("Name"), max_length=80)
    os = models.CharField(_("System"), max_length=80, blank=True)
    client_version = models.CharField(_("Client version"), max_length=40, blank=True)
    #: What the desktop reported: [{"id": "firefox", "label": "Firefox"}].
    browsers = models.JSONField(default=list, blank=True)
    #: The id of the browser to open pages in; "" is the desktop's default browser.
    browser = models.CharField(_("Browser"), max_length=60, blank=True, default="")
    #: Origins that the person at this desktop confirmed: the client opens pages of these alone.
    confirmed_origins = models.JSONField(default=list, blank=True)
    token_prefix = models.CharField(max_length=8, unique=True)
    token_hash = models.CharField(max_length=64)
    #: The number of the newest instruction; taken in the transaction that writes the instruction.
    cursor = models.BigIntegerField(default=0)
    #: The newest number that the desktop said it has.
    acknowledged = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    #: When the desktop last asked for instructions (written at most once a minute).
    last_seen_at = models.DateTimeField(null=True, blank=True)
    #: When a person last used keyboard or mouse there, as the desktop says.
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ["name", "created_at"]

    def __str__(self) -> str:
        return self.name


class Pairing(models.Model):
    """A desktop that asks to be paired: a short code for the person, a secret for the desktop's polls."""

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        DENIED = "denied", _("Denied")
        EXPIRED = "expired", _("Expired")
        CLAIMED = "claimed", _("Paired")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.CharField(max_length=8)
    poll_hash = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="pairings")
    name = models.CharField(max_length=80)
    os = models.CharField(max_length=80, blank=True)
    client_version = models.CharField(max_length=40, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=models.Q(state="pending"), name="one_open_pairing_per_code"
            )
        ]
        indexes = [models.Index(fields=["address", "created_at"], name="pairings_of_an_address")]

    def __str__(self) -> str:
        return self.name


class CodeTry(models.Model):
    """A wrong pairing code that a signed-in user typed; five of them close that user's window to pair."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="code_tries")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "at"], name="code_tries_of_a_user")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.at:%H:%M:%S}"


class Instruction(models.Model):
    """One thing a desktop is asked to do; its number is the desktop's cursor."""

    class Phase(models.TextChoices):
        LIVE = "live", _("While the call lives")
        AFTER = "after", _("After the call")

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="instructions")
    cursor = models.BigIntegerField()
    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    call_key = models.CharField(max_length=200)
    #: The leg that this is about.
    subject = models.CharField(max_length=200, blank=True, default="")
    phase = models.CharField(max_length=8, choices=Phase, default=Phase.LIVE)
    verb = models.CharField(max_length=12)
    #: The instruction as it goes over the wire (wire.Instruction).
    body = models.JSONField()
    #: True while a page counts as the desk's one of this call and phase: not withdrawn, expired or refused.
    stands = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=24, blank=True, default="")
    outcome_at = models.DateTimeField(null=True, blank=True)
    took_ms = models.IntegerField(null=True, blank=True)

    class Meta:
        ordering = ["device", "cursor"]
        constraints = [
            models.UniqueConstraint(fields=["device", "cursor"], name="one_instruction_per_cursor"),
            models.UniqueConstraint(
                fields=["device", "call_key", "phase"],
                condition=models.Q(verb="open", stands=True),
                name="one_page_per_desk_call_and_phase",
            ),
        ]
        indexes = [
            models.Index(fields=["call_key", "subject"], name="instructions_of_a_leg"),
            models.Index(fields=["created_at"], name="instructions_by_age"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(delivered_at__isnull=True, withdrawn_at__isnull=True),
                name="instructions_to_be_given",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.uid}"


class Withdrawal(models.Model):
    """What this leg showed to this user is to go away; whatever is put for it later is not shown."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="withdrawals")
    call_key = models.CharField(max_length=200)
    subject = models.CharField(max_length=200, blank=True, default="")
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "call_key", "subject"], name="one_withdrawal_per_user_and_leg"
            )
        ]

    def __str__(self) -> str:
        return f"{self.call_key} {self.subject}"
