"""The loop of a paired desktop: wait, show, open, report; for ever, through sleep and lost networks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from gettext import gettext as _
from typing import IO

from nutshellpbx import wire
from nutshellpbx.client import session
from nutshellpbx.client.address import Refused, normal_origin
from nutshellpbx.client.backoff import Backoff
from nutshellpbx.client.cards import Cards
from nutshellpbx.client.config import (
    Pairing,
    Places,
    Settings,
    State,
    Unusable,
    find_pairing,
    find_state,
    keep,
)
from nutshellpbx.client.courier import Courier
from nutshellpbx.client.idle import find_idle_s
from nutshellpbx.client.link import Away, Link, TurnedDown
from nutshellpbx.client.opener import NotOpened, Opener
from nutshellpbx.client.report import make_report

WAIT_S = 25
#: What `status` shows as "last heard" is written at most so often.
KEEP_EVERY_S = 60


class Desk:
    """A paired desktop at work; `say` prints one line for the person."""

    def __init__(
        self, *, places: Places, settings: Settings, pairing: Pairing, token: str, say: Callable[[str], None]
    ) -> None:
        self._places = places
        self._pairing = pairing
        self._say = say
        ca_bundle = settings.ca_bundle or pairing.ca_bundle
        self._push = Link(pairing.push_url, secret=token, ca_bundle=ca_bundle)
        self._courier = Courier(Link(pairing.server, secret=token, ca_bundle=ca_bundle))
        self._opener = Opener(settings)
        self._cards = Cards(say, notify=settings.notify)
        state = find_state(places)
        if state.device != pairing.device:
            state = State(device=pairing.device)
        self._state = state
        self._known = session.Known(cursor=state.cursor, seen=state.seen, origins=usable(pairing.origins))
        self._is_away = False

    def run(self, *, once: bool) -> None:
        """Wait and act until stopped, with `once` until a page was asked; raises NotPaired, Unusable."""
        self._say(
            _("Listening for {user} at {server}.").format(
                user=self._pairing.user, server=self._pairing.server
            )
        )
        self._courier.send(make_report(self._pairing.origins))
        backoff = Backoff()
        while True:
            try:
                turn_s = session.next_turn_s(self._known, time.time())
                batch = self._push.poll(
                    after=self._known.cursor,
                    wait_s=WAIT_S if turn_s is None else round(turn_s + 0.5),
                    idle_s=find_idle_s(),
                )
            except (Away, TurnedDown) as error:
                self._note_away(str(error))
                self._push.close()
                time.sleep(backoff.next_s())
                batch = None
            else:
                backoff.reset()
                self._note_back()
            if self._act(batch) and once:
                self._courier.flush(5)
                return

    def _act(self, batch: wire.Batch | None) -> bool:
        """Follow a batch and whatever waited for its turn; True when a page was opened or refused."""
        self._reread_origins()
        self._opener.tidy()
        self._known, actions = session.catch_up(self._known, time.time())
        if batch is not None:
            self._known, more = session.take_in(self._known, batch, time.time())
            actions += more
            self._keep(force=bool(batch.instructions))
        for action in actions:
            if isinstance(action, session.ShowCard):
                continue
            self._do(action)
        # The page first: drawing a card must not delay it.
        for action in actions:
            if isinstance(action, session.ShowCard):
                self._cards.show(action.instruction)
        return any(isinstance(action, session.OpenPage | session.Refuse) for action in actions)

    def _do(self, action: session.Action) -> None:
        if isinstance(action, wire.Outcome):
            self._courier.send(action)
        elif isinstance(action, session.TakeAway):
            self._cards.take_away(action.call, action.subject)
        elif isinstance(action, session.Refuse):
            self._say(_("Not opened: {why}.").format(why=action.why))
            if action.result is wire.Result.REFUSED_ORIGIN and action.instruction.page:
                origin = action.instruction.page.origin
                self._say(_("To allow it: nutshellpbx-client origins --add {origin}").format(origin=origin))
        elif isinstance(action, session.OpenPage):
            try:
                self._opener.open(action.address, action.instruction.browser)
            except NotOpened as error:
                self._say(_("Not opened: {why}").format(why=error))
                result = wire.Result.FAILED
            else:
                result = wire.Result.OPENED
            outcome = session.settle(self._known, action, result, time.time())
            self._courier.send(outcome)
            if result is wire.Result.OPENED:
                self._say(
                    _("→ opened after {ms} ms: {address}").format(ms=outcome.took_ms, address=action.address)
                )

    def _reread_origins(self) -> None:
        """Follow `origins --add` and `unpair` without a restart."""
        pairing = find_pairing(self._places)
        if pairing is None or pairing.device != self._pairing.device:
            raise Unusable(_("This desktop was unpaired or paired anew. Start the client again."))
        if pairing.origins != self._pairing.origins:
            self._pairing = pairing
            self._known = replace(self._known, origins=usable(pairing.origins))
            self._courier.send(make_report(pairing.origins))

    def _keep(self, *, force: bool) -> None:
        """Remember ids before anything is opened: killed at any moment, no page is opened twice."""
        now = time.time()
        if force or self._known.cursor != self._state.cursor or now - self._state.heard_at >= KEEP_EVERY_S:
            self._state = State(
                device=self._pairing.device, cursor=self._known.cursor, seen=self._known.seen, heard_at=now
            )
            keep(self._places.state, self._state)

    def _note_away(self, why: str) -> None:
        if not self._is_away:
            self._is_away = True
            self._say(_("{why} Trying again until it works.").format(why=why))

    def _note_back(self) -> None:
        if self._is_away:
            self._is_away = False
            self._say(_("Connected again."))


def usable(origins: tuple[str, ...]) -> frozenset[str]:
    """Confirmed origins in the form in which they are compared; what is no origin is left out."""
    found = set()
    for origin in origins:
        try:
            found.add(normal_origin(origin))
        except Refused:
            continue
    return frozenset(found)


@contextmanager
def alone(places: Places) -> Iterator[None]:
    """Hold the lock of this desktop's one running client; raises Unusable when another one runs."""
    with places.lock.open("a+b") as file:
        if not _lock(file):
            raise Unusable(_("The client runs already."))
        yield


def is_running(places: Places) -> bool:
    """Whether a client of this desktop runs."""
    if not places.lock.exists():
        return False
    with places.lock.open("a+b") as file:
        return not _lock(file)


def _lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
