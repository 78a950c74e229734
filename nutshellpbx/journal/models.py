"""The journal: one entry per call and CRM, the attempts to write it, the one writer of each credential."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from nutshellpbx.crm.models import Credential, Crm
from nutshellpbx.journal import breaker, pace
from nutshellpbx.journal.breaker import Breaker
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
    HELD = "held", _("Nothing is written from this machine for now")


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
    ways = models.JSONField(
        default=list, blank=True
    )  # of a search: [{way, outcome, reason}], see `ways.words_of`

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
    # the request budget, see `pace`
    rate = models.FloatField(default=pace.START)  # requests per second, as far as it is known to be welcome
    ceiling = models.FloatField(default=pace.CAP)  # at which the CRM last asked to go slower
    tokens = models.FloatField(default=pace.BURST)
    filled_at = models.DateTimeField(null=True, blank=True)
    throttled_at = models.DateTimeField(null=True, blank=True)  # when the CRM last asked to go slower

    worst_lag_ms = models.PositiveIntegerField(default=0)  # of the last week; write -> found by its marker
    last_lag_ms = models.PositiveIntegerField(null=True, blank=True)
    lag_at = models.DateTimeField(null=True, blank=True)
    is_blind = models.BooleanField(default=False)  # the last search that should have found a note did not

    def __str__(self) -> str:
        return f"writer of {self.credential_id}"

    def breaker(self, *, now: datetime) -> Breaker:
        """Whether this credential writes, rests until `not_before`, or makes its one try."""
        return breaker.state_of(failures=self.failures, not_before=self.not_before, now=now)


class Lag(models.Model):
    """The worst lag of a CRM's search within one day: how long a written note stayed unseen."""

    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="lags")
    since = models.DateTimeField()  # the day's first measurement
    worst_ms = models.PositiveIntegerField()
    count = models.PositiveIntegerField(default=1)

    class Meta:
        indexes = [models.Index(fields=["crm", "since"], name="lag_by_time")]

    def __str__(self) -> str:
        return f"{self.worst_ms} ms since {self.since:%Y-%m-%d %H:%M}"


class Way(models.Model):
    """One way of searching in one CRM: what it said the last time, and how often it said what."""

    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="search_ways")
    way = models.CharField(max_length=40)
    outcome = models.CharField(max_length=12)  # of crm.adapter.WayOutcome
    reason = models.CharField(max_length=300, blank=True)  # why it did not answer
    at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    found = models.PositiveIntegerField(default=0)
    absent = models.PositiveIntegerField(default=0)
    unanswered = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["crm", "way"], name="one_row_per_crm_and_way")]

    def __str__(self) -> str:
        return f"{self.way}: {self.outcome}"


class Box(models.Model):
    """A machine that may write from this database, and what its clock shows; see `box` and `clock`."""

    machine = models.CharField(max_length=64, unique=True)  # a digest of its id
    cards = models.JSONField(default=list)  # digests of its network cards' addresses
    name = models.CharField(max_length=80, blank=True)
    adopted_at = models.DateTimeField()
    boot = models.CharField(max_length=36, blank=True)
    offset_us = models.BigIntegerField(default=0)  # wall clock - time since this boot, in microseconds
    seen_at = models.DateTimeField(null=True, blank=True)  # by the wall clock of that boot

    def __str__(self) -> str:
        return self.name or self.machine[:8]


class Standing(models.Model):
    """What the journal knows of its own database: one row, made when it is first needed."""

    class Hold(models.TextChoices):
        NONE = "", ""
        OTHER_BOX = "other_box", _("The database woke up on another machine")
        DOUBLE = "double", _("A marker of ours stands in two notes")

    hold = models.CharField(max_length=12, choices=Hold, default=Hold.NONE, blank=True)
    hold_detail = models.CharField(max_length=500, blank=True)
    held_since = models.DateTimeField(null=True, blank=True)
    #: Calls up to this moment may have been written by a database that is gone: search first.
    restored_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.hold or "writing"


class Proving(models.Model):
    """One run of the proof: what a period's calls came to here, and what the CRM itself showed of them."""

    class Kind(models.TextChoices):
        HOURLY = "hourly", _("Hourly")
        NIGHTLY = "nightly", _("Nightly")
        ASKED = "asked", _("Asked for")

    kind = models.CharField(max_length=8, choices=Kind)
    since = models.DateTimeField()
    until = models.DateTimeField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)  # null: running, or cut off
    calls = models.PositiveIntegerField(default=0)  # ended in the period
    left_out = models.JSONField(default=dict)  # reason -> calls without an entry
    entries = models.PositiveIntegerField(default=0)
    terms = models.JSONField(default=dict)  # term -> entries, see proof.TERMS
    asked = models.PositiveIntegerField(default=0)  # notes that the CRM was asked about
    unanswered = models.PositiveIntegerField(default=0)  # of these it gave no answer
    missing = models.PositiveIntegerField(default=0)  # of these are not there
    double = models.PositiveIntegerField(default=0)  # markers that stand in more than one note
    foreign = models.PositiveIntegerField(default=0)  # markers of this box's form that no entry here has

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["kind", "-started_at"], name="proving_by_time")]

    def __str__(self) -> str:
        return f"{self.kind} {self.started_at:%Y-%m-%d %H:%M}"
