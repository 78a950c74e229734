from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import pytest

from nutshellpbx.lab.nutshell.running import RunningNutshell
from tests.lab.asking import add_note, ask


def page(nutshell: RunningNutshell, path: str) -> str:
    told = ask(nutshell, "GET", path, email=None)
    assert told.status == 200
    assert told.media_type == "text/html"
    return told.body.decode()


def test_the_page_of_a_person_shows_name_numbers_company_and_notes(nutshell: RunningNutshell) -> None:
    add_note(nutshell, "Inbound call & more")
    text = page(nutshell, "/person/23-mara-lindqvist")
    for shown in (
        "Mara Lindqvist",
        "+1 312-555-0142",
        "Harbor Tool Works",
        "Inbound call &amp; more",
        "Ada Vance",
    ):
        assert shown in text
    assert page(nutshell, "/person/23") == text
    assert page(nutshell, "/person/23-another-name-after-marriage") == text


def test_company_note_activity_and_sign_in_have_pages(nutshell: RunningNutshell) -> None:
    note = add_note(nutshell, "on the company", parent="11-accounts").json["notes"][0]
    assert "on the company" in page(nutshell, "/company/11-harbor-tool-works")
    assert "on the company" in page(nutshell, note["htmlUrlPath"])
    draft = {"isLogged": True, "note": "spoke long", "links": {"participants": ["23-contacts"]}}
    [call] = ask(nutshell, "POST", "/rest/activities", {"activities": [draft]}).json["activities"]
    assert "spoke long" in page(nutshell, call["htmlUrlPath"])
    assert "spoke long" in page(nutshell, "/person/23")
    assert "Sign in" in page(nutshell, "/login")


@pytest.mark.parametrize(
    "path", ["/person/999999", "/person/", "/nothing", "/person/23/../../etc", "/note/1"]
)
def test_a_page_that_does_not_exist_says_so(nutshell: RunningNutshell, path: str) -> None:
    assert ask(nutshell, "GET", path, email=None).status == 404


def test_the_form_for_a_new_person_is_filled_and_creates_one(nutshell: RunningNutshell) -> None:
    query = urlencode({"number": "+1 312 555 0188", "name": '"><script>x</script>'})
    text = page(nutshell, f"/person/new?{query}")
    assert 'value="+1 312 555 0188"' in text
    assert "<script>" not in text
    form = urlencode({"name": "Nina Frey", "phone": "+1 312 555 0188"}).encode()
    told = ask(nutshell, "POST", "/person/new", form, media_type="application/x-www-form-urlencoded")
    assert told.status == 303
    assert "Nina Frey" in page(nutshell, told.headers["location"])
    empty = ask(nutshell, "POST", "/person/new", b"", media_type="application/x-www-form-urlencoded")
    assert empty.status == 400


def test_a_real_browser_leaves_its_traces_in_the_access_log(
    nutshell: RunningNutshell, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    command = [
        *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(f"--user-data-dir={tmp_path}", "--dump-dom", f"{nutshell.url}/person/23-mara-lindqvist"),
    ]
    before = nutshell.log()[-1]["n"] if nutshell.log() else 0
    shown = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout.decode()
    assert "Mara Lindqvist" in shown
    entries = {entry["path"]: entry for entry in nutshell.log(after=before)}
    opened = entries["/person/23-mara-lindqvist"]
    assert "Chrome" in opened["agent"]
    assert opened["dest"] == "document"
    assert entries["/assets/practice.css"]["dest"] == "style", "the page was rendered, not only fetched"
