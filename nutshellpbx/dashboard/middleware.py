"""What every page needs around its view: the reader's own clock and language, and private answers."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from nutshellpbx.people.models import Company

GetResponse = Callable[[HttpRequest], HttpResponse]

#: Nothing in our pages uses these; a page that was broken into shall not either.
PERMISSIONS_POLICY = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()"


class PersonalTimeZone:
    """Show times in the user's time zone, else the company's; speak his language where he chose one."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not user.is_authenticated:
            timezone.deactivate()
            return self.get_response(request)
        with timezone.override(find_zone(user.time_zone) or find_zone(_company_zone())):
            if not user.language:
                return self.get_response(request)
            with translation.override(user.language):
                request.LANGUAGE_CODE = user.language
                return self.get_response(request)


class PrivatePages:
    """No cache keeps a page (files under /static/ never come here); no page may use cameras and the like."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return answer


def find_zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The time zone of that name, or None for an empty or unknown one."""
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return None


def _company_zone() -> str:
    return Company.objects.filter(pk=1).values_list("time_zone", flat=True).first() or "UTC"
