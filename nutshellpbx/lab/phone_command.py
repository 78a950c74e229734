"""``python -m nutshellpbx.lab pbx``: tell calls to a webhook from the command line."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from pathlib import Path
from typing import Any

from nutshellpbx.lab.phone_calls import STORIES
from nutshellpbx.lab.phone_system import PhoneSystem, ToldCall


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell what can be said on the command line."""
    parser.add_argument("--url", required=True, help="the webhook, http://…/hooks/<pbx id>/events")
    proof = parser.add_mutually_exclusive_group(required=True)
    proof.add_argument("--secret-file", metavar="FILE", help="file with the signing secret, whsec_…")
    proof.add_argument("--token-file", metavar="FILE", help="file with a bearer token")
    parser.add_argument("--story", required=True, choices=sorted(STORIES), help="what happens")
    parser.add_argument("--number", default="+1 312 555 0142", help="the number of the other side")
    parser.add_argument("--name", default="", help="the name that the caller shows")
    parser.add_argument("--extension", default="101", help="the extension that it happens on")
    parser.add_argument("--second", default="102", help="the colleague's extension, where the story has one")
    parser.add_argument("--ring", type=float, metavar="S", help="how long it rings")
    parser.add_argument("--talk", type=float, metavar="S", help="how long they speak")
    parser.add_argument("--speed", type=float, default=1.0, help="10 is ten times as fast")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="tell the story N times")
    parser.add_argument("--retry-for", type=float, default=0.0, metavar="S", help="post again for so long")
    parser.add_argument("--ca-file", metavar="FILE", help="certificate that an https address is checked with")
    parser.add_argument(
        "--ledger", metavar="FILE", help="append the calls as JSON lines; default: print them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Tell the story; 0 when every event was taken, 1 otherwise."""
    try:
        system = PhoneSystem(
            url=arguments.url,
            secret=_read(arguments.secret_file),
            token=_read(arguments.token_file),
            speed=arguments.speed,
            retry_for_s=arguments.retry_for,
            ca_file=arguments.ca_file,
        )
        calls: list[ToldCall] = []
        with system:
            for _ in range(arguments.repeat):
                calls += tell_story(arguments.story, system=system, settings=_settings(arguments))
    except (ValueError, OSError) as wrong:
        print(f"pbx: {wrong}", file=sys.stderr)
        return 2
    lines = "".join(json.dumps(call.to_json(), ensure_ascii=False) + "\n" for call in calls)
    if arguments.ledger:
        with Path(arguments.ledger).open("a", encoding="utf-8") as ledger:
            ledger.write(lines)
    else:
        sys.stdout.write(lines)
    untold = sum(call.untold for call in calls)
    if untold:
        print(f"pbx: {untold} events were not taken by {arguments.url}", file=sys.stderr)
    return 1 if untold else 0


def tell_story(story: str, *, system: PhoneSystem, settings: dict[str, Any]) -> list[ToldCall]:
    """Tell a story by its name with those of the settings that it knows."""
    tell = STORIES[story]
    known = inspect.signature(tell).parameters
    return tell(system=system, **{name: value for name, value in settings.items() if name in known})


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    settings = {
        "number": arguments.number,
        "name": arguments.name,
        "extension": arguments.extension,
        "second": arguments.second,
        "ring_s": arguments.ring,
        "talk_s": arguments.talk,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _read(path: str | None) -> str | None:
    return Path(path).read_text(encoding="utf-8").strip() if path else None
