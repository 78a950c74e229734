from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "nutshellpbx.people"
    label = "people"
