"""The audit book, and the triggers that keep it append-only."""

from django.db import migrations, models

from nutshellpbx.audit import triggers


def install(apps, schema_editor):
    if schema_editor.connection.alias == "default":
        triggers.install(schema_editor.connection)


def remove(apps, schema_editor):
    if schema_editor.connection.alias == "default":
        triggers.remove(schema_editor.connection)


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Act",
            fields=[
                ("number", models.PositiveBigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("act", models.CharField(max_length=60)),
                ("by_id", models.CharField(blank=True, max_length=40)),
                ("by_email", models.CharField(blank=True, max_length=254)),
                ("what", models.CharField(max_length=200)),
                ("detail", models.TextField(default="{}")),
                ("previous", models.CharField(max_length=64, unique=True)),
                ("hash", models.CharField(max_length=64, unique=True)),
            ],
            options={
                "ordering": ["-number"],
                "indexes": [
                    models.Index(fields=["what", "number"], name="act_by_what"),
                    models.Index(fields=["act", "number"], name="act_by_act"),
                    models.Index(fields=["by_id", "number"], name="act_by_person"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Head",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveBigIntegerField(default=0)),
                ("hash", models.CharField(max_length=64)),
            ],
        ),
        migrations.RunPython(install, remove, hints={"model_name": "act"}),
    ]
