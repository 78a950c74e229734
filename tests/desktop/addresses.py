"""The desktop's addresses alone, as nutshellpbx.urls includes them."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("api/desktop/", include("nutshellpbx.desktop.urls"))]
