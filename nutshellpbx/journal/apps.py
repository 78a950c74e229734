from django.apps import AppConfig


class JournalConfig(AppConfig):
    name = "nutshellpbx.journal"
    label = "journal"
