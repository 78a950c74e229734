"""Which origins pages may come from: our own, and those of the CRMs in use."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from django.conf import settings

from nutshellpbx.crm.adapter import CrmConfig, get_adapter_class
from nutshellpbx.crm.models import Crm
from nutshellpbx.faults import Fault

logger = logging.getLogger(__name__)


def find_origins() -> list[str]:
    """Every origin (scheme://host[:port]) that a desktop may be asked to open, our own first, each once."""
    found = [_origin_of(settings.NUTSHELLPBX_PUBLIC_URL)]
    for crm in Crm.objects.filter(is_enabled=True):
        config = CrmConfig(
            id=str(crm.pk), name=crm.name, kind=crm.kind, settings=crm.settings, country=crm.country or "US"
        )
        try:
            found += get_adapter_class(crm.kind)(config).origins
        except (Fault, KeyError, ValueError):
            logger.warning("the pages of CRM %s have no usable address", crm.pk)
        if crm.new_contact_address:
            found.append(_origin_of(crm.new_contact_address))
    return list(dict.fromkeys(origin for origin in found if origin))


def _origin_of(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
