"""The Celery application: the doorbell's other end. The database is the queue of record; see DESIGN §3."""

from __future__ import annotations

import gc
import os

from celery import Celery
from celery.signals import celeryd_after_setup, worker_init, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nutshellpbx.settings")

app = Celery("nutshellpbx")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["nutshellpbx.crm", "nutshellpbx.journal", "nutshellpbx.calls", "nutshellpbx.ops"])


@worker_init.connect
def demand_keys(**_: object) -> None:
    """A worker that lacks its key, or holds another's, does not start."""
    from django.conf import settings

    from nutshellpbx import redact
    from nutshellpbx.vault import keys

    redact.install()
    # What is loaded now stays: the collector need not walk it while a call rings.
    gc.collect()
    gc.freeze()
    keys.demand(settings.NUTSHELLPBX_ROLE)


@celeryd_after_setup.connect
def look_for_waiting_work(**_: object) -> None:
    """Each worker looks into the database every second: a lost bell costs a second, never a call.

    From before the first try to reach the broker: without any Redis at all everything still gets done.
    """
    from nutshellpbx.calls import sweeper

    sweeper.start(queues=frozenset(app.amqp.queues.consume_from))


@worker_shutting_down.connect
def stop_looking(**_: object) -> None:
    from nutshellpbx.calls import sweeper

    sweeper.stop()
