"""Fill in nginx/ for one box: names, ports and paths come from one place.

    python3 deploy/render.py --names box.local 192.0.2.7 --certificate FILE --private-key FILE

Writes the site, its snippets and pages into the folder, which nginx then includes in its http context:
`include /etc/nginx/nutshellpbx/nutshellpbx.conf;`. It neither tests nor reloads nginx. Standard library only.
"""

from __future__ import annotations

import argparse
import html
import ipaddress
import re
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "nginx"

HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
#: Whatever could end or begin something in nginx's language is no part of a path here.
PATH = re.compile(r"/[A-Za-z0-9._@+/-]*")
#: A word to fill in; $word is nginx's own.
WORD = re.compile(r"%\{([a-z_]+)\}")


class Unfit(Exception):
    """A value cannot stand in nginx's configuration; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One box as nginx sees it; `names` are host names and IP addresses, the first one is shown to people."""

    names: tuple[str, ...]
    certificate: Path
    private_key: Path
    folder: Path = Path("/etc/nginx/nutshellpbx")
    static: Path = Path("/opt/nutshellpbx/current/static")
    acme: Path = Path("/var/lib/nutshellpbx-acme")
    authority: Path = Path("/etc/nutshellpbx/ca.crt")
    log: Path = Path("/var/log/nginx")
    addresses: tuple[str, ...] = ("0.0.0.0", "[::]")
    http_port: int = 80
    https_port: int = 443
    web_port: int = 8000
    push_port: int = 8001
    polls_per_address: int = 20
    hsts_s: int = 86_400
    reading_s: int = 15

    def __post_init__(self) -> None:
        if not self.names or not self.addresses:
            raise Unfit("At least one name and one address to listen on are needed.")
        for name in self.names:
            if not is_address(name) and not HOST_NAME.fullmatch(name):
                raise Unfit(f"{name!r} is neither a host name in small letters nor an IP address.")
        for address in self.addresses:
            if not is_address(address):
                raise Unfit(f"{address!r} is no address to listen on.")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Path) and not PATH.fullmatch(str(value)):
                raise Unfit(f"{field.name}: {value} is no absolute path of plain characters.")
            if isinstance(value, int) and not 0 < value < 100_000_000:
                raise Unfit(f"{field.name}: {value} is out of range.")

    def words(self) -> dict[str, str]:
        """Every word that a template may name."""
        # A browser that asks for an IP address greets without a name: then the site itself must be the
        # default, and a pattern catches whoever greets by a name that is not ours.
        by_address = any(is_address(name) for name in self.names)
        site, others = (" default_server", "") if by_address else ("", " default_server")
        return {
            **{field.name: str(getattr(self, field.name)) for field in fields(self)},
            "name": self.names[0],
            "names": " ".join(self.names),
            "others": "~^.+$" if by_address else "_",
            "port_suffix": "" if self.https_port == 443 else f":{self.https_port}",
            "listen_http_site": self._listen(self.http_port, site),
            "listen_http_others": self._listen(self.http_port, others),
            "listen_https_site": self._listen(self.https_port, f"{site} ssl http2"),
            "listen_https_others": self._listen(self.https_port, f"{others} ssl http2"),
        }

    def _listen(self, port: int, options: str) -> str:
        return "\n".join(f"    listen {address}:{port}{options};" for address in self.addresses)


def is_address(text: str) -> bool:
    """Whether this is an IP address, an IPv6 one in brackets."""
    try:
        parsed = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return (parsed.version == 6) == text.startswith("[")


def render(*, site: Site, source: Path = SOURCE) -> dict[str, str]:
    """Every file's text, filled in, by its path in the site's folder; raises KeyError for an unknown word."""
    words = site.words()
    safe = {name: html.escape(value) for name, value in words.items()}
    rendered = {}
    for path in sorted(path for path in source.rglob("*") if path.suffix in {".conf", ".html", ".css"}):
        known = words if path.suffix == ".conf" else safe
        rendered[str(path.relative_to(source))] = _fill_in(path.read_text(encoding="utf-8"), known)
    return rendered


def _fill_in(text: str, known: dict[str, str]) -> str:
    return WORD.sub(lambda match: known[match[1]], text)


def write(*, site: Site, source: Path = SOURCE) -> list[Path]:
    """Write the files into the site's folder, each in one step, readable by nginx; returns their paths."""
    written = []
    for name, text in render(site=site, source=source).items():
        path = site.folder / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(path)
        written.append(path)
    return written


def main(arguments: list[str] | None = None) -> None:
    """Read the box's answers from the command line and write its configuration."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for field in fields(Site):
        default = None if field.default is MISSING else field.default
        several = {"nargs": "+"} if field.name in {"names", "addresses"} else {}
        kind = type(default) if isinstance(default, int) else str
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            required=default is None,
            default=default,
            type=kind,
            **several,
        )
    answers = vars(parser.parse_args(arguments))
    for field in fields(Site):
        value = answers[field.name]
        answers[field.name] = tuple(value) if isinstance(value, list) else value
        if isinstance(value, str):
            answers[field.name] = Path(value)
    try:
        for path in write(site=Site(**answers)):
            print(path)
    except Unfit as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
