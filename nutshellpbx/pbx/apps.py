from django.apps import AppConfig


class PbxConfig(AppConfig):
    name = "nutshellpbx.pbx"
    label = "pbx"
