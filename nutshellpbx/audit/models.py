"""The audit book: who did what and when, in a chain that only grows."""

from __future__ import annotations

import json
from typing import Any

from django.db import models


class Act(models.Model):
    """One act of a person, or of this program; the database refuses to change or to remove it."""

    number = models.PositiveBigIntegerField(primary_key=True)  # 1, 2, 3 … without a gap
    at = models.DateTimeField()
    act = models.CharField(max_length=60)  # a dotted code, "entry.sent_again"
    # Who: kept as text, so that it stays true when the user is gone. Empty: this program itself.
    by_id = models.CharField(max_length=40, blank=True)
    by_email = models.CharField(max_length=254, blank=True)
    what = models.CharField(max_length=200)  # "entry:<id>"
    detail = models.TextField(default="{}")  # canonical JSON; text, so that no database writes it anew
    previous = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-number"]
        indexes = [
            models.Index(fields=["what", "number"], name="act_by_what"),
            models.Index(fields=["act", "number"], name="act_by_act"),
            models.Index(fields=["by_id", "number"], name="act_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.act} {self.what}"

    @property
    def details(self) -> dict[str, Any]:
        """The details as they were recorded."""
        return dict(json.loads(self.detail))


class Head(models.Model):
    """The newest act, written beside the chain: without it an end that was cut off would leave no trace.

    It is one row, and the lock under which writers stand in line.
    """

    number = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"
