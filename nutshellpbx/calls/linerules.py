"""What the admin laid down for one queue, ring group or dialled number; a row each."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from nutshellpbx.crm.models import Crm
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Preferences


class CallRule(models.Model):
    """Which CRM and which settings hold for calls of one queue, group or dialled number."""

    class Kind(models.TextChoices):
        QUEUE = "queue", _("Queue")
        GROUP = "group", _("Ring group")
        DIALLED = "dialled", _("Dialled number")

    pbx = models.ForeignKey(Pbx, null=True, blank=True, on_delete=models.CASCADE, related_name="call_rules")
    kind = models.CharField(_("Calls of a"), max_length=8, choices=Kind)
    match = models.CharField(_("Name or number"), max_length=200)
    crms = models.ManyToManyField(Crm, blank=True, related_name="+", help_text=_("None chosen: all granted."))
    group_policy = models.CharField(
        _("Ring groups and queues"), max_length=8, choices=Company.GroupPolicy, blank=True
    )
    open_mode = models.CharField(
        _("Contact Open Mode"), max_length=8, choices=Preferences.OpenMode, blank=True
    )
    unknown = models.CharField(
        _("Create new contacts if not found"), max_length=8, choices=Preferences.Unknown, blank=True
    )
    journaling = models.BooleanField(_("Enable Journaling"), null=True, blank=True)
    open_after = models.BooleanField(
        _("… then open the contact so that I can add to the note"), null=True, blank=True
    )
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["pbx", "kind", "match"],
                name="one_rule_per_line",
                violation_error_message=_("There is a rule for this line already."),
            ),
            models.UniqueConstraint(
                fields=["kind", "match"],
                condition=models.Q(pbx__isnull=True),
                name="one_rule_per_line_of_any_pbx",
                violation_error_message=_("There is a rule for this line already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.match}"

    def clean(self) -> None:
        """A dialled number must have digits; the name of a queue is taken as the PBX says it."""
        self.match = self.match.strip()
        if self.kind == self.Kind.DIALLED and not any(sign.isdecimal() for sign in self.match):
            raise ValidationError({"match": _("Enter the number that is dialled, such as +1 312 555 0100.")})
