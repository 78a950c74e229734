"""Every page in a real Chromium: no sideways scroll, nothing for axe to say, nothing refused."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

PAGES = {
    "admin": """
        /admin /menu /nowhere
        /admin/calls /admin/calls?q=zzz /admin/calls/{call_known} /admin/calls/{call_several}
        /admin/calls/{call_hostile} /admin/calls/{call_live}
        /admin/events /admin/events?ext=zzz /admin/events?until=2100-01-01T00:00:00%2B00:00
        /admin/journal /admin/journal?show=parked /admin/journal?q=zzz
        /admin/journal/{entry_known} /admin/journal/{entry_unclear} /admin/journal/{entry_unclear}?find=Lena
        /admin/journal/{entry_unclear}?find=Lena&to=300-contacts
        /admin/audit /admin/audit?act=proof&by=-
        /admin/extensions /admin/extensions/add
        /admin/users /admin/users/add /admin/users/{user}
        /admin/phone-systems /admin/phone-systems/add /admin/phone-systems/add/webhook
        /admin/phone-systems/add/threecx_template /admin/phone-systems/{templated}
        /admin/phone-systems/{templated}/template /admin/phone-systems/{templated}/template?version=v16
        /admin/phone-systems/{pbx} /admin/phone-systems/{cloud}
        /admin/crms /admin/crms/add/nutshell /admin/crms/{crm}
        /admin/company /admin/defaults /admin/policies /admin/policies/lines/add
        /admin/policies/lines/{rule} /admin/note-texts""",
    "owner": """
        /pop?n=02079460812 /pop?n=%CallerNumber%
        /me/calls /me/calls/{call_known} /me/calls/{call_several}
        /me/settings /me/crm-key /me/desktops /desktops/pair /me/account /admin/users""",
    "stranger": "/me/calls /me/crm-key /me/desktops /me/password/new",
    "": """
        /sign-in /sign-in/forgotten /sign-up /sign-in/off
        /invitation/{invitation} /welcome/spent /nowhere""",
}
ALL = [(who, path) for who, paths in PAGES.items() for path in paths.split()]
LOOKS = [(theme, width) for theme in ("light", "dark") for width in (1440, 1024, 390)]
#: What axe is shown; the colours of all themes are measured by tests/dashboard/test_contrast.py.
MEASURED = (("light", 1440), ("dark", 390))
NAMES = [f"{who or 'nobody'} {path}" for who, path in ALL]


@pytest.mark.parametrize(("who", "path"), ALL, ids=NAMES)
def test_page_is_fit_to_be_seen(who, path, site, signed_in):
    page = signed_in(who)
    said: list[str] = []
    page.on("pageerror", lambda fault: said.append(str(fault)))
    address = site.url + path.format(**site.made)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(address)
    assert page.locator("h1").count() == 1
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{width} px scrolls sideways"
        if (theme, width) in MEASURED:
            assert_axe_is_silent(page)
    assert page.evaluate("window.__refused") == []
    assert said == []
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/admin/extensions", "/admin/calls/{call_known}", "/admin/journal", "/admin/audit"]
)
def test_high_contrast_is_fit_to_be_seen_too(path, theme, site, signed_in):
    page = signed_in("admin")
    page.emulate_media(color_scheme=theme, contrast="more")
    page.goto(site.url + path.format(**site.made))
    assert_axe_is_silent(page)
    page.close()


@pytest.mark.parametrize("purpose", ["choose", "new_contact"])
def test_page_by_ticket_is_fit_to_be_seen(purpose, site, signed_in):
    page = signed_in("")
    for width, theme in ((1440, "light"), (390, "dark")):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(site.ticket(purpose))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("window.__refused") == []
        assert_axe_is_silent(page)
    page.close()


def assert_axe_is_silent(page) -> None:
    """Nothing to say at all: A, AA and best practice."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
