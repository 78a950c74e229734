"""The practice 3CX's doors: `/connect/token`, `/callcontrol` with its event socket, `/xapi/v1`."""

from __future__ import annotations

import json
import re
import secrets
import socket
import ssl
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from nutshellpbx.lab.threecx.frames import EventSocket, accept_key
from nutshellpbx.lab.threecx.misbehaviour import Misbehaviour
from nutshellpbx.lab.threecx.switch import Call, Segment, Switch

CLIENT, KEY = "npbx", "practice-key"


class ThreeCx:
    """A 3CX on loopback, on its own threads; calls happen at its `switch`, what goes wrong in `behaviour`."""

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.switch = Switch()
        self.switch.listeners.append(self._tell)
        self.behaviour = Misbehaviour()
        self.requests: list[tuple[str, str]] = []
        self.dialled: list[tuple[str, str]] = []
        self.tokens_given = 0
        self.sockets_opened = 0
        self.changed = threading.Condition()
        self._token = ""
        self._token_ends = 0.0
        self._sequence = 0
        self._held_back: list[str] = []
        self._sockets: list[EventSocket] = []
        handler = type("Door", (_Door,), {"pbx": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="practice-3cx",
            daemon=True,
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address, ``http://127.0.0.1:PORT``."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> ThreeCx:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drop_sockets()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # --- what can be done to it

    def drop_sockets(self) -> None:
        """Break every event socket without a word."""
        with self.changed:
            dropped, self._sockets = self._sockets, []
        for each in dropped:
            each.drop()

    def expire_tokens(self, *, cuts: bool = True) -> None:
        """The token is good no longer, and its sockets are cut (or not)."""
        self._token = ""
        if cuts:
            self.drop_sockets()

    def restart(self) -> None:
        """The whole PBX begins anew: no calls, ids from 1, no token, no socket."""
        self.switch.restart()
        self._sequence = 0
        self.expire_tokens()

    def release(self) -> None:
        """Send the events that were held back to be reordered, the last one first."""
        with self.changed:
            held, self._held_back = self._held_back, []
        for text in reversed(held):
            self._send(text)

    def wait(self, is_so: Any, *, timeout_s: float = 30.0) -> None:
        """Wait until something about it is so; raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(is_so, timeout_s):
                raise TimeoutError(f"never so; asked: {self.requests[-10:]}")

    def wait_for_listener(self, count: int = 1) -> None:
        """Wait until so many event sockets were opened, and one of them is open."""
        self.wait(lambda: self.sockets_opened >= count and any(each.is_open for each in self._sockets))

    # --- how it answers

    def give_token(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        """A new token; the one before is void, and its sockets are cut."""
        asked = {name: values[0] for name, values in form.items()}
        wanted = {"client_id": CLIENT, "client_secret": self.behaviour.key}
        if asked.get("grant_type") != "client_credentials" or any(
            asked.get(name) != value for name, value in wanted.items()
        ):
            return 400, {"error": "invalid_client"}
        with self.changed:
            self._token = secrets.token_urlsafe(24)
            self._token_ends = time.monotonic() + self.behaviour.token_life_s
            self.tokens_given += 1
            dropped = [each for each in self._sockets if each.token != self._token]
            self.changed.notify_all()
        for each in dropped:
            each.drop()
        return 200, {
            "token_type": "Bearer",
            "expires_in": self.behaviour.expires_in,
            "access_token": self._token,
            "refresh_token": None,
        }

    def is_signed(self, header: str) -> bool:
        """Whether a request carries the one good token."""
        return bool(self._token) and header == f"Bearer {self._token}" and time.monotonic() < self._token_ends

    def answer(self, method: str, path: str, content: Any) -> tuple[int, Any]:
        """Status and JSON for a signed request."""
        with self.changed:
            self.requests.append((method, path))
            self.changed.notify_all()
        if self.behaviour.failing > 0:
            self.behaviour.failing -= 1
            return 500, {"error": "practice"}
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        if parts[0] == "callcontrol":
            if not self.behaviour.has_call_control:
                return self.behaviour.refuses_with, {"error": "not licensed"}
            return self._call_control(method, parts[1:], content)
        if parts[:2] == ["xapi", "v1"]:
            return self._xapi("/".join(parts[2:])) if self.behaviour.has_xapi else (403, {"error": "no role"})
        return 404, {}

    def _call_control(self, method: str, parts: list[str], content: Any) -> tuple[int, Any]:
        if not parts:
            return 200, self.switch.describe_all()
        found = self.switch.describe(parts[0])
        if found is None:
            return 403, {"error": "not listed"}
        if method == "POST" and parts[1:] == ["makecall"]:
            return self._make_call(parts[0], content)
        if len(parts) == 1:
            return 200, found
        if parts[1] != "participants":
            return 200, found.get(parts[1], [])
        if len(parts) == 2:
            return 200, found["participants"]
        mine = next((each for each in found["participants"] if str(each["id"]) == parts[2]), None)
        if mine is None:
            return 404, {"error": "no such participant"}
        if method == "POST" and parts[3:] == ["drop"]:
            self.switch.leave((parts[0], int(parts[2])))
        return 200, mine

    def _make_call(self, dn: str, content: Any) -> tuple[int, Any]:
        number = str(content.get("destination", "")) if isinstance(content, dict) else ""
        with self.changed:
            self.dialled.append((dn, number))
            self.changed.notify_all()
        if self.behaviour.dial_fails:
            return 200, {
                "finalstatus": -1,
                "reason": "NoAnswer",
                "reasontext": "Your phone was not picked up.",
            }
        self.switch.begin(f"dialled {len(self.dialled)}", "outbound", number)
        # the own phone rings first
        key = self.switch.join(f"dialled {len(self.dialled)}", dn, "Ringing")
        return 200, {
            "finalstatus": 1,
            "reason": "",
            "result": self.switch.participants[key],
            "reasontext": "",
        }

    def _xapi(self, path: str) -> tuple[int, Any]:
        if path == "Users":
            users = [line for line in self.switch.lines.values() if line.kind == "Wextension"]
            return 200, {
                "value": [
                    {
                        "Id": place,
                        "Number": line.number,
                        "FirstName": line.first,
                        "LastName": line.last,
                        "EmailAddress": line.email,
                    }
                    for place, line in enumerate(users, start=1)
                ]
            }
        if path == "LastCdrAndChatMessageTimestamp":
            return 200, {"LastCdrEndedAt": str(len(self.switch.ended))}
        if path.startswith("ReportCallLogData/Pbx.GetCallLogData("):
            if not re.search(r"periodFrom=[^,]+,periodTo=[^,]+,sourceType=", path):
                return 400, {"error": "parameters"}
            return 200, {"value": [_log(call, each) for call in self.switch.ended for each in call.segments]}
        return 404, {}

    # --- the event socket

    def open_socket(self, connection: socket.socket, token: str) -> EventSocket:
        """A listener has opened an event socket."""
        opened = EventSocket(connection, token)
        with self.changed:
            self._sockets.append(opened)
            self.sockets_opened += 1
            self.changed.notify_all()
        return opened

    def _tell(self, kind: int, entity: str) -> None:
        with self.changed:
            sequence = self._sequence
            self._sequence += 1
        event = {"event_type": kind, "entity": entity, "attached_data": None}
        text = json.dumps({"sequence": sequence, "event": event})
        if self.behaviour.loses_events:
            return
        if self.behaviour.reorders:
            with self.changed:
                self._held_back.append(text)
            return
        for _time in range(self.behaviour.repeats):
            self._send(text)

    def _send(self, text: str) -> None:
        for each in list(self._sockets):
            each.say(text)


def _log(call: Call, segment: Segment) -> dict[str, Any]:
    ended = segment.ended_at or segment.began_at
    talked = ended - segment.answered_at if segment.answered_at else timedelta()
    outside = {"CallerId": call.number, "DisplayName": call.caller, "Dn": "10001", "Type": "Wexternalline"}
    own = {"CallerId": segment.dn, "DisplayName": "", "Dn": segment.dn, "Type": segment.kind}
    source, destination = (outside, own) if call.direction == "inbound" else (own, outside)
    return {
        "CallHistoryId": f"h{call.began_at:%H%M%S%f}",
        "MainCallHistoryId": f"h{call.began_at:%H%M%S%f}",
        "StartTime": segment.began_at.isoformat(),
        "Direction": call.direction.capitalize(),
        "Status": "Answered" if segment.answered_at else "Unanswered",
        "Answered": segment.answered_at is not None,
        "RingingDuration": f"PT{(ended - segment.began_at - talked).total_seconds():.3f}S",
        "TalkingDuration": f"PT{talked.total_seconds():.3f}S",
        **{f"Source{name}": value for name, value in source.items()},
        **{f"Destination{name}": value for name, value in destination.items()},
    }


class _Door(BaseHTTPRequestHandler):
    pbx: ThreeCx
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/callcontrol/ws":
            return self._open_socket()
        if not self.pbx.is_signed(self.headers.get("Authorization", "")):
            return self._answer(401, {"error": "token"})
        return self._answer(*self.pbx.answer("GET", self.path, None))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/connect/token":
            return self._answer(*self.pbx.give_token(parse_qs(body.decode())))
        if not self.pbx.is_signed(self.headers.get("Authorization", "")):
            return self._answer(401, {"error": "token"})
        try:
            content = json.loads(body) if body else None
        except ValueError:
            return self._answer(400, {"error": "no JSON"})
        return self._answer(*self.pbx.answer("POST", self.path, content))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: what was asked is kept in `requests`."""

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _open_socket(self) -> None:
        header = self.headers.get("Authorization", "")
        if not self.pbx.is_signed(header):
            return self._answer(401, {"error": "token"})
        if not self.pbx.behaviour.has_call_control:
            return self._answer(self.pbx.behaviour.refuses_with, {"error": "not licensed"})
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(self.headers.get("Sec-WebSocket-Key", "")))
        self.end_headers()
        self.close_connection = True
        self.pbx.open_socket(self.connection, header.removeprefix("Bearer ")).serve()
        return None
