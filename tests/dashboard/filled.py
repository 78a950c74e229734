"""Forms of the policies as they are filled in, and what a browser would post of a page."""

from __future__ import annotations

from html.parser import HTMLParser

from nutshellpbx.calls.linerules import CallRule

FORM = {
    "group_policy": "card",
    "entry_owner": "longest",
    "quiet_shows": "card",
    "never_numbers": "",
    "never_log_numbers": "",
    "never_pop_numbers": "",
    "stretches": "0",
}
LINE = {
    "kind": "queue",
    "match": "Service",
    "pbx": "",
    "group_policy": "",
    "open_mode": "",
    "unknown": "",
    "journaling": "",
    "open_after": "",
}
EVENING = {"stretches": "1", "days-0": ["0", "4"], "from-0": "18:00", "to-0": "08:00"}


def make_rule(match: str, *, position: int, **values) -> CallRule:
    return CallRule.objects.create(
        **{"kind": "queue", "open_mode": "never", **values}, match=match, position=position
    )


def fields_of(body: str) -> dict[str, list[str]]:
    """What a browser would post of the page's largest form, buttons aside."""
    forms = _Forms()
    forms.feed(body)
    return max(forms.found, key=len)


class _Forms(HTMLParser):
    """The fields of every form with their values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, list[str]]] = []
        self._text: str | None = None
        self._select = ""

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        name = values.get("name") or ""
        if tag == "form":
            self.found.append({})
        elif (
            tag == "input"
            and name
            and (values.get("type") not in {"radio", "checkbox"} or "checked" in values)
        ):
            self._add(name, values.get("value") or "")
        elif tag == "textarea":
            self._text = name
            self._add(name, "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in values and self._select:
            self._add(self._select, values.get("value") or "")

    def handle_data(self, data):
        if self._text:
            self.found[-1][self._text][-1] += data.removeprefix("\r\n").removeprefix("\n")

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._text = None
        elif tag == "select":
            self._select = ""

    def _add(self, name: str, value: str) -> None:
        if self.found:
            self.found[-1].setdefault(name, []).append(value)
