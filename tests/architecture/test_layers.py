"""Nothing points upward: no import, no model's relation, no migration's dependency."""

from __future__ import annotations

from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from tests.architecture.house import ASSEMBLY, BESIDE, RANK, ROOT, find_sources
from tests.architecture.rules import demand_none, find_breach, find_upward_imports


def test_no_import_points_upward() -> None:
    demand_none(find_upward_imports(find_sources(ROOT, "nutshellpbx")))


def test_every_room_stands_in_a_layer() -> None:
    folders = {path.parent.name for path in (ROOT / "nutshellpbx").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "nutshellpbx").glob("*.py")} - {"__init__"}
    demand_none(sorted(folders - RANK.keys() - BESIDE.keys()))
    demand_none(sorted(modules - RANK.keys() - ASSEMBLY))


def test_no_relation_between_models_points_upward() -> None:
    breaches = []
    for model in apps.get_models(include_auto_created=True):
        if model.__module__.startswith("nutshellpbx."):
            room = model.__module__.split(".")[1]
            for field in model._meta.get_fields(include_hidden=True):
                other = field.related_model if field.is_relation and not field.auto_created else None
                path = other.__module__ if isinstance(other, type) else ""
                if path.startswith("nutshellpbx.") and (reason := find_breach(room, path.split(".")[1])):
                    breaches.append(f"{model.__name__}.{field.name} -> {other}: {reason}")
    demand_none(breaches)


def test_no_migration_depends_upward() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    rooms = {config.label: config.name for config in apps.get_app_configs()}
    breaches = []
    for (label, name), migration in loader.disk_migrations.items():
        if rooms[label].startswith("nutshellpbx."):
            room = rooms[label].split(".")[1]
            later = [(other[0], label) for other in migration.run_before]
            for lower, upper in [(label, other[0]) for other in migration.dependencies] + later:
                path = rooms.get(upper, "")
                if path.startswith("nutshellpbx.") and (reason := find_breach(room, path.split(".")[1])):
                    breaches.append(f"{lower}.{name} -> {upper}: {reason}")
    demand_none(breaches)
