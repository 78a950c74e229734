"""A phone system's template: made for its version, with this box's address and a key of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.dashboard.admin import template_steps
from nutshellpbx.dashboard.admin.pbxs import has_template, hook_address, kind_label, make_hook_secret
from nutshellpbx.dashboard.recording import named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.pbx.asking import Version
from nutshellpbx.pbx.config import bare_config, connector_of, keep_secret
from nutshellpbx.pbx.connector import get_connector_class
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.redact import Secret


@open_to(May.ADMIN)
@require_safe
def page(request: Visit, pbx_id: UUID) -> HttpResponse:
    """The steps for a version, with pictures, and the button that makes the template."""
    pbx = _templated(pbx_id)
    versions = get_connector_class(pbx.kind).versions
    version = _version(versions, request.GET.get("version", versions[0].name))
    context: dict[str, Any] = {
        "section": "pbxs",
        "pbx": pbx,
        "kind_label": kind_label(pbx.kind),
        "versions": versions,
        "version": version,
        "steps": template_steps.steps_of(version.name, file_name=version.file_name),
        "at_desks": template_steps.at_desks(version.name, address=settings.NUTSHELLPBX_PUBLIC_URL),
        "is_plain": not settings.NUTSHELLPBX_PUBLIC_URL.startswith("https://"),
        "has_lines": pbx.extensions.exists() or bool(pbx.settings.get("same_as")),
    }
    return render(request, "dashboard/admin/template.html", context)


@open_to(May.ADMIN)
@require_POST
def download(request: Visit, pbx_id: UUID, version: str) -> HttpResponse:
    """Make a new key and the template with it; the key of the former template is void at once."""
    pbx = _templated(pbx_id)
    chosen = _version(get_connector_class(pbx.kind).versions, version)
    key = make_hook_secret()
    with transaction.atomic():
        for field in get_connector_class(pbx.kind).fields:
            if field.is_secret:
                keep_secret(pbx=pbx, field=field.name, secret=Secret(key))
        record(request, "pbx.template", named(pbx), name=pbx.name, version=chosen.name)
    address = hook_address(pbx).rpartition("/")[0]
    connector = connector_of(config=bare_config(pbx=pbx))
    answer = HttpResponse(
        connector.template(version=chosen.name, address=address, key=key), content_type="application/xml"
    )
    answer["Content-Disposition"] = f'attachment; filename="{chosen.file_name}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _templated(pbx_id: UUID) -> Pbx:
    pbx = get_object_or_404(Pbx, pk=pbx_id)
    if not has_template(pbx.kind):
        raise Http404(_("This phone system loads no template."))
    return pbx


def _version(versions: Any, name: str) -> Version:
    found: Version | None = next((version for version in versions if version.name == name), None)
    if found is None:
        raise Http404(_("There is no template for this version."))
    return found
