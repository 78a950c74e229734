"""`manage.py vault_keys make | rotate --purpose P | retire --purpose P | list`, for the keys' owner."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from nutshellpbx.vault import keys, pairs, rotation


class Command(BaseCommand):
    """Make, rotate, retire and list the vault's key pairs."""

    help = "Make, rotate, retire and list the key pairs that seal the secrets."
    # Keys are made before there is a database, and before the checks that ask for them can pass.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("make", help="make the key pairs that are missing")
        verbs.add_parser("list", help="list the key pairs")
        for verb, help_text in (
            ("rotate", "add a key and seal every secret of the purpose again"),
            ("retire", "delete the older keys of the purpose once nothing needs them"),
        ):
            verbs.add_parser(verb, help=help_text).add_argument(
                "--purpose", required=True, choices=sorted(keys.HOLDER)
            )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])(**{key: options[key] for key in ("purpose",) if key in options})
        except (keys.UnfitKey, rotation.CannotRetire) as error:
            raise CommandError(str(error)) from error
        except PermissionError as error:
            raise CommandError(
                f"{error.filename} is closed to this user: run this as the owner of the keys."
            ) from error

    def make(self) -> None:
        """Make what is missing; does nothing when nothing is."""
        for file in pairs.make_missing():
            self.stdout.write(f"made {file.purpose} {file.key_id}")

    def list(self) -> None:
        """Print each key, oldest first, and whether its private half can be read from here."""
        for file in keys.key_files(keys.public_folder(), "pub"):
            folder = keys.private_folder(keys.HOLDER.get(file.purpose, ""))
            here = any(each.key_id == file.key_id for each in keys.key_files(folder, "key"))
            self.stdout.write(
                f"{file.purpose} {file.key_id} {'private half here' if here else 'public half only'}"
            )

    def rotate(self, purpose: str) -> None:
        """Add a key and move every secret on to it, or finish the rotation that was cut short."""
        done = rotation.rotate(purpose=purpose, tell=lambda moved: self.stdout.write(f"{moved} moved"))
        verb = "resumed" if done.is_resumed else "added"
        self.stdout.write(f"{verb} {purpose} {done.key_id}: {done.moved} secrets moved")
        if done.left:
            rows = ", ".join(str(sealed.pk) for sealed in done.left[:10])
            raise CommandError(
                f"{len(done.left)} secrets could not be opened ({rows}): run “manage.py vault_doctor”."
            )

    def retire(self, purpose: str) -> None:
        """Delete the older keys."""
        for key_id in rotation.retire(purpose=purpose, now=time.time()):
            self.stdout.write(f"retired {purpose} {key_id}")
