from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "nutshellpbx.audit"
    label = "audit"
