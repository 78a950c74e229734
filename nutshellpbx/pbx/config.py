"""A PBX's configuration between its row and its connector: where its secrets are sealed and opened."""

from __future__ import annotations

from typing import Any

from nutshellpbx.pbx.connector import PbxConfig, get_connector_class
from nutshellpbx.pbx.models import Pbx, PbxSecret
from nutshellpbx.redact import Secret
from nutshellpbx.vault import safe


def is_posted_to(kind: str) -> bool:
    """Whether this kind posts to our hook (else its listener holds a connection)."""
    return hasattr(get_connector_class(kind), "verify")


def purpose_of(kind: str) -> str:
    """Who may open this kind's secrets: the web process verifies hooks, the listener signs in."""
    return "web" if is_posted_to(kind) else "pbx"


def keep_secret(*, pbx: Pbx, field: str, secret: Secret) -> None:
    """Seal a secret of this PBX, replacing the one that stood there."""
    sealed = safe.seal(purpose=purpose_of(pbx.kind), secret=secret, bound_to=_owner(pbx, field), origins=[])
    row = PbxSecret.objects.filter(pbx=pbx, field=field).select_related("sealed").first()
    if row is None:
        PbxSecret.objects.create(pbx=pbx, field=field, sealed=sealed)
        return
    old, row.sealed = row.sealed, sealed
    row.save(update_fields=["sealed"])
    old.delete()


def open_config(*, pbx: Pbx) -> PbxConfig:
    """The configuration with its secrets opened; raises the vault's errors where this process may not."""
    secrets = {
        row.field: safe.open_sealed(row.sealed, bound_to=_owner(pbx, row.field), origins=[])
        for row in pbx.secrets.select_related("sealed")
    }
    return bare_config(pbx=pbx, secrets=secrets)


def bare_config(*, pbx: Pbx, secrets: dict[str, Secret] | None = None) -> PbxConfig:
    """The configuration without opening anything."""
    return PbxConfig(
        id=str(pbx.pk),
        name=pbx.name,
        kind=pbx.kind,
        settings={name: str(value) for name, value in pbx.settings.items()},
        secrets=secrets or {},
        country=pbx.country,
    )


def connector_of(*, config: PbxConfig) -> Any:
    """The connector for a configuration."""
    return get_connector_class(config.kind)(config)


def _owner(pbx: Pbx, field: str) -> str:
    return f"pbx:{pbx.pk}:{field}"
