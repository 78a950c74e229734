from django.apps import AppConfig


class CallsConfig(AppConfig):
    name = "nutshellpbx.calls"
    label = "calls"
