"""Filling in nginx's site: every word known, every value plain, one place for names, ports and paths."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.render import SOURCE, Site, Unfit, render, write
from tests.deploy.units import ROOT

FIT: dict[str, Any] = {
    "names": ("box.local", "192.0.2.7"),
    "certificate": Path("/etc/nutshellpbx/box.crt"),
    "private_key": Path("/etc/nutshellpbx/box.key"),
}


def test_every_file_is_filled_in_and_names_one_box() -> None:
    files = render(site=Site(**FIT, https_port=8443))
    assert set(files) == {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if path.is_file()}
    assert not [name for name, text in files.items() if "%{" in text]
    site = files["nutshellpbx.conf"]
    assert "server_name box.local 192.0.2.7;" in site
    assert "listen [::]:8443" in site and "return 301 https://$host:8443$request_uri;" in site
    assert "https://box.local:8443/" in files["pages/trust.html"]


def test_every_included_file_is_there_and_none_is_left_over() -> None:
    files = render(site=Site(**FIT, folder=Path("/site")))
    included = {
        line.split("/site/")[1].rstrip(";")
        for text in files.values()
        for line in text.splitlines()
        if line.strip().startswith("include /site/")
    }
    assert included == {name for name in files if name.startswith("snippets/")}


@pytest.mark.parametrize(
    ("names", "site_is_default"),
    [(("box.local",), False), (("box.local", "192.0.2.7"), True), (("[fd00::7]",), True)],
)
def test_a_box_reached_by_its_address_answers_a_greeting_without_a_name(
    names: tuple[str, ...], site_is_default: bool
) -> None:
    site = render(site=Site(**{**FIT, "names": names}))["nutshellpbx.conf"]
    servers = [part.split("server_name ")[:2] for part in site.split("\nserver {")[1:]]
    for listens, rest in servers:
        is_site = rest.startswith(" ".join(names) + ";")
        assert ("default_server" in listens) == (is_site == site_is_default), listens
    assert ("server_name ~^.+$;" in site) == site_is_default


@pytest.mark.parametrize(
    "unfit",
    [
        {"names": ()},
        {"names": ("box.local; }",)},
        {"names": ("Box.local",)},
        {"names": ("-box.local",)},
        {"names": ("*.box.local",)},
        {"names": ("fd00::7",)},
        {"addresses": ("localhost",)},
        {"certificate": Path("/etc/a b.crt")},
        {"certificate": Path("box.crt")},
        {"static": Path("/static;}")},
        {"https_port": 0},
        {"hsts_s": -1},
    ],
)
def test_what_could_say_something_else_to_nginx_is_refused(unfit: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        Site(**{**FIT, **unfit})


def test_a_misspelt_word_in_a_template_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text("listen %{prot};")
    with pytest.raises(KeyError):
        render(site=Site(**FIT), source=tmp_path)


def test_writing_again_replaces_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    first = write(site=Site(**FIT, folder=tmp_path))
    second = write(site=Site(**{**FIT, "names": ("other.local",)}, folder=tmp_path))
    assert first == second
    assert sorted(second) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert "other.local" in (tmp_path / "nutshellpbx.conf").read_text()


def test_the_command_line_writes_what_the_function_does(tmp_path: Path) -> None:
    command = [sys.executable, "deploy/render.py", "--names", "box.local", "--folder", str(tmp_path)]
    command += ["--certificate", "/c.crt", "--private-key", "/c.key", "--web-port", "18000"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert "server 127.0.0.1:18000;" in (tmp_path / "nutshellpbx.conf").read_text()
    refused = subprocess.run(
        [*command, "--names", "a;b"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert refused.returncode == 2 and "neither a host name" in refused.stderr


def test_the_tls_snippet_speaks_mozilla_s_intermediate_and_names_no_curves() -> None:
    text = (SOURCE / "snippets/tls.conf").read_text()
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in text and "ssl_ecdh_curve" not in text
    ciphers = text.split("ssl_ciphers ")[1].split(";")[0].split(":")
    assert len(ciphers) == 6
    assert all(each.startswith("ECDHE-") and ("GCM" in each or "POLY1305" in each) for each in ciphers)
