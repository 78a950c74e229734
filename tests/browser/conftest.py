"""One Chromium and one office for all stories; a signed-in context for each person, watched for refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Office, webhook_office
from tests.browser.server import Site, running_site
from tools.needs import find_chromium

BEN, ADAS_LINE, BENS_LINE = "ben@harbortools.example", "101", "102"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Whatever the policy refuses is kept by the page itself, to be read by `refusals`.
WATCH = """
window.__refused = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.__refused.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(find_chromium()), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("office"), with_office=True) as running:
        yield running


@pytest.fixture(scope="session")
def signed_in(browser: Browser, site: Site) -> Iterator[Callable[[str], Page]]:
    """A page of somebody by name, signed in by a one-time link; "" is nobody."""
    contexts: dict[str, BrowserContext] = {}

    def page_of(who: str) -> Page:
        if who not in contexts:
            contexts[who] = browser.new_context(reduced_motion="reduce")
            contexts[who].add_init_script(WATCH)
            if who:
                page = contexts[who].new_page()
                page.goto(f"{site.url}/sign-in/link/{site.made[who]}")
                # Chromium forgets to close a page that is told so while it leaves for another.
                with page.expect_navigation():
                    page.get_by_role("button").click()
                page.close()
        return contexts[who].new_page()

    yield page_of
    for context in contexts.values():
        context.close()


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A practice office of processes, with a Nutshell at an origin of its own; Ada and Ben work there."""
    folder = tmp_path_factory.mktemp("practice")
    with Office(folder, contacts=300, users=f"{BEN}:{PRACTICE_KEY}") as running:
        assert running.nutshell is not None
        ada = {"email": PRACTICE_EMAIL, "name": "Ada Vance", "extensions": [ADAS_LINE], "key": PRACTICE_KEY}
        ben = {"email": BEN, "name": "Ben Ortiz", "extensions": [BENS_LINE], "key": PRACTICE_KEY}
        running.enter(webhook_office(nutshell=running.nutshell.address, people=[ada, ben]))
        running.wait_until_ready()
        yield running
