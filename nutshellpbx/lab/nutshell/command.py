"""``python -m nutshellpbx.lab nutshell``: the practice Nutshell as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal

from nutshellpbx.lab.nutshell.access_log import MOST_ENTRIES
from nutshellpbx.lab.nutshell.instance import Instance
from nutshellpbx.lab.nutshell.lists import PHONE_FILTERS
from nutshellpbx.lab.nutshell.records import KEY_KINDS
from nutshellpbx.lab.nutshell.server import NutshellServer
from nutshellpbx.lab.nutshell.sign_in import find_user_by_email


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell what can be said on the command line."""
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 lets the kernel choose")
    parser.add_argument("--contacts", type=int, default=100_000, help="how many people the company knows")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same people")
    parser.add_argument("--log", metavar="FILE", help="write the access log as JSON lines")
    parser.add_argument(
        "--keep-log",
        type=int,
        default=MOST_ENTRIES,
        metavar="N",
        help="keep the last N entries of the access log in memory (about 1 KB each)",
    )
    parser.add_argument(
        "--users",
        metavar="LIST",
        default="",
        help="more users, comma-separated: e-mail[:key[:impersonation|api|forms]]",
    )
    parser.add_argument("--public", metavar="URL", help="the address that htmlUrl is built with")
    parser.add_argument(
        "--phone-filter",
        choices=PHONE_FILTERS,
        default="ends",
        help="how filter[phone] compares (the real way is not documented)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    if arguments.contacts < 0:
        raise SystemExit("nutshell: --contacts must not be negative")
    if arguments.keep_log < 1:
        raise SystemExit("nutshell: --keep-log must be at least 1")
    instance = Instance(
        contacts=arguments.contacts,
        seed=arguments.seed,
        phone_filter=arguments.phone_filter,
        log_path=arguments.log,
        keeps_log=arguments.keep_log,
    )
    for text in filter(None, arguments.users.split(",")):
        _add_user(instance, text)
    # The made-up company never becomes garbage; freezing it keeps the collector from walking it.
    gc.collect()
    gc.freeze()
    return asyncio.run(_serve(instance, arguments))


async def _serve(instance: Instance, arguments: argparse.Namespace) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = NutshellServer(instance=instance, port=arguments.port, address=arguments.public)
    try:
        await server.start()
    except OSError as failure:
        raise SystemExit(f"nutshell: cannot listen on port {arguments.port}: {failure.strerror}") from None
    print(
        f"practice Nutshell ready on http://127.0.0.1:{server.port} "
        f"({arguments.contacts} contacts, seed {arguments.seed})",
        flush=True,
    )
    await stopped.wait()
    await server.stop()
    return 0


def _add_user(instance: Instance, text: str) -> None:
    email, _, rest = text.strip().partition(":")
    secret, _, kind = rest.partition(":")
    kind = kind or "impersonation"
    if "@" not in email or kind not in KEY_KINDS:
        raise SystemExit(f"nutshell: --users wants e-mail[:key[:{'|'.join(KEY_KINDS)}]]")
    if find_user_by_email(store=instance.store, email=email):
        raise SystemExit(f"nutshell: there is a user {email} already")
    instance.store.add_user(email=email, secret=secret, kind=kind)
