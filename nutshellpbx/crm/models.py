"""The CRMs that we are connected to, who may ask them and with which sign-in, and the phone index."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nutshellpbx.crm.adapter import Adapter, CrmConfig, get_adapter_class
from nutshellpbx.people.models import Company, Extension, User
from nutshellpbx.vault.models import Sealed


class Crm(models.Model):
    """A CRM instance; `settings` holds its adapter's fields by name, `address` among them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20)
    name = models.CharField(_("Name"), max_length=80, unique=True)
    settings = models.JSONField(default=dict, blank=True)
    country = models.CharField(_("Country"), max_length=2, blank=True)
    is_enabled = models.BooleanField(_("In use"), default=True)
    is_practice = models.BooleanField(default=False)
    new_contact_address = models.CharField(_("Address of the new-contact form"), max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def config(self) -> CrmConfig:
        """What its adapter needs to know; numbers are read with its country, else with the company's."""
        return CrmConfig(
            id=str(self.pk),
            name=self.name,
            kind=self.kind,
            settings={**self.settings, "new_contact_address": self.new_contact_address},
            country=self.country or Company.get().country,
        )

    def adapter(self) -> Adapter:
        """This CRM's adapter; raises `Denied` when its configuration cannot be used."""
        made: Adapter = get_adapter_class(self.kind)(self.config())
        return made


class Grant(models.Model):
    """The admin's right for one extension to integrate with one CRM."""

    extension = models.ForeignKey(Extension, on_delete=models.CASCADE, related_name="grants")
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="grants")
    granted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    granted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["extension", "crm"], name="one_grant_per_extension_and_crm")
        ]

    def __str__(self) -> str:
        return f"{self.extension_id} {self.crm_id}"


class Credential(models.Model):
    """A sign-in to a CRM: a user's own, or (without a user) the company's."""

    class State(models.TextChoices):
        CANDIDATE = "candidate", _("Being checked")
        OK = "ok", _("Works")
        REFUSED = "refused", _("Refused")
        ENTER_AGAIN = "enter_again", _("Enter again")
        PAUSED = "paused", _("Paused")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="credentials")
    user = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="credentials"
    )
    email = models.EmailField(_("E-mail"))
    sealed = models.OneToOneField(Sealed, on_delete=models.PROTECT, related_name="+")
    hint = models.CharField(max_length=4, blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.CANDIDATE)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    who_id = models.CharField(max_length=120, blank=True)
    who_name = models.CharField(max_length=200, blank=True)
    problem_title = models.CharField(max_length=200, blank=True)
    problem_next_step = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["crm", "user"],
                condition=Q(user__isnull=False) & ~Q(state="candidate"),
                name="one_live_key_per_crm_and_user",
            ),
            models.UniqueConstraint(
                fields=["crm"],
                condition=Q(user__isnull=True) & ~Q(state="candidate"),
                name="one_live_company_key_per_crm",
            ),
        ]
        indexes = [models.Index(fields=["state", "created_at"])]

    def __str__(self) -> str:
        return f"{self.email} {self.state}"

    @property
    def owner_key(self) -> str:
        """What the sealed key is bound to: this credential of this CRM and this owner, and nothing else."""
        return f"credential:{self.id}:{self.crm_id}:{self.user_id or 'company'}"


class CheckResult(models.Model):
    """How the check of an entered key ended; a page reads it within a minute, then it goes."""

    credential_id = models.UUIDField(primary_key=True)
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    is_ok = models.BooleanField()
    who_name = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=200, blank=True)
    next_step = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.credential_id} {self.is_ok}"


class Sync(models.Model):
    """How far one table of a CRM has come into the index; `cursor` is where the run goes on."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        COMPLETE = "complete", _("Complete")
        FAILED = "failed", _("Stopped")

    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="syncs")
    table = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    run = models.PositiveIntegerField(default=0)
    cursor = models.CharField(max_length=200, blank=True)
    seen = models.PositiveIntegerField(default=0)
    expected = models.PositiveIntegerField(null=True, blank=True)
    written = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    as_of = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    failed_title = models.CharField(max_length=200, blank=True)
    failed_next_step = models.CharField(max_length=300, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["crm", "table"], name="one_sync_per_crm_and_table")]

    def __str__(self) -> str:
        return f"{self.crm_id} {self.table}: {self.state}"


class ChosenCard(models.Model):
    """Which record a user meant when several shared a number."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="chosen_cards")
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="+")
    number_digits = models.CharField(max_length=32)
    table = models.CharField(max_length=20)
    record_id = models.CharField(max_length=120)
    chosen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "crm", "number_digits"], name="one_choice_per_user_and_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.record_id}"


class IndexedCard(models.Model):
    """A person or company as of the last sync; lives in the index store, so it names its CRM by id."""

    crm_id = models.UUIDField()
    table = models.CharField(max_length=20)
    record_id = models.CharField(max_length=120)
    name = models.CharField(max_length=300, blank=True)
    company = models.CharField(max_length=300, blank=True)
    job_title = models.CharField(max_length=200, blank=True)
    page_origin = models.CharField(max_length=300, blank=True)
    page_path = models.CharField(max_length=600, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    last_contacted_at = models.DateTimeField(null=True, blank=True)
    digest = models.BinaryField(max_length=16)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["crm_id", "table", "record_id"], name="one_indexed_card_per_record"
            )
        ]

    def __str__(self) -> str:
        return f"{self.table} {self.record_id}"


class IndexedNumber(models.Model):
    """One readable form of one number of an indexed card; `reversed` is its key (phone.key_of)."""

    card = models.ForeignKey(IndexedCard, on_delete=models.CASCADE, related_name="numbers")
    crm_id = models.UUIDField()
    table = models.CharField(max_length=20)
    raw = models.CharField(max_length=200)
    digits = models.CharField(max_length=32)
    e164 = models.CharField(max_length=20, blank=True)
    reversed = models.BigIntegerField()
    label = models.CharField(max_length=60, blank=True)
    extension = models.CharField(max_length=20, blank=True)

    class Meta:
        indexes = [models.Index(fields=["crm_id", "reversed"], name="number_by_crm_and_ending")]

    def __str__(self) -> str:
        return f"{self.card_id} …{self.digits[-4:]}"
