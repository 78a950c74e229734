"""The web process: pages, API and hooks."""

from __future__ import annotations

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nutshellpbx.settings")
application = get_asgi_application()

from django.conf import settings  # noqa: E402

from nutshellpbx import redact  # noqa: E402
from nutshellpbx.vault import keys  # noqa: E402

redact.install()
# What is loaded now stays: the collector need not walk it while a call rings.
gc.collect()
gc.freeze()
keys.demand(settings.NUTSHELLPBX_ROLE)
