"""``python -m nutshellpbx.lab nutshell …``, ``… pbx …`` and ``… threecx …``."""

from __future__ import annotations

import argparse
import sys

from nutshellpbx.lab import phone_command
from nutshellpbx.lab.nutshell import command as nutshell_command
from nutshellpbx.lab.threecx import command as threecx_command


def main(words: list[str] | None = None) -> int:
    """Run one of the practice programs."""
    parser = argparse.ArgumentParser(prog="python -m nutshellpbx.lab", description=__doc__)
    programs = parser.add_subparsers(dest="program", required=True)
    nutshell = programs.add_parser("nutshell", help="a practice Nutshell with a made-up company")
    nutshell_command.add_arguments(nutshell)
    nutshell.set_defaults(run=nutshell_command.run)
    pbx = programs.add_parser("pbx", help="a practice phone system that posts signed events")
    phone_command.add_arguments(pbx)
    pbx.set_defaults(run=phone_command.run)
    threecx = programs.add_parser("threecx", help="a practice 3CX that plays scripts of calls")
    threecx_command.add_arguments(threecx)
    threecx.set_defaults(run=threecx_command.run)
    arguments = parser.parse_args(words)
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
