"""A real nginx in front of a practice office, and a visitor who asks it from any loopback address."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.render import Site, write
from tools.needs import find_program

READY_S = 10.0


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers by small-letter name (several of one name joined by a line), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Front:
    """One nginx as a process of its own, in the foreground, ended by its id."""

    def __init__(self, folder: Path, site: Site, *, authority: Path) -> None:
        self.folder, self.site, self.authority = folder, site, authority
        write(site=site)
        self._config = folder / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        self._config.write_text(
            f"{user}daemon off;\nworker_processes 2;\npid {folder}/nginx.pid;\n"
            f"error_log {folder}/main.log notice;\n"
            "events { worker_connections 512; }\n"
            # As Debian's own nginx.conf has it, so that what the site does not say itself shows.
            "http {\n    include /etc/nginx/mime.types;\n    default_type application/octet-stream;\n"
            "    sendfile on; tcp_nopush on; gzip on;\n"
            "    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;\n"
            f"    access_log {folder}/other-access.log;\n"
            + "".join(
                f"    {kind}_temp_path {folder}/{kind};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            + f"    include {site.folder}/nutshellpbx.conf;\n}}\n"
        )
        self._argv = [
            str(find_program("nginx")),
            "-p",
            str(folder),
            "-e",
            f"{folder}/main.log",
            "-c",
            str(self._config),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def check(self) -> subprocess.CompletedProcess[str]:
        """What `nginx -t` says."""
        return subprocess.run([*self._argv, "-t"], capture_output=True, text=True, check=False)

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection((self.site.addresses[0], self.site.https_port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=10)

    def logged(self) -> str:
        """All that nginx wrote into any log."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts the local CA alone."""
        return ssl.create_default_context(cafile=str(self.authority))

    def connect(
        self, *, address: str = "127.0.0.1", name: str = "localhost", timeout_s: float = 10
    ) -> ssl.SSLSocket:
        """A TLS connection from this loopback address."""
        plain = socket.create_connection(
            ("127.0.0.1", self.site.https_port), timeout=timeout_s, source_address=(address, 0)
        )
        return self.trusting().wrap_socket(plain, server_hostname=name)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        address: str = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
        host: str = "",
        plain: bool = False,
    ) -> Answer:
        """One request over a connection of its own; `plain` asks over HTTP."""
        if plain:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.site.http_port, timeout=10, source_address=(address, 0)
            )
        else:
            connection = http.client.HTTPSConnection(
                "localhost",
                self.site.https_port,
                timeout=10,
                source_address=(address, 0),
                context=self.trusting(),
            )
        port = self.site.http_port if plain else self.site.https_port
        try:
            connection.request(method, path, body, {"Host": host or f"localhost:{port}", **(headers or {})})
            got = connection.getresponse()
            joined: dict[str, str] = {}
            for name, value in got.getheaders():
                key = name.lower()
                joined[key] = f"{joined[key]}\n{value}" if key in joined else value
            return Answer(got.status, joined, got.read())
        finally:
            connection.close()


def as_golden(answer: Answer) -> str:
    """Status and headers in a form that stays the same from run to run."""
    lines = [str(answer.status)]
    for name, values in sorted(answer.headers.items()):
        if name in {"date", "content-length", "transfer-encoding", "last-modified", "etag", "expires"}:
            continue
        for value in values.split("\n"):
            value = re.sub(r"(__Host-[a-z]+)=[^;]+", r"\1=…", value)
            value = re.sub(r"expires=[^;]+", "expires=…", value)
            if name in {"content-security-policy", "vary"}:  # sets, in whatever order
                sign = ";" if ";" in value else ","
                value = f"{sign} ".join(sorted(part.strip() for part in value.split(sign)))
            lines.append(f"{name}: {re.sub(r'localhost:[0-9]+', 'localhost:PORT', value)}")
    return "\n".join(lines) + "\n"
