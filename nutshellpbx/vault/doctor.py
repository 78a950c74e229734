"""The doctor opens every secret that it may and names each one that does not open."""

from __future__ import annotations

from dataclasses import dataclass, field

from nutshellpbx.faults import Denied
from nutshellpbx.vault import keys, safe
from nutshellpbx.vault.errors import NotHere
from nutshellpbx.vault.models import Sealed


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret that does not open: which one, whose, why, and what a person can do."""

    purpose: str
    row: str
    bound_to: str
    key_id: str
    title: str
    remedy: str


@dataclass(slots=True)
class Visit:
    """What the doctor saw: rows opened, rows that are not for these keys by purpose, and the findings."""

    opened: int = 0
    not_ours: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def visit(*, ring: keys.Ring) -> Visit:
    """Open every sealed row that the ring is for; what was opened is dropped at once."""
    seen = Visit()
    for sealed in Sealed.objects.order_by("purpose", "created_at", "pk").iterator(chunk_size=200):
        try:
            safe.open_sealed(sealed, bound_to=sealed.bound_to, origins=sealed.origins, ring=ring)
        except NotHere:
            seen.not_ours[sealed.purpose] = seen.not_ours.get(sealed.purpose, 0) + 1
        except Denied as error:
            seen.findings.append(
                Finding(
                    purpose=sealed.purpose,
                    row=str(sealed.pk),
                    bound_to=sealed.bound_to,
                    key_id=sealed.key_id,
                    title=error.title,
                    remedy=error.next_step,
                )
            )
        else:
            seen.opened += 1
    return seen
