from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "nutshellpbx.dashboard"
    label = "dashboard"
