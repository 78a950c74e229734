"""The one door to the server: HTTP with time-outs and bounds, no redirects, to the paired addresses alone."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from gettext import gettext as _
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from nutshellpbx import __version__, wire
from nutshellpbx.client.address import Refused, normal_origin

CONNECT_S = 5
ANSWER_S = 15
#: A poll is answered within 25 s; silent for this much longer, and the way to the server is gone.
POLL_GRACE_S = 10
MOST_SMALL_BYTES = 64 * 1024


class Away(Exception):
    """The server can't be reached, or can't answer now: try again. The text is for the person."""


class NotPaired(Exception):
    """The server does not know this desktop (any more)."""


class TurnedDown(Exception):
    """The server refuses what was asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Bearer(AuthBase):
    """`Authorization: Bearer`; being an auth object, no .netrc of the user can replace it."""

    secret: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.secret}"
        return request

    def __repr__(self) -> str:
        return "Bearer(***)"


class KeepingAlive(HTTPAdapter):
    """Connections on which the system looks for the other side: a dead one is noticed within seconds."""

    def init_poolmanager(self, *args: Any, **values: Any) -> None:
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        # Names differ by system: Linux and Windows, then macOS.
        for name, value in (
            ("TCP_KEEPIDLE", 8),
            ("TCP_KEEPALIVE", 8),
            ("TCP_KEEPINTVL", 3),
            ("TCP_KEEPCNT", 3),
        ):
            if hasattr(socket, name):
                options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
        super().init_poolmanager(*args, socket_options=options, **values)


def normal_server(address: str) -> str:
    """A server's address in its plain form; raises TurnedDown for one that a token must not be sent to."""
    text = address.strip().rstrip("/")
    if "://" not in text:
        text = f"https://{text}"
    try:
        return normal_origin(text)
    except Refused as refused:
        raise TurnedDown(
            _("{address} can't be used: {why}.").format(address=address, why=refused)
        ) from refused


class Link:
    """A connection to one server, with the token or poll secret given."""

    def __init__(self, server: str, *, secret: str = "", ca_bundle: str = "") -> None:
        self._server = normal_server(server)
        self._secret = secret
        self._session = requests.Session()
        # No proxies and no .netrc from the environment: the server stands in the same house.
        self._session.trust_env = False
        self._session.verify = ca_bundle or True
        self._session.headers["User-Agent"] = f"nutshellpbx-client/{__version__}"
        self._session.mount("https://", KeepingAlive())
        self._session.mount("http://", KeepingAlive())

    def start_pairing(self, request: wire.PairingRequest) -> wire.PairingStarted:
        """Ask for a code; raises Away, TurnedDown."""
        return wire.read_pairing_started(self._ask("POST", "/api/desktop/pairings", wire.fields_to(request)))

    def claim(self) -> wire.Paired | None:
        """The finished pairing; None while it waits; raises Away, TurnedDown when it is over."""
        raw = self._ask("POST", "/api/desktop/pairings/claim", {})
        return None if wire.from_json(raw).get("state") == "pending" else wire.read_paired(raw)

    def report(self, report: wire.DeviceReport) -> tuple[str, ...]:
        """Tell what this desktop is; returns the origins that pages may come from."""
        return _origins(self._ask("POST", "/api/desktop/report", wire.fields_to(report)))

    def origins(self) -> tuple[str, ...]:
        """The origins that pages may come from; raises NotPaired when this desktop is not known there."""
        return _origins(self._ask("GET", "/api/desktop/me"))

    def ring(self, ring: dict[str, str]) -> None:
        """Tell of a call that rings at this desk."""
        self._ask("POST", "/api/desktop/ring", ring)

    def tell(self, outcomes: list[wire.Outcome]) -> None:
        """Report what became of instructions."""
        self._ask("POST", "/api/desktop/outcomes", wire.outcomes_to(outcomes))

    def unpair(self) -> None:
        """Give this desktop's right back."""
        self._ask("DELETE", "/api/desktop/me")

    def poll(self, *, after: int, wait_s: int, idle_s: int | None) -> wire.Batch:
        """Wait for instructions; raises Away, NotPaired."""
        path = f"/push/instructions?after={after}&wait={wait_s}" + (
            f"&idle={idle_s}" if idle_s is not None else ""
        )
        raw = self._ask("GET", path, timeout_s=wait_s + POLL_GRACE_S, most=wire.MAX_BYTES)
        try:
            return wire.read_batch(raw)
        except wire.Malformed as error:
            raise Away(_("The server's answer was not understood ({why}).").format(why=error)) from error

    def close(self) -> None:
        """Give the connections up; the next question opens new ones."""
        self._session.close()

    def _ask(
        self,
        method: str,
        path: str,
        parts: dict[str, Any] | None = None,
        *,
        timeout_s: float = ANSWER_S,
        most: int = MOST_SMALL_BYTES,
    ) -> bytes:
        host = urlsplit(self._server).netloc
        try:
            with self._session.request(
                method,
                self._server + path,
                data=None if parts is None else wire.to_json(parts),
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                auth=Bearer(self._secret) if self._secret else None,
                timeout=(CONNECT_S, timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                raw = response.raw.read(most + 1, decode_content=True)
                status = response.status_code
        except requests.exceptions.SSLError as error:
            raise Away(
                _("The certificate of {host} is not trusted here, or not for this name.").format(host=host)
            ) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # urllib3's own: the body is read past requests, and the way may break in the midst of it
            raise Away(_("{host} can't be reached.").format(host=host)) from error
        if len(raw) > most:
            raise Away(_("The answer of {host} is too long.").format(host=host))
        if status == 401:
            raise NotPaired(_("{host} does not know this desktop any more.").format(host=host))
        if status == 429 or status >= 500:
            raise Away(
                _words(raw) or _("{host} is busy or broken (HTTP {status}).").format(host=host, status=status)
            )
        if status >= 400:
            raise TurnedDown(
                _words(raw) or _("{host} refuses this (HTTP {status}).").format(host=host, status=status)
            )
        if status >= 300:
            raise TurnedDown(
                _(
                    "{host} sends us elsewhere, which is not followed. Is this NutshellPBX's own address?"
                ).format(host=host)
            )
        return bytes(raw)


def _origins(raw: bytes) -> tuple[str, ...]:
    listed = wire.from_json(raw, most=MOST_SMALL_BYTES).get("origins")
    return tuple(text for text in listed[:32] if isinstance(text, str)) if isinstance(listed, list) else ()


def _words(raw: bytes) -> str:
    """The server's own words about a refusal, as far as they are readable."""
    try:
        parts = json.loads(raw)
    except ValueError:
        return ""
    if not isinstance(parts, dict):
        return ""
    words = (parts.get("title"), parts.get("next_step"), parts.get("detail"))
    return wire.clean(" ".join(word for word in words if isinstance(word, str)), most=300)
