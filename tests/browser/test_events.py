"""Live events in a real Chromium: a call rings and stands there unasked; by keyboard; after a sleep."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from nutshellpbx.lab.phone_cti import CtiPhone
from tests.browser.server import Site

LIVE = re.compile(r"/admin/events/live")


@pytest.fixture
def phone(site: Site) -> CtiPhone:
    return CtiPhone(f"{site.url}/hooks/{site.made['cloud']}/events", token=site.made["cloud_token"])


@pytest.fixture
def page(site: Site, signed_in) -> Iterator[Page]:
    page = signed_in("admin")
    page.set_viewport_size({"width": 1440, "height": 900})
    yield page
    page.close()


def ring(phone: CtiPhone, number: str, **more: str) -> str:
    uid = phone.new_call_id()
    said = {"direction": "in", "to": "442079460100", "user": "Pia Holm", "callId": uid} | more
    assert phone.tell(event="newCall", from_=number, **said) == 202
    return uid


def tell(phone: CtiPhone, event: str, uid: str, number: str, **more: str) -> None:
    said = {"direction": "in", "from_": number, "to": "442079460100", "callId": uid}
    assert phone.tell(event=event, **said, **more) == 202


def test_a_call_rings_and_stands_there_without_a_reload(site: Site, page: Page, phone: CtiPhone) -> None:
    page.goto(f"{site.url}/admin/events")
    page.evaluate("window.__here = true")
    uid = ring(phone, "442079460881")
    newest = page.locator("#stream li:not(.tl__sep)").first
    expect(newest).to_contain_text("+44 20 7946 0881", timeout=3_000)
    expect(newest).to_contain_text("rings at Pia Holm (301)")
    now = page.locator("#now li").filter(has_text="+44 20 7946 0881")
    expect(now).to_contain_text("rings")
    expect(now.get_by_role("img").first).to_have_attribute("aria-label", re.compile("301: rang"))
    tell(phone, "answer", uid, "442079460881", user="Pia Holm")
    expect(newest).to_contain_text("Pia Holm (301) answers", timeout=3_000)
    tell(phone, "hangup", uid, "442079460881", cause="normalClearing")
    expect(newest).to_contain_text("over: hung up", timeout=3_000)
    expect(now).to_have_count(0, timeout=3_000)
    assert page.evaluate("window.__here")
    assert page.evaluate("window.__refused") == []


def test_by_keyboard_the_focus_stays_and_a_pause_waits(site: Site, page: Page, phone: CtiPhone) -> None:
    page.goto(f"{site.url}/admin/events")
    uid = ring(phone, "442079460882")
    link = page.locator("#stream li a").first
    expect(link).to_have_text("+44 20 7946 0882", timeout=3_000)
    link.focus()
    kept = page.evaluate("document.activeElement.id")
    other = ring(phone, "442079460883")
    expect(page.locator("#stream li:not(.tl__sep)").first).to_contain_text("0883", timeout=3_000)
    assert page.evaluate("document.activeElement.id") == kept, "the focus stays on the same line"
    with page.expect_navigation():
        page.keyboard.press("p")
    expect(page).to_have_url(re.compile("until="))
    expect(page.get_by_role("link", name="Go on")).to_be_focused()
    tell(phone, "hangup", uid, "442079460882", cause="cancel")
    expect(page.locator("#waiting")).to_have_text("1 new line since then.", timeout=6_000)
    expect(page.locator("#stream li:not(.tl__sep)").first).to_contain_text("0883")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#stream li:not(.tl__sep)").first).to_contain_text("the caller gave up")
    tell(phone, "hangup", other, "442079460883", cause="cancel")
    assert page.evaluate("window.__refused") == []


def test_after_a_sleep_nothing_is_missing_and_an_absent_server_is_said_once(
    site: Site, page: Page, phone: CtiPhone
) -> None:
    page.goto(f"{site.url}/admin/events")
    page.route(LIVE, lambda route: route.abort())
    expect(page.locator("#away")).to_be_visible(timeout=5_000)
    numbers = [f"4420794608{n}" for n in range(84, 90)]
    for number in numbers:
        tell(phone, "hangup", ring(phone, number), number, cause="cancel")
    expect(page.locator(".toast")).to_have_count(0)
    page.unroute(LIVE)
    for number in numbers:
        expect(page.locator("#stream")).to_contain_text(number[-4:], timeout=5_000)
    expect(page.locator("#away")).to_be_hidden()


def test_what_is_read_out_is_one_quiet_status(site: Site, page: Page, phone: CtiPhone) -> None:
    page.goto(f"{site.url}/admin/events")
    said = page.locator("#events-said")
    expect(said).to_have_attribute("role", "status")
    uid = ring(phone, "442079460890")
    expect(said).to_have_text(re.compile("0890: rings at Pia Holm"), timeout=15_000)
    tell(phone, "hangup", uid, "442079460890", cause="cancel")
    assert page.locator("[aria-live]").count() == 0, "nothing else talks"


def test_a_name_is_given_its_line_by_keyboard(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/admin/phone-systems/{site.made['cloud']}")
    row = page.locator("#names li").filter(has_text="reception@tannhaven.example")
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("301")
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="means extension 301")).to_be_visible()
    expect(page.locator("#names table")).to_contain_text("reception@tannhaven.example")
    assert page.evaluate("window.__refused") == []
