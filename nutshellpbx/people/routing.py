"""Whose line: from what a phone system calls an extension to its owner."""

from __future__ import annotations

from nutshellpbx.people.models import Extension


def find_extension(*, pbx_id: str, number: str) -> Extension | None:
    """The extension with its owner, or None when nobody entered it here."""
    return Extension.objects.select_related("owner").filter(pbx_id=pbx_id, number=number).first()
