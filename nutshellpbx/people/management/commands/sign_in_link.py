from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.people.links import OneTimeLink, make_link
from nutshellpbx.people.models import User


class Command(BaseCommand):
    """Prints a link by which a user signs in once without a password."""

    help = "Print a link (60 minutes, single use) by which a user signs in without a password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user with the e-mail {options['email']}.")
        token = make_link(purpose=OneTimeLink.Purpose.SIGN_IN, user=user, now=timezone.now())
        self.stdout.write(settings.NUTSHELLPBX_PUBLIC_URL + reverse("sign_in_link", args=[token]))
