"""The one token of an API client: a second one would cut the first, so all of this process share it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from nutshellpbx.faults import TryLater
from nutshellpbx.redact import Secret

#: Renewed after this part of its life, and never later than so long before its end.
RENEWED_AFTER, MARGIN_S = 0.8, 20.0
#: Cut so often within this time, before its end and not by us: somebody else uses the same client.
CUT_TIMES, CUT_WITHIN_S = 3, 600.0


@dataclass(slots=True)
class Token:
    """The token of one client; `fetch` gets a new one and its life in seconds, or raises a Fault."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _text: Secret | None = None
    _renew_at: float = 0.0
    _cuts: deque[float] = field(default_factory=lambda: deque(maxlen=CUT_TIMES))
    #: Whether a listener's socket stands on it: nobody opens a second one then.
    is_listening: bool = False

    def get(self, fetch: Callable[[], tuple[Secret, float]]) -> Secret:
        """A token that is good for a while yet."""
        with self._lock:
            if self._text is None or time.monotonic() >= self._renew_at:
                self._text = None
                text, life_s = fetch()
                good_s = min(life_s * RENEWED_AFTER, max(life_s - MARGIN_S, life_s / 2))
                self._text, self._renew_at = text, time.monotonic() + good_s
            return self._text

    def void(self, refused: Secret) -> None:
        """The PBX refuses this token: the next `get` brings another one. Raises TryLater when it keeps being
        cut.
        """
        with self._lock:
            if self._text is None or self._text != refused:
                return  # another thread has a new one already
            is_early = time.monotonic() < self._renew_at
            self._text = None
            if is_early:
                self._cuts.append(time.monotonic())
            often = len(self._cuts) == CUT_TIMES and time.monotonic() - self._cuts[0] < CUT_WITHIN_S
        if often:
            raise TryLater(
                _("Something else signs in to 3CX with our API client, and each ends the other’s sign-in"),
                _("Make an API client in 3CX that only this server uses, and enter its ID and key here."),
            )


_tokens: dict[tuple[str, str, str], Token] = {}
_lock = threading.Lock()


def token_of(*, origin: str, client_id: str, key: Secret) -> Token:
    """The token that everything in this process shares for this client of this PBX.

    Another key has another token: one that is entered wrongly never lives on what the right one brought.
    """
    digest = hashlib.sha256(key.reveal().encode()).hexdigest()
    with _lock:
        return _tokens.setdefault((origin, client_id, digest), Token())
