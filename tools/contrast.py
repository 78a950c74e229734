"""Measure the contrast of every pair of colours that meet, in every theme: python -m tools.contrast [--table]

Reads the design tokens. Limits are those of WCAG 2.2: text 4.5, shapes 3.0; in high contrast text 7.0 and
shapes 4.5. Exits 1 with one line per pair below its limit. `--table` prints all.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

CSS = Path(__file__).resolve().parent.parent / "nutshellpbx/dashboard/static/dashboard/css/tokens.css"
TOKEN = re.compile(r"--([\w-]+):\s*light-dark\((#\w{6}),\s*(#\w{6})\)")

STATES = ("accent", "ok", "warn", "bad", "idle")
TEXTS = ("text", "text-2", "text-3")
MARKS = ("line-strong", *STATES, "nut", "focus")
FACES = ("av1", "av2", "av3", "av4", "av5")
# Front and back, by what is read: words, shapes, initials on a person's tint (one limit in every theme).
WORDS = (
    *((text, ground) for text in TEXTS for ground in ("bg", "surface", "sunken", "raised", "hover")),
    *((text, f"{state}-soft") for text in TEXTS for state in STATES),
    *((f"{state}-ink", ground) for state in STATES for ground in (f"{state}-soft", "surface", "bg", "hover")),
    *(("accent-ink", f"{state}-soft") for state in STATES if state != "accent"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
)
SHAPES = (
    *((mark, ground) for mark in MARKS for ground in ("bg", "surface", "raised")),
    *((state, f"{state}-soft") for state in STATES),
)
INITIALS = tuple((f"{face}-ink", f"{face}-soft") for face in FACES)

Colours = dict[str, str]


def brightness(colour: str) -> float:
    """The relative luminance of #rrggbb, 0 to 1."""
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(front: str, back: str) -> float:
    """The contrast of two colours, 1 to 21."""
    darker, lighter = sorted((brightness(front), brightness(back)))
    return (lighter + 0.05) / (darker + 0.05)


def themes(css: str) -> Iterator[tuple[str, bool, Colours]]:
    """Each theme: its name, whether it is a high-contrast one, and its colours."""
    normal_part, _, rest = css.partition('[data-contrast="more"] {')
    chosen_part, _, system_part = rest.partition("@media (prefers-contrast")
    normal, chosen, system = (
        {name: (light, dark) for name, light, dark in TOKEN.findall(part)}
        for part in (normal_part, chosen_part, system_part)
    )
    if not chosen or chosen != system:
        sys.exit("tokens.css: the high contrast that a user chooses and the system's own differ.")
    for side, word in enumerate(("light", "dark")):
        yield word, False, {name: pair[side] for name, pair in normal.items()}
        yield f"high contrast {word}", True, {name: pair[side] for name, pair in (normal | chosen).items()}


def main() -> None:
    """Measure, print, and exit 1 if anything is below its limit."""
    faults = []
    rows: dict[str, list[float]] = {}
    for theme, is_high, colours in themes(CSS.read_text(encoding="utf-8")):
        limits = ((WORDS, 7.0 if is_high else 4.5), (SHAPES, 4.5 if is_high else 3.0), (INITIALS, 4.5))
        for pairs, limit in limits:
            for front, back in pairs:
                value = contrast(colours[front], colours[back])
                rows.setdefault(f"{front} on {back}", []).append(value)
                if value < limit:
                    faults.append(f"{theme}: {front} on {back} is {value:.2f}, below {limit}")
    if "--table" in sys.argv[1:]:
        for pair, values in rows.items():
            print(f"{pair:28}", *(f"{value:5.1f}" for value in values))
    print(*faults or [f"contrast: {len(rows)} pairs in 4 themes, all above their limits"], sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
