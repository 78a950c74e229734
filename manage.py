#!/usr/bin/env python
"""Start a management command of the server, such as `python manage.py run`."""

import os
import sys


def main() -> None:
    """Run the command in the arguments; exits 1 with a next step where the server's parts are missing."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nutshellpbx.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as missing:
        if missing.name != "django":
            raise
        sys.exit("Django is not installed here. Type `make run`, or: pip install '.[server]'")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
