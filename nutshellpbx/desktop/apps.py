from django.apps import AppConfig


class DesktopConfig(AppConfig):
    name = "nutshellpbx.desktop"
    label = "desktop"
