"""The desktop client's command line: pair, run, status, origins, ring, unpair."""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from gettext import gettext as _

from nutshellpbx import __version__, wire
from nutshellpbx.client import keystore
from nutshellpbx.client.address import Refused, normal_origin
from nutshellpbx.client.config import (
    Pairing,
    Places,
    Settings,
    Unusable,
    find_pairing,
    find_places,
    find_state,
    keep,
    read_settings,
)
from nutshellpbx.client.link import Away, Link, NotPaired, TurnedDown, normal_server
from nutshellpbx.client.opener import Opener
from nutshellpbx.client.report import find_name, find_os, make_report
from nutshellpbx.client.run import Desk, alone, is_running, usable

OK, FAILED, USAGE, NOT_PAIRED = 0, 1, 2, 4
#: The longest number and name that a ring may carry, and the pause before its second try.
RING_NUMBER, RING_NAME, RING_AGAIN_S = 64, 200, 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, 1 when it did not work, 2 for a wrong call, 4 when not paired."""
    arguments = _parse(list(sys.argv[1:] if argv is None else argv))
    try:
        places = find_places()
        settings = read_settings(places)
        code: int = arguments.command(arguments, places, settings)
        return code
    except NotPaired as error:
        _complain(f"{error} " + _("Pair it again: nutshellpbx-client pair ADDRESS"))
        return NOT_PAIRED
    except (Away, TurnedDown, Unusable, wire.Malformed) as error:
        _complain(str(error))
        return FAILED
    except KeyboardInterrupt:
        return OK


def pair(arguments: argparse.Namespace, places: Places, settings: Settings) -> int:
    """Show a code, wait until it is approved, keep the token, have the person confirm the origins."""
    server = normal_server(arguments.address)
    ca_bundle = arguments.ca or settings.ca_bundle
    request = wire.PairingRequest(
        name=wire.clean(arguments.name or find_name(), most=80), os=find_os(), client_version=__version__
    )
    started = Link(server, ca_bundle=ca_bundle).start_pairing(request)
    half = wire.CODE_LENGTH // 2
    _say(_("Code: {code}").format(code=f"{started.code[:half]}-{started.code[half:]}"))
    _say(_("Sign in and approve it within five minutes: {address}").format(address=started.approve_url))
    link = Link(server, secret=started.poll_secret, ca_bundle=ca_bundle)
    until = time.monotonic() + started.expires_in_s + 60
    paired = None
    while paired is None:
        if time.monotonic() > until:
            raise TurnedDown(_("Nobody approved the code in time."))
        time.sleep(max(1, started.interval_s))
        try:
            paired = link.claim()
        except Away as error:
            _complain(str(error))
    _forget(places)
    kept_in = keystore.keep_token(places, paired.device, paired.token)
    pairing = Pairing(
        server=server,
        push_url=normal_server(paired.push_url),
        device=paired.device,
        user=paired.user,
        name=request.name,
        token_kept_in=kept_in,
        ca_bundle=ca_bundle,
    )
    keep(places.pairing, pairing)
    _say(
        _("Paired for {user}. The key is in {place}.").format(
            user=paired.user, place=keystore.say_where(kept_in, places)
        )
    )
    pairing = _confirm(places, pairing, paired.origins, yes=arguments.yes_origins)
    Link(server, secret=paired.token, ca_bundle=ca_bundle).report(make_report(pairing.origins))
    return OK


def run(arguments: argparse.Namespace, places: Places, settings: Settings) -> int:
    """Wait for calls and open pages, until stopped."""
    pairing = _demand_pairing(places)
    token = keystore.get_token(places, pairing.device, pairing.token_kept_in)
    with alone(places):
        Desk(places=places, settings=settings, pairing=pairing, token=token, say=_say).run(
            once=arguments.once
        )
    return OK


def status(_arguments: argparse.Namespace, places: Places, settings: Settings) -> int:
    """Say in words how this desktop stands."""
    pairing = find_pairing(places)
    if pairing is None:
        _say(_("This desktop is not paired. To pair it: nutshellpbx-client pair ADDRESS"))
        return NOT_PAIRED
    _say(
        _("Paired with {server} for {user}, as “{name}”.").format(
            server=pairing.server, user=pairing.user, name=pairing.name
        )
    )
    _say(_("The key is in {place}.").format(place=keystore.say_where(pairing.token_kept_in, places)))
    _say(
        _("Pages may be opened from: {origins}.").format(
            origins=", ".join(pairing.origins) or _("nowhere yet")
        )
    )
    _say(_("Pages are opened by: {opener}.").format(opener=Opener(settings).describe()))
    _say(
        _("The client runs.") if is_running(places) else _("The client does not run: nutshellpbx-client run")
    )
    if heard_at := find_state(places).heard_at:
        when = datetime.fromtimestamp(heard_at).astimezone().strftime("%Y-%m-%d %H:%M")
        _say(_("Last heard from the server: {when}.").format(when=when))
    token = keystore.get_token(places, pairing.device, pairing.token_kept_in)
    offered = Link(pairing.server, secret=token, ca_bundle=settings.ca_bundle or pairing.ca_bundle).origins()
    _say(_("The server answers and knows this desktop."))
    for origin in sorted(usable(offered) - usable(pairing.origins)):
        _say(
            _("New here: {origin}. To allow it: nutshellpbx-client origins --add {origin}").format(
                origin=origin
            )
        )
    return OK


def origins(arguments: argparse.Namespace, places: Places, settings: Settings) -> int:
    """List, add or remove the origins that pages may be opened from."""
    pairing = _demand_pairing(places)
    try:
        added = [normal_origin(text) for text in arguments.add]
        removed = {normal_origin(text) for text in arguments.remove}
    except Refused as refused:
        raise TurnedDown(f"{refused}.") from refused
    if arguments.ask:
        token = keystore.get_token(places, pairing.device, pairing.token_kept_in)
        link = Link(pairing.server, secret=token, ca_bundle=settings.ca_bundle or pairing.ca_bundle)
        pairing = _confirm(places, pairing, link.origins(), yes=False)
    chosen = tuple(dict.fromkeys(one for one in (*pairing.origins, *added) if one not in removed))
    if chosen != pairing.origins:
        keep(places.pairing, replace(pairing, origins=chosen))
    for origin in chosen:
        _say(origin)
    return OK


def ring(arguments: argparse.Namespace, places: Places, settings: Settings) -> int:
    """Tell the server of a call that this desk's own telephone program lets ring.

    A second try is known there by its id; what is still refused then, the person reads.
    """
    pairing = _demand_pairing(places)
    told = {
        "id": str(uuid.uuid4()),
        "number": wire.clean(arguments.number, most=RING_NUMBER),
        "name": wire.clean(" ".join(arguments.name), most=RING_NAME),
    }
    if not any(sign.isdigit() for sign in told["number"]):
        return OK  # a hidden number, or the placeholder itself: there is nobody to look up
    token = keystore.get_token(places, pairing.device, pairing.token_kept_in)
    link = Link(pairing.server, secret=token, ca_bundle=settings.ca_bundle or pairing.ca_bundle)
    try:
        link.ring(told)
    except Away:
        time.sleep(RING_AGAIN_S)
        link.ring(told)
    return OK


def unpair(_arguments: argparse.Namespace, places: Places, settings: Settings) -> int:
    """Give the right back and forget everything; works without the server too."""
    pairing = _demand_pairing(places)
    try:
        token = keystore.get_token(places, pairing.device, pairing.token_kept_in)
        Link(pairing.server, secret=token, ca_bundle=settings.ca_bundle or pairing.ca_bundle).unpair()
    except (Away, TurnedDown, Unusable) as error:
        _complain(str(error))
        _complain(_("The server could not be told: remove this desktop there, on your page Desktops."))
    except NotPaired:
        pass  # the server has forgotten it already
    _forget(places)
    _say(_("This desktop is no longer paired."))
    return OK


def _confirm(places: Places, pairing: Pairing, offered: tuple[str, ...], *, yes: bool) -> Pairing:
    """Ask for each new origin; without a terminal to ask on, none is allowed."""
    chosen = list(pairing.origins)
    for origin in sorted(usable(offered) - usable(pairing.origins)):
        if yes or (sys.stdin.isatty() and _agrees(origin)):
            chosen.append(origin)
            _say(_("Pages of {origin} may be opened here.").format(origin=origin))
        else:
            _say(
                _("Not allowed: {origin}. To allow it: nutshellpbx-client origins --add {origin}").format(
                    origin=origin
                )
            )
    pairing = replace(pairing, origins=tuple(chosen))
    keep(places.pairing, pairing)
    return pairing


def _agrees(origin: str) -> bool:
    answer = input(_("May this server open pages of {origin} on this desktop? [y/N] ").format(origin=origin))
    return answer.strip().lower() in {"y", "yes", _("y"), _("yes")}


def _demand_pairing(places: Places) -> Pairing:
    pairing = find_pairing(places)
    if pairing is None:
        raise NotPaired(_("This desktop is not paired."))
    return pairing


def _forget(places: Places) -> None:
    try:
        old = find_pairing(places)
    except Unusable:
        old = None  # broken: there is nothing to be forgotten in the key store by name
    if old is not None:
        keystore.forget_token(places, old.device, old.token_kept_in)
    places.pairing.unlink(missing_ok=True)
    places.state.unlink(missing_ok=True)


def _say(line: str) -> None:
    try:
        print(line, flush=True)
    except UnicodeEncodeError:  # a terminal of an old code page
        print(line.encode("ascii", "replace").decode(), flush=True)


def _complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parse(argv: list[str]) -> argparse.Namespace:
    """The arguments; all that stands behind a ring's --name is the name: callers choose what it says."""
    name: list[str] = []
    if argv[:1] == ["ring"] and "--name" in argv[2:]:
        place = argv.index("--name", 2)
        argv, name = argv[:place], argv[place + 1 :]
    arguments = _parser().parse_args(argv)
    if name:
        arguments.name = name
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nutshellpbx-client", description=_("Opens the caller's CRM record on this desktop.")
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar=_("COMMAND"))
    one = commands.add_parser("pair", help=_("pair this desktop with a server"))
    one.add_argument("address", help=_("the server's address, e.g. https://nutshellpbx.example.lan"))
    one.add_argument("--name", default="", help=_("this desktop's name (default: the machine's)"))
    one.add_argument("--ca", default="", help=_("a file of certificates to trust for this server"))
    one.add_argument(
        "--yes-origins", action="store_true", help=_("allow the server's origins without asking")
    )
    one.set_defaults(command=pair)
    one = commands.add_parser("run", help=_("wait for calls and open pages"))
    one.add_argument("--once", action="store_true", help=_("stop after the first page"))
    one.set_defaults(command=run)
    one = commands.add_parser("status", help=_("say how this desktop stands"))
    one.set_defaults(command=status)
    one = commands.add_parser("origins", help=_("list or change where pages may be opened from"))
    one.add_argument("--add", action="append", default=[], metavar=_("ORIGIN"), help=_("allow an origin"))
    one.add_argument(
        "--remove", action="append", default=[], metavar=_("ORIGIN"), help=_("no longer allow it")
    )
    one.add_argument(
        "--ask", action="store_true", help=_("fetch the server's origins and ask for each new one")
    )
    one.set_defaults(command=origins)
    one = commands.add_parser("ring", help=_("tell of a ringing call (for telephone programs)"))
    one.add_argument("--number", required=True, help=_("the caller's number"))
    # names of several words come as several arguments where nobody put them into quotes
    one.add_argument("--name", nargs="*", default=[], help=_("the caller's name"))
    one.set_defaults(command=ring)
    one = commands.add_parser("unpair", help=_("undo the pairing"))
    one.set_defaults(command=unpair)
    return parser


if __name__ == "__main__":
    sys.exit(main())
