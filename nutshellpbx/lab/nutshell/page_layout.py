"""The frame and the style of the pages that a browser opens."""

from __future__ import annotations

import html

from nutshellpbx.lab.nutshell.exchange import HTML, Answer

CSS = """
:root { color-scheme: light dark; --ink: light-dark(#1f2937, #e5e9ee); --soft: light-dark(#5b6675, #9aa7b5);
  --ground: light-dark(#f4f1ec, #14181d); --card: light-dark(#fff, #1d232a);
  --line: light-dark(#e2dcd2, #303943);
  --mark: light-dark(#b4531a, #f0a46b); }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
a { color: var(--mark); }
header { padding: .75rem 1.5rem; border-bottom: 1px solid var(--line); background: var(--card); display: flex;
  gap: .75rem; align-items: baseline; }
header strong { letter-spacing: .02em; } header span { color: var(--soft); font-size: .875rem; }
main { max-width: 46rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; color: var(--soft); }
.who { display: flex; gap: 1rem; align-items: center; }
.face { width: 3.5rem; height: 3.5rem; border-radius: 50%; display: grid; place-items: center; flex: none;
  color: #fff; background: var(--mark); font-weight: 600; font-size: 1.25rem; }
.sub { color: var(--soft); margin: 0; }
dl, .note, form { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .75rem 1rem; margin: 0 0 .75rem; }
dl { display: grid; grid-template-columns: 8rem 1fr; gap: .25rem 1rem; }
dt { color: var(--soft); } dd { margin: 0; }
.note small { color: var(--soft); display: block; margin-top: .5rem; } .empty { color: var(--soft); }
label { display: block; margin: .5rem 0 .25rem; color: var(--soft); font-size: .875rem; }
input { width: 100%; font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line);
  border-radius: .375rem; padding: .5rem .75rem; }
button { margin-top: 1rem; font: inherit; font-weight: 600; color: #fff; background: #9a4414; border: 0;
  border-radius: .375rem; padding: .5rem 1.25rem; cursor: pointer; }
"""


def page(*, title: str, body: str, status: int = 200) -> Answer:
    """A whole page; ``body`` is finished HTML, ``title`` is text.

    The style is a file of its own that may not be kept, so the access log shows that the page was not only
    fetched but also rendered.
    """
    text = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}'
        " | Practice Nutshell</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="/assets/icon.svg">\n<link rel="stylesheet" href="/assets/practice.css">\n'
        "</head>\n<body>\n<header><strong>Practice Nutshell</strong>"
        "<span>made-up people, nothing here is real</span></header>\n"
        f"<main>\n{body}</main>\n</body>\n</html>\n"
    )
    return Answer(
        status=status, body=text.encode(), content_type=HTML, headers={"Cache-Control": "no-store"} | _POLICY
    )


_POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def stylesheet() -> Answer:
    """The style of all pages."""
    return Answer(
        body=CSS.encode(), content_type="text/css; charset=UTF-8", headers={"Cache-Control": "no-store"}
    )


def picture(initials: str) -> Answer:
    """A round mark with a few letters, as icon and avatar."""
    letters = html.escape(initials[:2])
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        '<circle cx="32" cy="32" r="32" fill="#b4531a"/>'
        '<text x="32" y="41" font-family="sans-serif" font-size="26" fill="#fff" text-anchor="middle">'
        f"{letters}</text></svg>"
    )
    return Answer(body=svg.encode(), content_type="image/svg+xml")
