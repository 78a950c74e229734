"""What every template knows: whose page it is, how it shall look, and what needs a hand."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from nutshellpbx import __version__
from nutshellpbx.dashboard.admin.needs import Needs
from nutshellpbx.people.models import Company, User


def appearance(request: HttpRequest) -> dict[str, Any]:
    """Theme and contrast as the user set them (empty: as the system says), the company, and our version."""
    user = getattr(request, "user", None)
    person = user if isinstance(user, User) else None
    return {
        "theme": person.theme if person else "",
        "contrast": person.contrast if person else "",
        "company": SimpleLazyObject(Company.get),
        "needs": SimpleLazyObject(lambda: Needs(person)) if person else None,
        "version": __version__,
    }
