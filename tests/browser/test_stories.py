"""What people do, in a real Chromium: first admin, settings by keyboard, grants, chooser, no script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WATCH
from tests.browser.server import running_site


def test_first_admin_comes_by_the_link_and_stands_before_the_first_steps(browser, tmp_path):
    with running_site(tmp_path, with_office=False) as site:
        page = browser.new_page()
        page.add_init_script(WATCH)
        page.goto(site.manage("first_admin_link"))
        page.get_by_label("Company").fill("Tannhaven Office Supply")
        page.get_by_label("Country").select_option("GB")
        page.get_by_label("Your name").fill("Ingrid Solvay")
        page.get_by_label("Your e-mail").fill("ingrid@tannhaven.example")
        page.get_by_label("Password", exact=True).fill("walnut harbour lantern")
        page.get_by_role("button", name="Create and sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("2 things need a hand")
        expect(page.get_by_role("heading", name="Connect your phone system")).to_be_visible()
        assert page.evaluate("window.__refused") == []
        page.get_by_label("My pages, theme and sign out").click()
        with page.expect_navigation():
            page.get_by_role("button", name="Sign out").click()
        page.goto(f"{site.url}/sign-in")
        page.get_by_label("E-mail").fill("ingrid@tannhaven.example")
        page.get_by_label("Password", exact=True).fill("walnut harbour lantern")
        with page.expect_navigation():
            page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page).to_have_url(re.compile("/admin$"))
        page.close()


def test_setting_is_changed_by_keyboard_alone_and_the_sentence_follows(site, signed_in):
    page = signed_in("owner")
    page.goto(f"{site.url}/me/settings")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    for _stop in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "open_mode":
            break
    page.keyboard.press("ArrowRight")
    expect(page.locator("#said-open_mode")).to_have_text("Saved")
    expect(page.locator("#effect")).to_contain_text("when you answer")
    assert page.evaluate("document.activeElement.value") == "answer", "the focus stays where it was"
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    page.keyboard.press("Tab")
    expect(page.locator("#effect")).to_contain_text("7 digits")
    page.reload()
    expect(page.get_by_label("On answer")).to_be_checked()
    page.close()


def test_tick_grants_and_keeps_the_focus(site, signed_in):
    page = signed_in("admin")
    page.goto(f"{site.url}/admin/extensions")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="205"))
    tick = row.get_by_role("checkbox")
    tick.focus()
    page.keyboard.press("Space")
    expect(row).to_contain_text("Saved")
    expect(row).to_contain_text("No desktop")
    expect(row.get_by_role("checkbox")).to_be_focused()
    page.reload()
    expect(row.get_by_role("checkbox")).to_be_checked()
    row.get_by_role("checkbox").click()
    expect(row).to_contain_text("Not granted")
    page.close()


def test_desktop_is_paired_by_its_code(site, signed_in):
    page = signed_in("owner")
    page.goto(f"{site.url}/me/desktops")
    page.get_by_role("link", name="Pair a desktop").click()
    page.get_by_label("Code on the desktop").fill("ktmr qwxd")
    page.get_by_role("button", name="Look who asks").click()
    expect(page.get_by_role("heading", name="Mara-Laptop")).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("button", name="Pair it with me").click()
    expect(page.get_by_role("status").filter(has_text="is paired")).to_be_visible()
    page.close()


def test_theme_is_written_by_the_server(site, signed_in):
    page = signed_in("stranger")
    page.goto(f"{site.url}/me/account")
    page.get_by_label("Theme", exact=True).select_option("dark")
    page.get_by_label("Contrast", exact=True).select_option("more")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("data-contrast", "more")
    page.get_by_label("Theme", exact=True).select_option("")
    page.get_by_label("Contrast", exact=True).select_option("")
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    page.close()


@pytest.mark.parametrize("path", ["/me/settings", "/admin/extensions"])
def test_works_without_script(path, site, browser, signed_in):
    kept = signed_in("admin").context.storage_state()
    context = browser.new_context(java_script_enabled=False, storage_state=kept)
    page = context.new_page()
    page.goto(site.url + path)
    if path.endswith("settings"):
        page.get_by_label("Don't open").check()
        page.locator("#setting-open_mode").get_by_role("button", name="Save").click()
        expect(page.locator("#effect")).to_contain_text("no page")
    else:
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="205"))
        row.get_by_role("checkbox").check()
        row.get_by_role("button", name="Save").last.click()
        expect(row.get_by_role("checkbox")).to_be_checked()
        row.get_by_role("checkbox").uncheck()
        with page.expect_navigation():
            row.get_by_role("button", name="Save").last.click()
    context.close()


def test_page_weighs_little(site, signed_in):
    page = signed_in("admin")
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto(f"{site.url}/admin/extensions")
    page.wait_for_load_state("networkidle")
    assert sum(sizes) <= 260_000
    page.close()
