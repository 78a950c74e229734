"""The `listen` process: one thread per connected phone system, started and stopped as the admin changes
them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, close_old_connections, connection, connections
from django.utils import timezone
from django.utils.translation import gettext as _

from nutshellpbx.calls import flow, lines
from nutshellpbx.faults import Denied, Fault
from nutshellpbx.pbx import config as pbx_config
from nutshellpbx.pbx.connector import Order, PbxConfig
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.models import Command, Pbx

log = logging.getLogger(__name__)
LOOK_S = 1.0
#: How often the listener makes sure that it is still the only one.
CHECK_S = 3.0
#: After a refusal a person must act, and many phone systems lock out who tries often; changed settings
#: connect anew at once.
DENIED_PAUSE_S = 600.0
AWAY_PAUSE_S = 30.0
BROKEN_PAUSE_S = 2.0
#: Pauses between tries to write to a database that is away.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
#: How often the same event may break the line before it is set aside, so that the others are heard.
MOST_TRIES = 3
#: How long a changed line waits for the one that it replaces.
HAND_OVER_S = 30.0
#: A command whose listener died in the middle is given up so long after its end.
UNFINISHED_AFTER = timedelta(seconds=60)
KEPT_FOR = timedelta(days=7)


class Line:
    """The thread that hears one phone system, once the line that it replaces is over."""

    def __init__(self, config: PbxConfig, *, after: Line | None = None) -> None:
        self.config = config
        self._after = after.thread if after else None
        self._stop = threading.Event()
        self._heard_at = 0.0
        self._broke: Counter[tuple[str, str, str]] = Counter()
        self.thread: threading.Thread = threading.Thread(
            target=self._run, name=f"listen-{config.name}", daemon=True
        )
        self.thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        connector = None
        try:
            if self._after is not None:
                self._after.join(timeout=HAND_OVER_S)
                self._after = None
            while not self._stop.is_set():
                try:
                    # the same one as long as the line lives: it knows which calls went on before
                    connector = connector or pbx_config.connector_of(config=self.config)
                    connector.listen(
                        self._stop.is_set,
                        self._take_in,
                        self._report,
                        self._orders,
                        settle_command,
                        self._end_vanished,
                    )
                except Denied as fault:
                    self._report(Pbx.State.DENIED, _describe(fault))
                    self._stop.wait(DENIED_PAUSE_S)
                except Fault as fault:
                    self._report(Pbx.State.AWAY, _describe(fault))
                    self._stop.wait(AWAY_PAUSE_S)
                except Exception:
                    # the outermost loop of a line: told, then tried again; one PBX never ends the others
                    log.exception("The line to %s broke", self.config.name)
                    self._stop.wait(BROKEN_PAUSE_S)
        finally:
            connections.close_all()

    def _take_in(self, event: CallEvent) -> None:
        what = (event.call_uid, event.leg, event.kind)
        try:
            self._write(lambda: flow.take_in(event=event, now=timezone.now()))
        except Exception:
            # broken off and told again by the next connection's first look; but not for ever
            self._broke[what] += 1
            if self._stop.is_set() or self._broke[what] < MOST_TRIES:
                raise
            log.exception("An event of %s could not be taken in; it is set aside", self.config.name)
        else:
            self._broke.pop(what, None)
        if time.monotonic() - self._heard_at > 5:
            self._heard_at = time.monotonic()
            heard = Pbx.objects.filter(pk=self.config.id)
            self._write(lambda: heard.update(last_event_at=timezone.now()))

    def _end_vanished(self, live_uids: set[str]) -> None:
        """End what the PBX does not know any more. Whatever this line heard of is in the database by now, and
        what happened while the PBX listed its calls is heard after this.
        """
        now = timezone.now()
        self._write(
            lambda: lines.end_vanished(pbx_id=self.config.id, live_uids=live_uids, heard_before=now, now=now)
        )

    def _report(self, state: str, text: str) -> None:
        self._write(lambda: note_state(pbx_id=self.config.id, state=state, text=text))

    def _write(self, verb: Callable[[], object]) -> None:
        """Carry out a verb however long the database is away; raises its error only when stopped."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                close_old_connections()
                verb()
                return
            except (OperationalError, InterfaceError) as error:
                log.warning("%s: the database is away (%s)", self.config.name, type(error).__name__)
                connection.close()
                if self._stop.wait(pause_s):
                    raise
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def _orders(self) -> Iterator[tuple[str, Order]]:
        return claim_commands(pbx_id=self.config.id, besides=("probe",))


def note_state(*, pbx_id: str, state: str, text: str) -> None:
    """Note a change of the connection's state; written and said once, not at every try."""
    text = text.strip()[:300]
    for pbx in Pbx.objects.filter(pk=pbx_id).exclude(state=state, state_text=text):
        Pbx.objects.filter(pk=pbx_id).update(state=state, state_text=text, state_at=timezone.now())
        log.info("%s: %s %s", pbx.name, state, text)


def claim_commands(
    *, pbx_id: str, besides: tuple[str, ...] = (), verb: str = ""
) -> Iterator[tuple[str, Order]]:
    """The waiting commands of a PBX that are still wanted, each claimed before it is handed out."""
    waiting = Command.objects.filter(
        pbx_id=pbx_id, state=Command.State.WAITING, expires_at__gte=timezone.now()
    ).exclude(verb__in=besides)
    if verb:
        waiting = waiting.filter(verb=verb)
    for command in list(waiting.order_by("created_at")):
        mine = Command.objects.filter(pk=command.pk, state=Command.State.WAITING)
        if mine.update(state=Command.State.DOING):
            yield str(command.pk), Order(command.verb, command.arguments)


def settle_command(command_id: str, ok: bool, text: str) -> None:
    """Keep how a command ended."""
    Command.objects.filter(pk=command_id).update(
        state=Command.State.DONE if ok else Command.State.FAILED,
        result={"text": text[:300]},
        settled_at=timezone.now(),
    )


def refuse_commands(*, pbx_id: str, text: str, besides: tuple[str, ...] = ()) -> None:
    """Let a PBX's waiting commands fail at once, for a reason that no waiting helps."""
    for command_id, _order in claim_commands(pbx_id=pbx_id, besides=besides):
        settle_command(command_id, False, text)


def settle_stale_commands(*, now: datetime) -> None:
    """Let commands fail that nobody took or finished in time, delete old ones; writes only when needed."""
    waiting = Command.objects.filter(state=Command.State.WAITING, expires_at__lt=now)
    doing = Command.objects.filter(state=Command.State.DOING, expires_at__lt=now - UNFINISHED_AFTER)
    for stale, text in (
        (waiting, "It waited for too long."),
        (doing, "The listener did not finish it."),
    ):
        if stale.exists():
            stale.update(state=Command.State.FAILED, result={"text": text}, settled_at=now)
    old = Command.objects.filter(created_at__lt=now - KEPT_FOR)
    if old.exists():
        old.delete()


def run(*, stop: Callable[[], bool], check: Callable[[], None] = lambda: None) -> None:
    """Hear every enabled phone system until `stop()`; a changed one is connected again within seconds.

    Every few seconds `check()` may raise, when this process must not be the listener any more; that ends it.
    """
    heard: dict[str, Line] = {}
    checked_at = time.monotonic()
    try:
        while not stop():
            if time.monotonic() - checked_at >= CHECK_S:
                check()
                checked_at = time.monotonic()
            try:
                close_old_connections()
                _look(heard)
            except Exception:
                # the outermost loop of the process: told, then the next second is another try
                log.exception("The listener could not read the phone systems")
            time.sleep(LOOK_S)
    finally:
        for line in heard.values():
            line.stop()
        until = time.monotonic() + 5
        for line in heard.values():
            line.thread.join(timeout=max(0.0, until - time.monotonic()))


def _look(heard: dict[str, Line]) -> None:
    wanted: dict[str, PbxConfig] = {}
    unclear: set[str] = set()
    for pbx in Pbx.objects.filter(is_enabled=True):
        key = str(pbx.pk)
        try:
            config = _prepare(pbx)
        except Fault as fault:
            # its secret cannot be opened: told to a person, and the others are heard all the same
            note_state(pbx_id=key, state=Pbx.State.DENIED, text=_describe(fault))
            refuse_commands(pbx_id=key, text=_describe(fault))
        except Exception:
            # the outermost loop of a phone system: told, and its line stays as it is
            log.exception("The settings of %s could not be read", pbx.name)
            unclear.add(key)
        else:
            if config is not None:
                wanted[key] = config
    for key in heard.keys() - wanted.keys() - unclear:
        heard.pop(key).stop()
    for key, config in wanted.items():
        line = heard.get(key)
        if line is None or not line.thread.is_alive():
            heard[key] = Line(config)
        elif _differs(line.config, config):
            line.stop()
            heard[key] = Line(config, after=line)
    settle_stale_commands(now=timezone.now())


def _prepare(pbx: Pbx) -> PbxConfig | None:
    """The configuration of a PBX that holds a connection, None for one that posts; its probes are begun."""
    if pbx_config.is_posted_to(pbx.kind):
        _probe_waiting(pbx_config.bare_config(pbx=pbx))
        text = _("This phone system tells us of calls, but takes no orders: dial on the phone itself.")
        refuse_commands(pbx_id=str(pbx.pk), text=text, besides=("probe",))
        return None
    config = pbx_config.open_config(pbx=pbx)
    _probe_waiting(config)
    return config


def _describe(fault: Fault) -> str:
    return f"{fault.title.removesuffix('.')}. {fault.next_step}".strip()


def _differs(before: PbxConfig, after: PbxConfig) -> bool:
    """Whether a line must be connected anew; secrets are compared by their values, in memory."""
    revealed = [
        {name: value.reveal() for name, value in config.secrets.items()} for config in (before, after)
    ]
    same_rest = (before.name, before.settings, before.country) == (after.name, after.settings, after.country)
    return not same_rest or revealed[0] != revealed[1]


def _probe_waiting(config: PbxConfig) -> None:
    for command_id, _order in claim_commands(pbx_id=config.id, verb="probe"):
        threading.Thread(target=_probe, args=(config, command_id), daemon=True).start()


def _probe(config: PbxConfig, command_id: str) -> None:
    try:
        probe = pbx_config.connector_of(config=config).probe()
        Command.objects.filter(pk=command_id).update(
            state=Command.State.DONE if probe.ok else Command.State.FAILED,
            result={"checks": [asdict(check) for check in probe.checks], "facts": dict(probe.facts)},
            settled_at=timezone.now(),
        )
    finally:
        connections.close_all()
