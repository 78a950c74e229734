from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.people.links import OneTimeLink, make_link
from nutshellpbx.people.models import User


class Command(BaseCommand):
    """Prints the link by which the first admin sets the company up; there is no default password anywhere."""

    help = "Print a link (24 hours, single use) by which the first admin sets the company up."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(role=User.Role.ADMIN, is_active=True).exists():
            raise CommandError("There is an admin already. For a way in: manage.py sign_in_link --email …")
        token = make_link(purpose=OneTimeLink.Purpose.FIRST_ADMIN, now=timezone.now())
        self.stdout.write(settings.NUTSHELLPBX_PUBLIC_URL + reverse("welcome", args=[token]))
