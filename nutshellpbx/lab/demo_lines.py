"""The demo's terminal: steps with a spinner's worth of progress, and the story of a call line by line."""

from __future__ import annotations

import sys
import threading
import time
from datetime import datetime
from typing import Any

GREEN, DIM, BOLD, RED, END = "\033[32m", "\033[2m", "\033[1m", "\033[31m", "\033[0m"


class Terminal:
    """Says things; colours only where somebody looks."""

    def __init__(self) -> None:
        self.is_colour = sys.stdout.isatty()
        self._lock = threading.Lock()

    def say(self, text: str = "", *, tone: str = "") -> None:
        """One line."""
        with self._lock:
            sys.stdout.write(f"{tone}{text}{END}\n" if tone and self.is_colour else f"{text}\n")
            sys.stdout.flush()

    def step(self, text: str) -> Step:
        """A step that takes a while: its text, then how long it took."""
        return Step(self, text)


class Step:
    """Says what is being done, what it has come to, and how long it took."""

    def __init__(self, terminal: Terminal, text: str) -> None:
        self._terminal, self._text = terminal, text
        self._last_news = ""

    def __enter__(self) -> Step:
        self._started = time.monotonic()
        self._terminal.say(f"… {self._text}", tone=DIM)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        took = time.monotonic() - self._started
        if kind is None:
            self._terminal.say(f"✓ {self._text} ({took:.1f} s)", tone=GREEN)

    def news(self, text: str) -> None:
        """How far it has come, said when it changed."""
        if text != self._last_news:
            self._last_news = text
            self._terminal.say(f"  {text}", tone=DIM)


class Story:
    """Puts what happens to a call into lines: milliseconds since it rang, then what."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._rang_at: datetime | None = None
        self.states: list[str] = []
        self.found_ms: float | None = None

    def tell(self, event: dict[str, Any]) -> None:
        """One thing that happened."""
        at = datetime.fromisoformat(event["at"])
        if event["what"] in {"ringing", "dialing"} and self._rang_at is None:
            self._rang_at = datetime.fromisoformat(event["seen_at"])
        text, tone = self._words(event)
        if text:
            self.line(text, at=at, tone=tone)

    def line(self, text: str, *, at: datetime, tone: str = "") -> None:
        """A line of the story with its time since the ring."""
        ms = (at - self._rang_at).total_seconds() * 1000 if self._rang_at else 0.0
        self._terminal.say(f"  {max(0, ms):7.0f} ms  {text}", tone=tone)

    def since_ring_ms(self, at: datetime) -> float:
        """Milliseconds from the ring's event to a moment."""
        return (at - self._rang_at).total_seconds() * 1000 if self._rang_at else 0.0

    def _words(self, event: dict[str, Any]) -> tuple[str, str]:
        what = event["what"]
        if what in {"ringing", "answered", "ended", "dialing"}:
            who = f" at {event['who']}" if event["who"] else ""
            return {
                "ringing": f"rang{who}",
                "dialing": f"dials{who}",
                "answered": f"answered{who}",
                "ended": f"ended{who}",
            }[what], BOLD
        if what == "answer_found":
            self.found_ms = event["took_ms"]
            facts = event["facts"]
            return (
                f"found by {facts.get('source')} in {event['took_ms']:.0f} ms ({facts.get('written', '')})",
                GREEN,
            )
        if what in {"answer_not_found", "answer_unavailable"}:
            return event["text"], ""
        if what.startswith("shown_"):
            return f"{event['text']} {event['reason']}", ""
        if what == "not_shown":
            return f"nothing sent: {event['reason']}", DIM
        if what == "desk":
            return f"desk: {event['verb']} {event['outcome']} in {event['took_ms'] or 0} ms", ""
        if what == "entry":
            self.states.append(event["state"])
            return {
                "pending": "the call is in the journal",
                "written": "note written",
                "verified": f"note verified, at {event['card']}",
                "parked": f"the note needs a person: {event['reason']}",
                "waiting": f"the note waits: {event['reason']}",
            }.get(event["state"], ""), GREEN if event["state"] in {"written", "verified"} else ""
        return "", ""
