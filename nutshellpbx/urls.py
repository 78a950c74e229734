"""Every address of the web process."""

from __future__ import annotations

from django.urls import include, path

from nutshellpbx.calls.hooks import Ask, Hook
from nutshellpbx.calls.ringing import Ring
from nutshellpbx.ops.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("hooks/<uuid:pbx_id>/events", Hook.as_view(), name="hook"),
    path("hooks/<uuid:pbx_id>/events/<path:token>", Hook.as_view(), name="hook_with_token"),
    path("hooks/<uuid:pbx_id>/crm/<slug:what>", Ask.as_view(), name="hook_ask"),
    path("api/desktop/ring", Ring.as_view(), name="ring"),
    path("api/desktop/", include("nutshellpbx.desktop.urls")),
    path("", include("nutshellpbx.dashboard.urls")),
]

handler400 = "nutshellpbx.dashboard.errors.bad_request"
handler403 = "nutshellpbx.dashboard.errors.forbidden"
handler404 = "nutshellpbx.dashboard.errors.not_found"
handler500 = "nutshellpbx.dashboard.errors.broken"
