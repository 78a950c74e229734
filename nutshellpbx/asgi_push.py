"""The push process: `uvicorn nutshellpbx.asgi_push:application --timeout-graceful-shutdown 2`.

Django's models, none of its request handling.
"""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nutshellpbx.settings")
django.setup()

from django.conf import settings  # noqa: E402

from nutshellpbx import redact  # noqa: E402
from nutshellpbx.desktop.push import Push  # noqa: E402
from nutshellpbx.vault import keys  # noqa: E402

redact.install()
keys.demand(settings.NUTSHELLPBX_ROLE)
application = Push()
