"""Whose line: from what a phone system calls an extension to its owner."""

from __future__ import annotations

from nutshellpbx.pbx.connector import SeenExtension
from nutshellpbx.people.models import Extension


def find_extension(*, pbx_id: str, number: str) -> Extension | None:
    """The extension with its owner, or None when nobody entered it here."""
    return Extension.objects.select_related("owner").filter(pbx_id=pbx_id, number=number).first()


def list_lines(*, pbx_id: str) -> list[SeenExtension]:
    """The extensions that were entered for a phone system, each with its owner's name and e-mail."""
    entered = Extension.objects.filter(pbx_id=pbx_id).select_related("owner").order_by("number")
    return [
        SeenExtension(row.number, row.owner.name, row.owner.email)
        if row.owner
        else SeenExtension(row.number, row.name)
        for row in entered
    ]
