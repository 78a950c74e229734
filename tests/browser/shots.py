"""The pictures of the README, taken from the running pages: python -m tests.browser.shots [folder]

python -m tests.browser.shots [folder] pop: the first picture alone, a demo and the page that it opened.
"""

from __future__ import annotations

import base64
import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from nutshellpbx.lab.office import Nutshell
from tests.browser.conftest import FLAGS
from tests.browser.server import ROOT, Site, running_site
from tools.needs import find_chromium

MOST_BYTES = 1_500_000
DEMO_S = 240
#: How many people the demo's Nutshell has when nothing is said.
DEMO_CONTACTS = 5000
#: What stands on the first picture: the story of a call, and the page that it opened, in a browser's frame.
POP = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; width: 1280px; height: 640px; background: #e8ecef; font: 13px/1.5 sans-serif; }}
section {{ position: absolute; overflow: hidden; border-radius: 10px; box-shadow: 0 12px 34px #10203040; }}
.bar {{ height: 34px; line-height: 34px; padding: 0 14px; }}
.bar i {{ display: inline-block; width: 11px; height: 11px; margin-right: 6px; border-radius: 50%;
  background: #9aa7b2; }}
.said {{ left: 24px; top: 40px; width: 608px; height: 560px; background: #14202b; color: #dfe7ee; }}
.said .bar {{ background: #22313f; }}
pre {{ margin: 18px; white-space: pre-wrap; font: 12.5px/1.75 monospace; }}
pre b {{ color: #fff; }} pre em {{ color: #7fd6a2; font-style: normal; }}
.seen {{ left: 604px; top: 84px; width: 652px; height: 516px; background: #fff; }}
.seen .bar {{ background: #d3dae0; }}
.seen span {{ margin-left: 8px; padding: 4px 12px; border-radius: 12px; background: #fff; color: #34424f; }}
.seen img {{ display: block; width: 652px; }}
</style>
<section class="said"><div class="bar"><i></i><i></i><i></i>make demo ONCE=1</div><pre>{story}</pre></section>
<section class="seen"><div class="bar"><i></i><i></i><i></i><span>{address}</span></div>
<img alt="" src="data:image/png;base64,{picture}"></section>"""
#: name -> who, path, theme
PICTURES: dict[str, tuple[str, str, Literal["light", "dark"]]] = {
    "home": ("admin", "/admin", "light"),
    "extensions": ("admin", "/admin/extensions", "light"),
    "call": ("admin", "/admin/calls/{call_known}", "dark"),
    "my-settings": ("owner", "/me/settings", "light"),
    "my-crm-key": ("owner", "/me/crm-key", "light"),
    "my-calls": ("owner", "/me/calls", "light"),
    "sign-in": ("", "/sign-in", "light"),
}


def take_all(folder: Path) -> int:
    """Take every picture; how many bytes they have together."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        running_site(Path(data), with_office=True) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(find_chromium()), args=FLAGS)
        pages = {who: page_of(browser, site, who) for who in ("admin", "owner", "")}
        for name, (who, path, theme) in PICTURES.items():
            take(pages[who], site.url + path.format(**site.made), folder / f"{name}.png", theme=theme)
        take(pages[""], site.ticket("choose"), folder / "chooser.png", theme="light")
        browser.close()
    return sum(picture.stat().st_size for picture in folder.glob("*.png"))


def take_pop(target: Path) -> None:
    """A demo runs; its story and the page that it opened, side by side.

    The demo's Nutshell ends with it: another one with the same seed shows the same person again.
    """
    demo = [sys.executable, "-m", "nutshellpbx.lab.demo", "--once"]
    said = subprocess.run(demo, cwd=ROOT, capture_output=True, text=True, timeout=DEMO_S, check=True).stdout
    story = re.search(r"^[^\n]* calls \d+ from .*?(?=\n\n)", said, re.MULTILINE | re.DOTALL)
    opened = re.search(r"page opened in the browser: (/\S+)", said)
    assert story and opened, said
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        nutshell = Nutshell(folder=Path(data), contacts=DEMO_CONTACTS)
        browser = playwright.chromium.launch(executable_path=str(find_chromium()), args=FLAGS)
        address = f"{nutshell.address}{opened[1]}"
        try:
            page = browser.new_page(viewport={"width": 760, "height": 562})
            page.goto(address)
            picture = base64.b64encode(page.screenshot()).decode()
            # A page of its own: the Nutshell's policy would refuse this one its style.
            page = browser.new_page(viewport={"width": 1280, "height": 640})
            page.set_content(POP.format(story=coloured(story[0]), address=address, picture=picture))
            page.screenshot(path=target)
        finally:
            browser.close()
            nutshell.running.stop()


def coloured(story: str) -> str:
    """The story as HTML: its first line and its good news stand out."""
    first, *lines = html.escape(story).splitlines()
    good = ("page opened", "note verified")
    told = [f"<em>{line}</em>" if any(word in line for word in good) else line for line in lines]
    return "\n".join([f"<b>{first}</b>", *told])


def page_of(browser: Browser, site: Site, who: str) -> Page:
    """A page of somebody, signed in."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    if who:
        page.goto(f"{site.url}/sign-in/link/{site.made[who]}")
        page.get_by_role("button").click()
    return page


def take(page: Page, address: str, target: Path, *, theme: Literal["light", "dark"]) -> None:
    """One picture of what is seen without scrolling."""
    page.emulate_media(color_scheme=theme)
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=target)


def main() -> None:
    words = sys.argv[1:]
    folder = Path(words[0]) if words else ROOT / "docs" / "shots"
    take_pop(folder / "pop.png")
    total = sum(picture.stat().st_size for picture in folder.glob("*.png")) if words[1:] else take_all(folder)
    print(f"{total:,} bytes")
    sys.exit(total > MOST_BYTES)


if __name__ == "__main__":
    main()
