"""The practice 3CX's call records: lines in a chosen order, into a file or over a socket either way."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from nutshellpbx.lab.threecx.switch import TRUNK, Call, Segment

FIELDS = [
    "historyid",
    "callid",
    "duration",
    "time-start",
    "time-answered",
    "time-end",
    "reason-terminated",
    "from-no",
    "to-no",
    "from-dn",
    "to-dn",
    "dial-no",
    "reason-changed",
    "final-number",
    "final-dn",
    "bill-code",
    "bill-rate",
    "bill-cost",
    "bill-name",
    "chain",
    "from-type",
    "to-type",
    "final-type",
    "from-dispname",
    "to-dispname",
    "final-dispname",
    "missed-queue-calls",
]


def lines_of(call: Call, *, fields: list[str], hours_ahead: float = 0.0) -> list[str]:
    """A call's records: one line for each segment; times go ahead of UTC by so many hours."""
    return [_line(call, each, fields, hours_ahead) for each in call.segments]


def _line(call: Call, segment: Segment, fields: list[str], hours_ahead: float) -> str:
    is_inbound = call.direction == "inbound"
    ended = segment.ended_at or segment.began_at
    talked = ended - (segment.answered_at or ended)
    own, other = f"Ext.{segment.dn}", call.number
    values = {
        "historyid": f"Call {call.callid}",
        "callid": f"00000C{call.began_at:%H%M%S%f}_{call.callid}",
        "duration": str(talked).partition(".")[0].rjust(8, "0"),
        "time-start": _time(segment.began_at, hours_ahead),
        "time-answered": _time(segment.answered_at, hours_ahead),
        "time-end": _time(ended, hours_ahead),
        "reason-terminated": "TerminatedBySrc" if segment.answered_at else "Failed_Cancelled",
        "from-no": other if is_inbound else own,
        "to-no": own if is_inbound else other,
        "from-dn": TRUNK if is_inbound else segment.dn,
        "to-dn": segment.dn if is_inbound else TRUNK,
        "dial-no": call.did if is_inbound else other,
        "bill-rate": "1",
        "bill-cost": "0",
        "chain": f"Chain: {other};{own};",
        "from-type": "Line" if is_inbound else "Extension",
        "to-type": "Extension" if is_inbound else "Line",
        "from-dispname": call.caller if is_inbound else "",
        "to-dispname": "" if is_inbound else call.caller,
    }
    return ",".join(values.get(name, "") for name in fields)


def _time(at: datetime | None, hours_ahead: float) -> str:
    if at is None:
        return ""
    return f"{datetime.fromtimestamp(at.timestamp() + hours_ahead * 3600, at.tzinfo):%Y/%m/%d %H:%M:%S}"


class RecordWriter:
    """Writes each ended call's lines into a file, to whoever connects, or to a port that is called."""

    def __init__(self, *, fields: list[str] | None = None, hours_ahead: float = 0.0) -> None:
        self.fields = fields or FIELDS
        self.hours_ahead = hours_ahead
        self.file: Path | None = None
        self._readers: list[socket.socket] = []
        self._server: socket.socket | None = None
        self._lock = threading.Condition()

    def open_port(self) -> int:
        """The passive socket: whoever connects reads along. Its port."""
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return int(self._server.getsockname()[1])

    def call_port(self, port: int) -> None:
        """The active socket: we connect to a reader's port."""
        with self._lock:
            self._readers.append(socket.create_connection(("127.0.0.1", port), timeout=5))
            self._lock.notify_all()

    def wait_for_readers(self, count: int = 1, *, timeout_s: float = 10.0) -> bool:
        """Whether so many read along in time."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self._readers) >= count, timeout_s)

    def write(self, call: Call) -> None:
        """A call is over: its lines go out."""
        for line in lines_of(call, fields=self.fields, hours_ahead=self.hours_ahead):
            text = f"{line}\r\n".encode()
            if self.file is not None:
                with self.file.open("ab") as file:
                    file.write(text)
            with self._lock:
                for reader in self._readers:
                    with suppress(OSError):
                        reader.sendall(text)

    def close(self) -> None:
        if self._server is not None:
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
        for reader in self._readers:
            reader.close()

    def _accept(self) -> None:
        while self._server is not None:
            try:
                reader, _address = self._server.accept()
            except OSError:
                return
            with self._lock:
                self._readers.append(reader)
                self._lock.notify_all()
