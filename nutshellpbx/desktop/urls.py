"""Addresses of the desktop's interface, below /api/desktop/."""

from __future__ import annotations

from django.urls import path

from nutshellpbx.desktop import api

app_name = "desktop"

urlpatterns = [
    path("pairings", api.Pairings.as_view(), name="pairings"),
    path("pairings/claim", api.Claim.as_view(), name="claim"),
    path("report", api.Report.as_view(), name="report"),
    path("outcomes", api.Outcomes.as_view(), name="outcomes"),
    path("me", api.Me.as_view(), name="me"),
]
