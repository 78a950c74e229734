"""The journal: one entry per call and CRM, the attempts to write it, the one writer of each credential."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from nutshellpbx.crm.models import Credential, Crm
from nutshellpbx.journal.states import Outcome, State
from nutshellpbx.people.models import Extension, User


class Reason(models.TextChoices):
    """Why an entry is parked or waits, as a code; the sentence for people is in `reason_title`."""

    NONE = "", ""
    NO_MATCH = "no_match", _("Nobody has this number")
    SEVERAL = "several", _("Several records have this number")
    NO_OWNER = "no_owner", _("The extension has no owner")
    NO_GRANT = "no_grant", _("The extension may not use this CRM")
    NO_KEY = "no_key", _("No CRM key")
    KEY_REFUSED = "key_refused", _("The CRM refused the key")
    KEY_CLOSED = "key_closed", _("The stored key could not be opened")
    CRM_OFF = "crm_off", _("The CRM is switched off here")
    REFUSED = "refused", _("The CRM refused the note")
    OUTCOME_UNKNOWN = "outcome_unknown", _("Nobody can tell whether it was written")
    VANISHED = "vanished", _("The note is not there any more")
    ELSEWHERE = "elsewhere", _("The note stands at another record")
    MAY_NOT_REMOVE = "may_not_remove", _("The old note could not be removed")
    TOO_OLD = "too_old", _("Tried for too long")
    FAULTY = "faulty", _("An error in this program")


class Entry(models.Model):
    """One line of the journal: one call to be written into one CRM."""

    Reason = Reason
    State = State
    Outcome = Outcome

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    crm = models.ForeignKey(Crm, on_delete=models.PROTECT, related_name="entries")
    call_key = models.CharField(max_length=200)
    generation = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)

    # whose call it was: the one who spoke, or the owner of the line that rang when nobody did
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="entries")
    extension = models.ForeignKey(
        Extension, null=True, blank=True, on_delete=models.SET_NULL, related_name="entries"
    )
    extension_number = models.CharField(max_length=20, blank=True)
    direction = models.CharField(max_length=12)
    number = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=200, blank=True)
    happened_at = models.DateTimeField()

    # where it belongs; an empty card_id means that nobody was found yet
    card_table = models.CharField(max_length=20, blank=True)
    card_id = models.CharField(max_length=64, blank=True)
    card_name = models.CharField(max_length=200, blank=True)
    card_page = models.JSONField(null=True, blank=True)
    next_card = models.JSONField(null=True, blank=True)  # where it shall move to when it can

    text = models.TextField()  # without the marker
    marker = models.CharField(max_length=40, blank=True)  # set when the intent is committed

    # the sign-in that it was last to be written with
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.SET_NULL, related_name="entries"
    )

    # the writer's own: who is at it, and when somebody may be again
    attempt = models.PositiveIntegerField(default=0)  # counts claims; fences every settlement
    claimed_by = models.CharField(max_length=120, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)  # null: nothing to do by itself
    trying_since = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)  # in a row; the back-off grows with it
    crashes = models.PositiveSmallIntegerField(default=0)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.NEVER, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)  # the last intent
    first_sent_at = models.DateTimeField(null=True, blank=True)  # the first intent of this generation
    unknown_since = models.DateTimeField(null=True, blank=True)
    absent_count = models.PositiveSmallIntegerField(default=0)  # searches in a row that found nothing

    # what stands in the CRM
    ref_id = models.CharField(max_length=64, blank=True)
    ref_page = models.JSONField(null=True, blank=True)
    old_ref_id = models.CharField(max_length=64, blank=True)  # the generation before, still to be removed
    written_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)  # first found by its marker
    unseen_at = models.DateTimeField(null=True, blank=True)  # last looked for by its marker in vain
    copies = models.PositiveSmallIntegerField(default=0)  # notes with its marker that the last search saw

    # for people: why it is parked or waits, and what to do
    reason = models.CharField(max_length=20, choices=Reason, default=Reason.NONE, blank=True)
    reason_title = models.CharField(max_length=300, blank=True)
    next_step = models.CharField(max_length=500, blank=True)
    parked_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["-happened_at"]
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(fields=["crm", "call_key"], name="one_entry_per_call_and_crm"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="entry_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state__in=[State.INTENT, State.WRITTEN]) | ~Q(marker=""),
                name="nothing_is_sent_without_a_marker",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[State.WRITTEN, State.VERIFIED, State.REMOVING]) | ~Q(ref_id=""),
                name="what_is_written_has_its_ref",
            ),
        ]
        indexes = [
            models.Index(F("not_before"), condition=Q(not_before__isnull=False), name="entry_due"),
            models.Index(fields=["state", "happened_at"], name="entry_by_state"),
            models.Index(fields=["happened_at"], name="entry_by_time"),
            models.Index(fields=["user", "happened_at"], name="entry_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.call_key} ({self.state})"


class Attempt(models.Model):
    """One thing that was tried for an entry, with what came of it; kept for people and for the proof."""

    class Kind(models.TextChoices):
        WRITE = "write", _("Write")
        SEARCH = "search", _("Search")
        READ = "read", _("Read back")
        REMOVE = "remove", _("Remove")

    class Outcome(models.TextChoices):
        OPEN = "", _("Running, or cut off")
        UNSENT = "unsent", _("Not sent")
        REFUSED = "refused", _("Refused")
        UNKNOWN = "unknown", _("Unclear")
        WRITTEN = "written", _("Written")
        FOUND = "found", _("Found")
        ABSENT = "absent", _("Not found")
        VERIFIED = "verified", _("Verified")
        REMOVED = "removed", _("Removed")

    entry = models.ForeignKey(Entry, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind)
    generation = models.PositiveIntegerField()
    credential_id = models.CharField(max_length=36, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.OPEN, blank=True)
    title = models.CharField(max_length=300, blank=True)
    asked = models.CharField(max_length=2000, blank=True)  # redacted
    answered = models.CharField(max_length=2000, blank=True)  # redacted

    class Meta:
        ordering = ["entry", "number", "started_at"]
        indexes = [models.Index(fields=["entry", "number"], name="attempt_by_entry")]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}: {self.outcome}"


class Writer(models.Model):
    """The one writer of a credential: who it is just now, and what it has learnt about the CRM's pace."""

    credential = models.OneToOneField(Credential, on_delete=models.CASCADE, related_name="writer")
    held_by = models.CharField(max_length=120, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    turn = models.PositiveBigIntegerField(default=0)  # fences: grows each time that it is taken
    not_before = models.DateTimeField(null=True, blank=True)  # the CRM wants peace, or keeps failing
    failures = models.PositiveIntegerField(default=0)  # in a row
    worst_lag_ms = models.PositiveIntegerField(default=0)  # write -> first found by its marker
    last_lag_ms = models.PositiveIntegerField(null=True, blank=True)
    lag_at = models.DateTimeField(null=True, blank=True)
    is_blind = models.BooleanField(default=False)  # the last search that should have found a note did not

    def __str__(self) -> str:
        return f"writer of {self.credential_id}"
