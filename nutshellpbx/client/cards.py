"""Cards in the terminal, and as quiet desktop notifications where the system has them."""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from gettext import gettext as _

from nutshellpbx.wire import Instruction

NOTIFY_S = 2
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str) -> str:
    """A text without anything that could steer a terminal or turn its reading direction."""
    return "".join(" " if unicodedata.category(character) in _HIDDEN else character for character in text)


class Cards:
    """What is shown now, by call and leg."""

    def __init__(self, say: Callable[[str], None], *, notify: bool) -> None:
        self._say = say
        self._notifier = shutil.which("notify-send") if notify and sys.platform == "linux" else None
        self._shown: dict[tuple[str, str], str] = {}
        self._running: list[subprocess.Popen[bytes]] = []

    def show(self, card: Instruction) -> None:
        """Show a card; a later one of the same call and leg replaces it."""
        title, lines = printable(card.title), [printable(line) for line in card.lines]
        self._shown[card.call, card.subject] = title
        while len(self._shown) > 50:
            self._shown.pop(next(iter(self._shown)))
        self._say(f"☎ {title}")
        for line in lines:
            self._say(f"  {line}")
        if self._notifier:
            self._running = [process for process in self._running if process.poll() is None][-10:]
            # The body is read as markup; what begins with a dash would be an option without the `--`.
            argv = [self._notifier, "--app-name=NutshellPBX", "--urgency=low", "--expire-time=15000", "--"]
            try:
                self._running.append(
                    subprocess.Popen(
                        [*argv, title or "NutshellPBX", html.escape("\n".join(lines), quote=False)],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
            except OSError:
                self._notifier = None  # broken here; the terminal still shows every card

    def take_away(self, call: str, subject: str) -> None:
        """Say that a card is gone; an empty subject takes all of the call."""
        for key in [key for key in self._shown if key[0] == call and subject in {"", key[1]}]:
            self._say(_("✕ gone: {title}").format(title=self._shown.pop(key)))
