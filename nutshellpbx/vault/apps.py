"""Django's entry for the vault."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register


class VaultConfig(AppConfig):
    """The vault; its system check names keys that are missing, wrong, surplus or too open."""

    name = "nutshellpbx.vault"
    label = "vault"

    def ready(self) -> None:
        register(find_unfit_keys, "vault")


def find_unfit_keys(**kwargs: Any) -> list[CheckMessage]:
    """One error for each thing that is wrong with the keys of this process's role."""
    from django.conf import settings

    from nutshellpbx.vault import keys

    return [Error(sentence, id="vault.E001") for sentence in keys.find_unfit(settings.NUTSHELLPBX_ROLE)]
