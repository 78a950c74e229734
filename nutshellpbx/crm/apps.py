from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "nutshellpbx.crm"
    label = "crm"
