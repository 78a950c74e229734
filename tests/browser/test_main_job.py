"""The main job with a real browser: the client starts Chromium, and the CRM itself says who fetched the
page.
"""

from __future__ import annotations

import time
from pathlib import Path

from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL
from nutshellpbx.lab.office import Office
from nutshellpbx.lab.openers import choose_opener
from nutshellpbx.lab.phone_calls import inbound_answered
from tests.browser.conftest import ADAS_LINE


def test_a_ringing_call_opens_the_customers_page_in_a_real_browser(office: Office, tmp_path: Path) -> None:
    opener = choose_opener(tmp_path, has_screen=False)
    assert opener.is_browser
    assert office.nutshell is not None
    office.add_desk(email=PRACTICE_EMAIL, opener=opener)
    customer = office.nutshell.sample(count=1)[0]
    with office.phone_system() as system:
        inbound_answered(
            system=system, number=customer["number"], extension=ADAS_LINE, ring_s=4.0, talk_s=1.0
        )
    page = f"/person/{customer['id'].split('-')[0]}-"
    until = time.monotonic() + 20
    fetched: list[dict[str, object]] = []
    while not fetched and time.monotonic() < until:
        fetched = [entry for entry in office.nutshell.opened_pages() if str(entry["path"]).startswith(page)]
        time.sleep(0.1)
    assert fetched
    assert "Chrome" in str(fetched[0]["agent"])
    assert fetched[0]["dest"] == "document"
