"""The headers of each class of address, compared with golden files: a change is seen, and meant.

To write them anew after a change that is meant: WRITE_GOLDEN=1 pytest tests/nginx/test_headers.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nutshellpbx.lab.office import Office
from tests.nginx.site import Front, as_golden

JSON = {"Content-Type": "application/json"}
Compare = Callable[[str, str], None]

CASES = {
    "page": ("GET", "/sign-in", None, {}),
    "page-redirect": ("GET", "/me/calls", None, {}),
    "page-missing": ("GET", "/nowhere", None, {}),
    "api": ("GET", "/api/desktop/me", None, {}),
    "api-bad": ("POST", "/api/desktop/pairings", b"{", JSON),
    "hook": ("POST", "/hooks/{pbx}/events", b"{}", JSON),
    "push": ("GET", "/push/instructions?after=0&wait=0", None, {}),
    "health": ("GET", "/healthz", None, {}),
    "static-missing": ("GET", "/static/nothing.css", None, {}),
    "too-large-page": ("POST", "/sign-in", b"x" * 1_100_000, {"Content-Type": "text/plain"}),
    "too-large-hook": ("POST", "/hooks/{pbx}/events", b"x" * 90_000, JSON),
}


@pytest.mark.parametrize("name", CASES)
def test_headers_are_those_of_the_golden_file(
    name: str, office: Office, front: Front, address: str, golden: Compare
) -> None:
    method, path, body, headers = CASES[name]
    answer = front.ask(method, path.format(**office.ids), body, address=address, headers=headers)
    golden(name, as_golden(answer))


@pytest.mark.parametrize(
    ("name", "path"),
    [("http-trust", "/trust"), ("http-redirect", "/me/calls?page=2"), ("http-api", "/api/desktop/me")],
)
def test_headers_over_plain_http_are_those_of_the_golden_file(
    name: str, path: str, front: Front, address: str, golden: Compare
) -> None:
    golden(name, as_golden(front.ask("GET", path, address=address, plain=True)))


def test_a_collected_file_may_be_kept_for_a_year_and_comes_compressed(
    front: Front, address: str, golden: Compare
) -> None:
    page = front.ask("GET", "/sign-in", address=address).body.decode()
    files = re.findall(r'(?:href|src)="(/static/[^"#]+)', page)
    assert len(files) > 5
    for path in set(files):
        answer = front.ask("GET", path, address=address)
        assert answer.status == 200, path
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable", path
    sheet = next(path for path in files if path.endswith(".css"))
    packed = front.ask("GET", sheet, address=address, headers={"Accept-Encoding": "gzip"})
    assert len(packed.body) < len(front.ask("GET", sheet, address=address).body) / 2
    golden("static", as_golden(packed))


def test_a_file_without_a_digest_in_its_name_is_asked_for_again_within_the_hour(
    front: Front, address: str
) -> None:
    answer = front.ask("GET", "/static/dashboard/mark.svg", address=address)
    assert (answer.status, answer.headers["cache-control"]) == (200, "public, max-age=3600")
    assert answer.headers["content-type"] == "image/svg+xml"


def test_no_answer_names_its_server_s_version_or_is_served_without_hsts(office: Office) -> None:
    for path in sorted((Path(__file__).parent / "golden").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        assert re.search(r"^server: nginx$", text, re.MULTILINE), path.name
        assert ("strict-transport-security: " in text) != path.name.startswith("http-"), path.name
        assert len(re.findall(r"^x-content-type-options: nosniff$", text, re.MULTILINE)) == 1, path.name
