"""A server on loopback that plays what a test tells it to, and an authority for its certificates."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nutshellpbx import outbound
from nutshellpbx.faults import Fault

KEY = "4f9c2d7be01a6358c9d4f7a2b1e0c3d596874a5b"
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
Script = Callable[[socket.socket, int], None]


class Server:
    """A server on loopback whose every connection is played by a script; keeps the requests that it read."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.accepted = 0
        self._script = script
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.released = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._play, args=(connection, self.accepted))
            self._threads.append(thread)
            thread.start()

    def _play(self, connection: socket.socket, number: int) -> None:
        connection.settimeout(20)
        with contextlib.suppress(OSError):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._script(connection, number)
        connection.close()

    def read(self, connection: socket.socket) -> bytes:
        """Read one whole request; raises OSError when the client went away."""
        request = b""
        while b"\r\n\r\n" not in request:
            request += self._some(connection)
        head, _separator, body = request.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += self._some(connection)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def _some(self, connection: socket.socket) -> bytes:
        some = connection.recv(65536)
        if not some:
            raise OSError("gone")
        return some

    def close(self) -> None:
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(25)


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def ask(server: Server, **wishes: Any) -> outbound.Answer:
    defaults: dict[str, Any] = {
        "method": "GET",
        "url": f"{server.origin}/rest/contacts",
        "origins": [server.origin],
        "timeout_s": 5,
    }
    return outbound.ask(**(defaults | wishes))


def fault_of(server: Server, **wishes: Any) -> Any:
    with pytest.raises(Fault) as caught:
        ask(server, **wishes)
    assert caught.value.title
    return caught.value


def answer(body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def read_head(connection: socket.socket) -> None:
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += connection.recv(65536) or b"\r\n\r\n"


def trickle(connection: socket.socket, text: bytes) -> None:
    for byte in text:
        connection.sendall(bytes([byte]))
        threading.Event().wait(0.02)


def then(*steps: Any) -> Script:
    """A script that reads the request, then sends, waits or closes as told."""

    def play(connection: socket.socket, number: int) -> None:
        read_head(connection)
        for step in steps:
            if isinstance(step, bytes):
                connection.sendall(step)
            elif step == "reset":
                reset(connection)
            elif step == "wait":
                connection.recv(1)
            elif step == "close":
                connection.close()
            else:
                step(connection)

    return play


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def lead_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name lead to these addresses."""

    def rows(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(0, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", rows)


class Authority:
    """A certificate authority for tests; `bundle` is its certificate's file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {folder.name}")])
        self._certificate = self._sign(self._name, self._key, is_authority=True, name="")
        self.bundle = str(folder / "ca.pem")
        Path(self.bundle).write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, key: Any, *, is_authority: bool, name: str) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if name:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def context_for(self, name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, is_authority=False, name=name)
        path = self._folder / f"{name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context
