"""Our pages lead on to the CRM's: another origin, which `form-action` lets no form be redirected to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from nutshellpbx.lab.office import Desk, Office
from nutshellpbx.lab.openers import recorder
from nutshellpbx.lab.phone_system import PhoneSystem
from tests.browser.conftest import BEN, BENS_LINE, WATCH

PAGE_S = 20.0
REFUSED = "window.__refused"
#: With the page's script and without any: a desk's browser may forbid it.
SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


class Ben:
    """Ben's desk writes down the addresses that it is sent; his browser opens them here."""

    def __init__(self, office: Office, desk: Desk, system: PhoneSystem) -> None:
        assert office.nutshell is not None
        self.nutshell, self._desk, self._system = office.nutshell, desk, system
        self._shared = iter(office.nutshell.sample(count=100, kind="shared"))

    def rings(self, *, number: str, name: str = "") -> str:
        """Somebody calls; the address that the desk is sent."""
        seen = len(self._desk.opened())
        call = {"call": self._system.new_call_id(), "direction": "inbound", "number": number, "name": name}
        self._system.tell({**call, "kind": "ringing", "extension": BENS_LINE})
        until = time.monotonic() + PAGE_S
        while len(self._desk.opened()) == seen:
            assert time.monotonic() < until, "the desk was sent nothing"
            time.sleep(0.05)
        return self._desk.opened()[-1]

    def rings_from_a_shared_number(self) -> str:
        """Somebody calls whose number stands at several records; the chooser's address."""
        return self.rings(number=next(self._shared)["number"])

    def fetched(self, path: str) -> list[dict[str, Any]]:
        """What the practice Nutshell says of who fetched a page."""
        return [entry for entry in self.nutshell.opened_pages() if entry["path"] == path]


@pytest.fixture(scope="module")
def ben(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ben]:
    file: Path = tmp_path_factory.mktemp("ben") / "opened.txt"
    desk = office.add_desk(email=BEN, opener=recorder(file), name="ben")
    with office.phone_system() as system:
        yield Ben(office, desk, system)


@pytest.fixture
def page(browser: Browser, script: bool) -> Iterator[Page]:
    """A page of a browser in which nobody has signed in."""
    context = browser.new_context(java_script_enabled=script)
    context.add_init_script(WATCH)
    yield context.new_page()
    context.close()


def assert_stands_on_the_record(page: Page, ben: Ben, name: str) -> None:
    """The browser stands on the practice Nutshell's own page of this person, which it fetched as a page."""
    page.wait_for_url(re.compile(re.escape(ben.nutshell.address) + "/(person|company)/"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    fetched = ben.fetched(page.url.removeprefix(ben.nutshell.address))
    assert fetched and fetched[-1]["dest"] == "document" and "Chrome" in str(fetched[-1]["agent"])


@SCRIPT
def test_choice_ends_on_the_record_in_the_crm(page: Page, ben: Ben) -> None:
    page.goto(ben.rings_from_a_shared_number())
    first = page.locator("button[name=card]").first
    name = first.locator("b").inner_text()
    first.click()
    assert_stands_on_the_record(page, ben, name)


@pytest.mark.parametrize("script", [True], ids=["script"])
def test_choice_is_made_by_one_key(page: Page, ben: Ben) -> None:
    page.goto(ben.rings_from_a_shared_number())
    name = page.locator("button[name=card]").nth(1).locator("b").inner_text()
    page.keyboard.press("2")
    assert_stands_on_the_record(page, ben, name)


@pytest.mark.parametrize(
    ("script", "number", "name"),
    [(True, "+12125550161", "Rosa Hale"), (False, "+12125550162", "Milan Okoro")],
    ids=["script", "no script"],
)
def test_new_contact_ends_on_its_record_in_the_crm(page: Page, ben: Ben, number: str, name: str) -> None:
    page.goto(ben.rings(number=number, name=name))
    expect(page.get_by_label("Name")).to_have_value(name)
    page.get_by_role("button", name="Create in").click()
    until = time.monotonic() + PAGE_S
    # Without script the page says how it stands when one asks again.
    while not page.url.startswith(ben.nutshell.address) and time.monotonic() < until:
        again = page.get_by_role("button", name="Look again")
        if again.is_visible():
            again.click()
        page.wait_for_timeout(100)
    assert_stands_on_the_record(page, ben, name)


@pytest.mark.parametrize("script", [True], ids=["script"])
def test_redirected_form_would_be_stopped_by_our_own_policy(page: Page, ben: Ben) -> None:
    """Why a choice is answered with a page that leads on: a redirect in its place goes nowhere."""
    address = ben.rings_from_a_shared_number()
    away = f"{ben.nutshell.address}/person/1-x"
    page.route("**/pop/choose", lambda route: route.fulfill(status=302, headers={"Location": away}))
    page.goto(address)
    page.locator("button[name=card]").first.click(no_wait_after=True)
    page.wait_for_function(f"{REFUSED}.length > 0")
    assert page.evaluate(REFUSED)[0].startswith("form-action ")
    assert page.url == address
    assert not ben.fetched("/person/1-x")
