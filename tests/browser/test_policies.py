"""The admin changes policies, tries them on calls that were, saves them, and writes texts: by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_pages import assert_axe_is_silent

NUMBER = "+44 20 7946 0812"


def tab_to(page: Page, name: str, *, role: str = "") -> None:
    """Press Tab until the focus is on the control of that name."""
    control = page.get_by_role(role, name=name).first if role else page.get_by_label(name, exact=True)  # type: ignore[arg-type]
    for _stop in range(120):
        page.keyboard.press("Tab")
        if control.evaluate("(it) => it === document.activeElement"):
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_policy_is_changed_tried_on_calls_that_were_and_saved_by_keyboard_alone(site, signed_in):
    page = signed_in("admin")
    page.goto(f"{site.url}/admin/policies")
    tab_to(page, "Never journal")
    page.keyboard.type(NUMBER)
    tab_to(page, "Try on yesterday’s calls", role="button")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is saved, shown or written by this.")).to_be_visible()
    # the office's clock says which day that call was on, however late it is where this runs
    tab_to(page, "Day")
    page.keyboard.type(site.made["day_before"])
    with page.expect_navigation():
        page.keyboard.press("Enter")
    row = page.get_by_role("row").filter(has_text=NUMBER).first
    expect(row.locator("del").last).to_have_text("note")
    expect(row.locator("ins").last).to_have_text("no note")
    for width, theme in ((1440, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert_axe_is_silent(page)
    beside = signed_in("admin")
    beside.goto(f"{site.url}/admin/policies")
    expect(beside.get_by_label("Never journal")).to_have_value("")
    beside.close()
    tab_to(page, "Save these rules", role="button")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    expect(page.get_by_label("Never journal")).to_have_value(NUMBER)
    page.get_by_label("Never journal").fill("")
    with page.expect_navigation():
        page.get_by_role("button", name="Save").first.click()
    assert page.evaluate("window.__refused") == []
    page.close()


def test_quiet_hours_are_added_by_keyboard_and_the_new_stretch_has_the_focus(site, signed_in):
    page = signed_in("admin")
    page.goto(f"{site.url}/admin/policies")
    tab_to(page, "Add quiet hours", role="button")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_label("Monday")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_label("Monday")).to_be_checked()
    tab_to(page, "Take out", role="button")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_text("None: every hour is alike.")).to_be_visible()
    page.close()


def test_rules_of_lines_change_places_and_what_is_typed_above_stays(site, signed_in):
    page = signed_in("admin")
    page.goto(f"{site.url}/admin/policies/lines/add")
    page.get_by_label("Name or number").fill("Reception")
    page.get_by_label("Enable Journaling").select_option("off")
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    page.get_by_label("Never show").fill("still being typed")
    names = page.locator("#lines tbody th a")
    expect(names).to_have_text(["+44 20 7946 0100", "Reception"])
    page.get_by_role("button", name="Move Reception up").click()
    expect(names).to_have_text(["Reception", "+44 20 7946 0100"])
    expect(page.get_by_role("button", name="Move Reception up")).to_be_focused()
    expect(page.get_by_label("Never show")).to_have_value("still being typed")
    row = page.get_by_role("row").filter(has_text="Reception")
    row.get_by_text("Take out…").click()
    with page.expect_navigation():
        row.get_by_role("button", name="Take it out").click()
    expect(names).to_have_text(["+44 20 7946 0100"])
    page.close()


def test_text_of_a_note_is_previewed_while_it_is_typed(site, signed_in):
    page = signed_in("admin")
    page.goto(f"{site.url}/admin/note-texts")
    text = page.get_by_role("textbox", name="Missed call", exact=True)
    tab_to_text = "document.activeElement.id === 'text-missed'"
    for _stop in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(tab_to_text):
            break
    page.keyboard.press("Control+A")
    page.keyboard.type("[Number] rang in vain")
    preview = page.locator("#p-missed")
    expect(preview).to_contain_text("+1 312-555-0142 rang in vain")
    expect(text).to_be_focused()
    expect(page.get_by_role("button", name="Back to the standard text (Missed call)")).to_be_visible()
    page.keyboard.type(" at [Tme]")
    expect(preview).to_contain_text("There is no [Tme]. There are: [DateTime]")
    with page.expect_navigation():
        page.get_by_role("button", name="Save").first.click()
    expect(text).to_have_value("[Number] rang in vain at [Tme]")
    with page.expect_navigation():
        page.get_by_role("button", name="Back to the standard text (Missed call)").click()
    expect(text).to_have_value("[DateTime]: Missed call from [Number] to [Agent]")
    expect(text).to_be_focused()
    assert page.evaluate("window.__refused") == []
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_policies_are_changed_without_script(theme, site, browser, signed_in):
    kept = signed_in("admin").context.storage_state()
    context = browser.new_context(java_script_enabled=False, storage_state=kept, color_scheme=theme)
    page = context.new_page()
    page.goto(f"{site.url}/admin/policies")
    page.get_by_role("button", name="Add quiet hours").click()
    page.get_by_label("Sunday").check()
    page.get_by_label("from").fill("00:00")
    page.get_by_role("button", name="Try on yesterday’s calls").first.click()
    expect(page.get_by_text("Enter when it begins and when it ends")).to_be_visible()
    page.get_by_label("to", exact=True).fill("00:00")
    page.get_by_role("button", name="Try on yesterday’s calls").first.click()
    expect(page.locator("ins").first).to_have_text("Sun 00:00–00:00")
    page.get_by_role("button", name="Change them").click()
    expect(page.get_by_label("Sunday")).to_be_checked()
    context.close()
