"""A practice office behind a real nginx with a certificate of a local CA."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from deploy.render import Site
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Desk, Office, webhook_office
from nutshellpbx.lab.openers import recorder
from nutshellpbx.lab.processes import free_port
from tests.nginx.authority import Authority
from tests.nginx.site import Front

BEN = "ben@harbortools.example"
#: Loopback addresses, so that one test's requests do not count for another's limits.
ADDRESSES = (f"127.0.{net}.{host}" for net, host in itertools.product(range(10, 250), range(1, 250)))


@pytest.fixture(scope="session", autouse=True)
def real_database(django_db_blocker: Any) -> Iterator[None]:
    """These tests look into the office's own database, which is that of this process's settings."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def address() -> str:
    """A loopback address that nothing else asks from."""
    return next(ADDRESSES)


@pytest.fixture(scope="session")
def make_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Front]]:
    """Starts nginx with a certificate of a new CA for the names given; ends them all."""
    started: list[Front] = []

    def make(*names: str, **answers: Any) -> Front:
        folder: Path = tmp_path_factory.mktemp("nginx")
        authority = Authority(folder)
        certificate, private_key = authority.sign(*names)
        for name in ("static", "acme"):
            (folder / name).mkdir()
        folders = {"static": folder / "static", "acme": folder / "acme"}
        site = Site(
            names=names,
            certificate=certificate,
            private_key=private_key,
            folder=folder / "site",
            authority=authority.file,
            log=folder,
            **{
                "addresses": ("127.0.0.1",),
                "http_port": free_port(),
                "https_port": free_port(),
                **folders,
                **answers,
            },
        )
        front = Front(folder, site, authority=authority.file)
        started.append(front)
        front.start()
        return front

    yield make
    for front in started:
        front.stop()


@pytest.fixture(scope="session")
def office(
    tmp_path_factory: pytest.TempPathFactory, make_front: Callable[..., Front], real_database: None
) -> Iterator[Office]:
    """The office, entered over TLS, with Ada's desk paired; `front_of` has its nginx."""
    folder: Path = tmp_path_factory.mktemp("office")
    static = folder / "static"
    static.mkdir()
    web_port, push_port = free_port(), free_port()
    front = make_front("localhost", static=static, web_port=web_port, push_port=push_port)
    own = Office(
        folder,
        contacts=600,
        users=f"{BEN}:{PRACTICE_KEY}",
        data=settings.NUTSHELLPBX_DIR,
        public_url=f"https://localhost:{front.site.https_port}",
        authority=front.authority,
        env={
            "NUTSHELLPBX_STATIC_DIR": str(static),
            "NUTSHELLPBX_WEB_PORT": str(web_port),
            "NUTSHELLPBX_PUSH_PORT": str(push_port),
        },
    )
    own.manage("collectstatic", "--noinput", "--verbosity", "0")
    with own:
        assert own.nutshell is not None
        people = [
            {
                "email": PRACTICE_EMAIL,
                "name": "Ada Vance",
                "role": "admin",
                "extensions": ["101"],
                "key": PRACTICE_KEY,
            },
            {"email": BEN, "name": "Ben Ortiz", "extensions": ["102"], "key": PRACTICE_KEY},
        ]
        own.enter(webhook_office(nutshell=own.nutshell.address, people=people))
        own.add_desk(email=PRACTICE_EMAIL, opener=recorder(folder / "ada.txt"), name="ada")
        own.wait_until_ready()
        FRONTS[id(own)] = front
        yield own


FRONTS: dict[int, Front] = {}


@pytest.fixture(scope="session")
def front(office: Office) -> Front:
    """The nginx in front of the office."""
    return FRONTS[id(office)]


@pytest.fixture(scope="session")
def ada(office: Office) -> Desk:
    return office.desks[0]


@pytest.fixture(scope="session")
def bens_token(office: Office, front: Front) -> str:
    """The token of Ben's desktop, which is paired by hand and runs no client."""
    asked = json.dumps({"name": "Ben's", "os": "test", "client_version": "0"}).encode()
    kind = {"Content-Type": "application/json"}
    address = next(ADDRESSES)
    started = front.ask("POST", "/api/desktop/pairings", asked, address=address, headers=kind).json
    office.manage("practice", "approve", "--code", started["code"], "--email", BEN)
    claimed = front.ask(
        "POST",
        "/api/desktop/pairings/claim",
        b"{}",
        address=address,
        headers={**kind, "Authorization": f"Bearer {started['poll_secret']}"},
    )
    return str(claimed.json["token"])


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares a text with its golden file, or writes that anew when WRITE_GOLDEN is set."""
    folder = Path(__file__).parent / "golden"

    def compare(name: str, text: str) -> None:
        path = folder / f"{name}.txt"
        if WRITE_GOLDEN:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


WRITE_GOLDEN = bool(os.environ.get("WRITE_GOLDEN"))
