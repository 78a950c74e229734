"""What stands in the templates: nothing inline, every text to be translated, every icon in the sprite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nutshellpbx.dashboard

HOME = Path(nutshellpbx.dashboard.__file__).parent
TEMPLATES = sorted((HOME / "templates").rglob("*.html"))
SPRITE = (HOME / "static/dashboard/icons.svg").read_text()
NAMES = [str(path.relative_to(HOME / "templates")) for path in TEMPLATES]


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_nothing_is_inline(path):
    text = re.sub(r"{%.*?%}", "", path.read_text())
    assert not re.search(r"<style|\sstyle\s*=", text), "a style belongs into a style sheet"
    assert not re.search(r"<script(?![^>]*\ssrc=)", text), "a script belongs into a file"
    assert not re.search(r"\son[a-z]+\s*=|javascript:|hx-on", text), "what a page does belongs into app.js"


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_nothing_comes_from_elsewhere(path):
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", path.read_text())


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_nothing_is_marked_safe(path):
    assert not re.search(r"\|\s*safe\b|autoescape\s+off", path.read_text())


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_every_text_is_marked_for_translation(path):
    sentence = r"{% blocktranslate.*?{% endblocktranslate %}"
    css_class = r"{% block (?:read|wide|box) %}.*?{% endblock %}"
    text = re.sub(f"{sentence}|{css_class}", "", path.read_text(), flags=re.S)
    text = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", "\0", text, flags=re.S)
    seen = re.sub(r"<[^>]*>", "\0", text)
    words = [part.strip() for part in seen.split("\0") if re.search(r"[A-Za-z]{3,}", part)]
    assert [word for word in words if word not in ALLOWED] == []


#: Names and units, the same in every language.
ALLOWED = {"NutshellPBX", "· NutshellPBX"}


def test_every_icon_is_in_the_sprite():
    here = set(re.findall(r'symbol id="([\w-]+)"', SPRITE))
    wanted = {
        name
        for path in [*TEMPLATES, *HOME.rglob("*.py")]
        for name in re.findall(r"""{% icon "([\w-]+)"|{% state "\w+" "([\w-]+)\"""", path.read_text())
        for name in name
        if name
    }
    assert wanted - here == set()


def test_every_icon_named_in_the_code_is_in_the_sprite():
    from nutshellpbx.dashboard.admin.extensions import SAID
    from nutshellpbx.dashboard.callshow.line import NOTES
    from nutshellpbx.dashboard.callshow.story import ATTEMPT_ICONS, KIND_ICONS, RESULTS, STEP_ICONS

    wanted = {*ATTEMPT_ICONS.values(), *KIND_ICONS.values(), *STEP_ICONS.values()}
    wanted |= {icon for _kind, icon, _text in [*SAID.values(), *NOTES.values()]}
    wanted |= {icon for icon, _tone, _text in RESULTS.values()}
    assert wanted <= set(re.findall(r'symbol id="([\w-]+)"', SPRITE))


def test_style_sheets_load_nothing_from_elsewhere_and_stay_readable():
    for sheet in (HOME / "static/dashboard/css").glob("*.css"):
        assert "http" not in sheet.read_text() and "@import" not in sheet.read_text()
        assert len(sheet.read_text().splitlines()) <= 400, sheet.name
