from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "nutshellpbx.ops"
    label = "ops"
