"""The calls: one row per conversation, its legs, what was said and what was decided, and work that waits."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from nutshellpbx.crm.models import Crm
from nutshellpbx.desktop.models import Device
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Extension, User


class Call(models.Model):
    """A conversation as one chain, however many legs it had."""

    class State(models.TextChoices):
        LIVE = "live", _("Live")
        ENDED = "ended", _("Ended")
        JOINED = "joined", _("Part of another call")

    class LeftOut(models.TextChoices):
        """Why no entry was made for a call: the terms of the journal's equation."""

        INTERNAL = "internal", _("Internal call")
        NO_EXTENSION = "no_extension", _("No extension of ours was rung")
        NO_OWNER = "no_owner", _("The extension has no owner")
        NO_GRANT = "no_grant", _("The extension has no grant")
        JOURNALING_OFF = "journaling_off", _("Journaling is off")
        NEVER_LOG = "never_log", _("This number is never matched")
        PRIVATE = "private", _("Private call")
        JOINED = "joined", _("Part of another call")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pbx = models.ForeignKey(Pbx, on_delete=models.CASCADE, related_name="calls")
    uid = models.CharField(max_length=120)
    key = models.CharField(max_length=180, unique=True)
    state = models.CharField(max_length=8, choices=State, default=State.LIVE)
    direction = models.CharField(max_length=10, default="unknown")
    number = models.CharField(max_length=64, blank=True)
    e164 = models.CharField(max_length=24, blank=True)
    name = models.CharField(max_length=200, blank=True)
    dialled = models.CharField(max_length=64, blank=True)
    via = models.CharField(max_length=8, blank=True)
    via_name = models.CharField(max_length=200, blank=True)
    cause = models.CharField(max_length=20, blank=True)
    started_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    quiet_at = models.DateTimeField(help_text="When the last event came; time-outs count from here.")
    joined_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_private = models.BooleanField(default=False)
    left_out = models.CharField(max_length=16, choices=LeftOut, blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["pbx", "uid", "-started_at"]),
            models.Index(fields=["state", "quiet_at"]),
            models.Index(fields=["-started_at"]),
        ]

    def __str__(self) -> str:
        return self.key


class Leg(models.Model):
    """One extension's part of a call."""

    class State(models.TextChoices):
        NEW = "new", _("New")
        DIALING = "dialing", _("Dialling")
        RINGING = "ringing", _("Ringing")
        TALKING = "talking", _("Talking")
        HELD = "held", _("On hold")
        OVER = "over", _("Over")

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="legs")
    uid = models.CharField(max_length=120)
    number = models.CharField(
        max_length=20, blank=True, help_text="The extension's number as the PBX says it."
    )
    extension = models.ForeignKey(
        Extension, null=True, blank=True, on_delete=models.SET_NULL, related_name="legs"
    )
    owner = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="legs")
    state = models.CharField(max_length=8, choices=State, default=State.NEW)
    via = models.CharField(max_length=8, blank=True)
    via_name = models.CharField(max_length=200, blank=True)
    cause = models.CharField(max_length=20, blank=True)
    started_at = models.DateTimeField()
    rang_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["started_at", "id"]
        constraints = [models.UniqueConstraint(fields=["call", "uid"], name="one_leg_per_uid")]
        indexes = [models.Index(fields=["owner", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.number} in {self.call_id}"


class Heard(models.Model):
    """An event of a call as it was taken in: for the time line, and to recognise repeats from sockets."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="heard")
    pbx = models.ForeignKey(Pbx, on_delete=models.CASCADE, related_name="+")
    seen_id = models.CharField(  # noqa: DJ001 -- null: no id, and never unique
        max_length=160, null=True, blank=True
    )
    kind = models.CharField(max_length=10)
    leg_uid = models.CharField(max_length=120, blank=True)
    number = models.CharField(max_length=20, blank=True)
    cause = models.CharField(max_length=20, blank=True)
    said = models.JSONField(
        default=dict, blank=True, help_text="Direction, queue and the like; never a number or a name."
    )
    at = models.DateTimeField()
    taken_at = models.DateTimeField()
    was_late = models.BooleanField(default=False, help_text="It came too late to change anything.")

    class Meta:
        ordering = ["at", "id"]
        constraints = [models.UniqueConstraint(fields=["pbx", "seen_id"], name="one_row_per_event")]

    def __str__(self) -> str:
        return f"{self.kind} {self.leg_uid}"


class Step(models.Model):
    """What was decided for a call, and why: the lines of its page."""

    class Tone(models.TextChoices):
        PLAIN = "plain"
        GOOD = "good"
        DESK = "desk"
        WAITED = "waited"
        FAILED = "failed"

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="steps")
    leg = models.ForeignKey(Leg, null=True, blank=True, on_delete=models.SET_NULL, related_name="steps")
    at = models.DateTimeField()
    tone = models.CharField(max_length=8, choices=Tone, default=Tone.PLAIN)
    what = models.CharField(
        max_length=60, help_text="A code of calls/words.py, put into words when it is shown."
    )
    facts = models.JSONField(default=dict, blank=True)
    took_ms = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.what} in {self.call_id}"


class Pop(models.Model):
    """Something to be shown to a user for a leg: waits here until a worker has looked the caller up."""

    class Moment(models.TextChoices):
        RING = "ring", _("On ring")
        ANSWER = "answer", _("On answer")
        DIAL = "dial", _("On dialling")
        AFTER = "after", _("After the call")

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        LOOKING = "looking", _("Looking the caller up")
        SHOWN = "shown", _("Shown")
        NOTHING = "nothing", _("Nothing to show")
        WITHDRAWN = "withdrawn", _("Taken back")

    leg = models.ForeignKey(Leg, on_delete=models.CASCADE, related_name="pops")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="pops")
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="+")
    moment = models.CharField(max_length=8, choices=Moment)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    verb = models.CharField(max_length=10, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["leg", "crm", "moment"], name="one_pop_per_moment")]
        indexes = [models.Index(fields=["state", "created_at"])]

    def __str__(self) -> str:
        return f"{self.moment} {self.leg_id}"


class Answer(models.Model):
    """What a CRM answered a user for a call's number: found, not found, or could not be asked."""

    class Result(models.TextChoices):
        FOUND = "found", _("Found")
        NOT_FOUND = "not_found", _("Not found")
        UNAVAILABLE = "unavailable", _("Could not ask")

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="answers")
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="+")
    asked_for = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    digits = models.CharField(max_length=32, blank=True, help_text="The number that was asked for.")
    asked_with = models.CharField(max_length=40, blank=True, help_text="The settings that it was asked with.")
    result = models.CharField(max_length=12, choices=Result)
    source = models.CharField(max_length=8, blank=True)
    as_of = models.DateTimeField(null=True, blank=True)
    cards = models.JSONField(default=list, blank=True)
    why = models.JSONField(default=dict, blank=True)
    problem = models.CharField(max_length=200, blank=True)
    next_step = models.CharField(max_length=300, blank=True)
    chosen_id = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField()
    took_ms = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["call", "crm", "asked_for"], name="one_answer_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.result} for {self.call_id}"


class Ticket(models.Model):
    """Lets a desk open one page of ours without a sign-in: single use, 60 s, for one call and its choice."""

    class Purpose(models.TextChoices):
        CHOOSE = "choose", _("Choose the record")
        NEW_CONTACT = "new_contact", _("New contact")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_hash = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=12, choices=Purpose)
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="tickets")
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.purpose} for {self.call_id}"


class ContactRequest(models.Model):
    """A new contact that a user asked for: created by a worker, once per call and CRM."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DOING = "doing", _("On its way")
        DONE = "done", _("Created")
        UNCLEAR = "unclear", _("May have been created")
        FAILED = "failed", _("Not created")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="contact_requests")
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    number = models.CharField(max_length=64)
    email = models.EmailField(blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    card = models.JSONField(default=dict, blank=True)
    problem = models.CharField(max_length=200, blank=True)
    next_step = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["call", "crm"], name="one_new_contact_per_call_and_crm")
        ]

    def __str__(self) -> str:
        return f"{self.state} for {self.call_id}"


class Asking(models.Model):
    """Somebody asks a CRM about this call's caller just now: colleagues who are rung too wait for it."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="askings")
    crm = models.ForeignKey(Crm, on_delete=models.CASCADE, related_name="+")
    asked_with = models.CharField(max_length=120, help_text="The number and the settings it is asked with.")
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["call", "crm", "asked_with"], name="asked_once_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.crm_id} for {self.call_id}"


from nutshellpbx.calls.linerules import CallRule  # noqa: E402, F401  (Django finds models here)
