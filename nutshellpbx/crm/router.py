"""Where the phone index is kept: in a store of its own that can be rebuilt at any time."""

from __future__ import annotations

from typing import Any

from django.conf import settings

#: The models that live in the index store; everything else lives in the main one.
INDEX_MODELS = frozenset({"indexedcard", "indexednumber"})
INDEX = "index"
MAIN = "default"


def index_alias() -> str:
    """The alias of the index store; the main one where both are one PostgreSQL database."""
    return MAIN if settings.NUTSHELLPBX_ONE_DATABASE else INDEX


class IndexRouter:
    """Sends the index models to the index store and keeps all others out of it."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return self._alias_of(model._meta.app_label, model._meta.model_name)

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return self._alias_of(model._meta.app_label, model._meta.model_name)

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        if model_name is None:
            return db == MAIN
        return db == (self._alias_of(app_label, model_name) or MAIN)

    def _alias_of(self, app_label: str, model_name: str) -> str | None:
        if app_label == "crm" and model_name in INDEX_MODELS:
            return index_alias()
        return None
