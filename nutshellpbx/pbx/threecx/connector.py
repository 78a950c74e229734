"""The connector to 3CX: its Call Control API where it is licensed, and the PBX's own records beside it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from nutshellpbx.faults import Denied, Fault
from nutshellpbx.fields import Check, Field, FieldKind, Probe
from nutshellpbx.outbound import hang_up
from nutshellpbx.pbx.connector import Fetch, Order, PbxConfig, SeenExtension
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.threecx import cdr, ways, xapi
from nutshellpbx.pbx.threecx import translate as translation
from nutshellpbx.pbx.threecx.cdrsource import Source, open_source
from nutshellpbx.pbx.threecx.connection import Connection
from nutshellpbx.pbx.threecx.listening import Act, Hearing
from nutshellpbx.pbx.threecx.picture import Known
from nutshellpbx.pbx.threecx.protocol import DN, Message, State
from nutshellpbx.pbx.threecx.reconcile import Reconciling

#: What may be dialled: nothing that the PBX could take for something else.
DIALABLE = re.compile(r"[+0-9*#]{1,32}")


class ThreeCxConnector:
    """Hears calls from a 3CX of version 20 (older ones: their call records), and lets users dial."""

    kind = "threecx"
    #: A call's end is always told: by its events, or when the whole state does not have it any more.
    tells_end = True
    label = "3CX"
    fields: Sequence[Field] = (
        Field(
            "address",
            "Address",
            FieldKind.ADDRESS,
            "Where its web client is: https://company.3cx.eu, or with a port behind it.",
        ),
        Field(
            "client_id",
            "Client ID",
            help="From Integrations › API in 3CX (version 20): an API client that nothing else uses, with "
            "every extension, queue, ring group and parking place in its list.",
        ),
        Field("secret", "API key", FieldKind.SECRET, "3CX shows it once, when the API client is made."),
        Field(
            "authority",
            "Authority’s file",
            help="Only if no known authority has signed the certificate: a PEM file on this server.",
            required=False,
            max_length=400,
        ),
        Field(
            "cdr",
            "Call records (CDR)",
            FieldKind.CHOICE,
            "So that calls that were not heard are noted too; needed only where XAPI is not licensed.",
            default="off",
            choices=(
                ("off", "Not used"),
                ("file", "A file that this server can read"),
                ("passive", "Passive socket: we connect to 3CX"),
                ("active", "Active socket: 3CX connects to us"),
            ),
        ),
        Field(
            "cdr_place",
            "Its path or port",
            help="The file’s path, or the number of the port.",
            required=False,
            max_length=400,
        ),
        Field(
            "cdr_fields",
            "Its fields, in order",
            help="As chosen in 3CX, separated by commas. Empty: 3CX’s own order.",
            required=False,
            max_length=1000,
        ),
        Field(
            "cdr_zone",
            "Its time zone",
            help="Such as Europe/Berlin. Empty: found out from when the records come.",
            required=False,
            max_length=60,
        ),
    )

    def __init__(self, config: PbxConfig) -> None:
        self.config = config
        # Kept from one `listen` to the next, so that calls which ended between them are told to be over.
        self._hearing: Hearing | None = None

    def nothing_known(self) -> Known:
        """The picture before the first message."""
        return translation.nothing_known(self.config.id)

    def translate(
        self, known: Known, message: Message, now: datetime
    ) -> tuple[Known, list[CallEvent], list[Fetch]]:
        """What a message means, given the picture; pure."""
        return translation.translate(known, message, now)

    def resync(
        self, known: Known, snapshot: State | Sequence[object] | None, now: datetime
    ) -> tuple[Known, list[CallEvent]]:
        """What changed while the PBX was not heard; pure. An empty snapshot: no call goes on."""
        return translation.resync(known, snapshot if isinstance(snapshot, State) else None, now)

    def listen(
        self,
        stop: Callable[[], bool],
        take_in: Callable[[CallEvent], None],
        report: Callable[[str, str], None],
        orders: Callable[[], Iterator[tuple[str, Order]]] | None = None,
        settle: Callable[[str, bool, str], None] | None = None,
        snapshot: Callable[[set[str]], None] | None = None,
    ) -> None:
        """Hear the PBX until `stop()`, reconnecting for ever; raises Denied when the sign-in is refused."""
        before = self._hearing
        reconciling = before.reconciling if before else self._reconciling()
        reconciling.begin(datetime.now(UTC))
        self._hearing = Hearing(
            before.known if before else self.nothing_known(),
            partial(Connection, self.config),
            reconciling,
            stop,
            take_in,
            report,
            orders,
            settle,
            self._action_of,
            snapshot,
        )
        try:
            self._hearing.run()
        except Denied as fault:
            report("denied", f"{fault.title}. {fault.next_step}")
            raise

    def extensions(self) -> list[SeenExtension]:
        """The extensions: with names and e-mails where XAPI may be asked, else those that are heard."""
        line = Connection(self.config)
        try:
            return xapi.list_people(line)
        except Denied:
            state = line.state().state or State({})
            known = replace(self.nothing_known(), types=state.types)
            return [SeenExtension(dn) for dn in sorted(state.types) if known.is_extension(dn)]
        finally:
            hang_up()

    def probe(self) -> Probe:
        """Sign in, read the state, hear events, ask for people and the log: check by check."""
        checks: list[Check] = []
        found = ways.Found(cdr=self.config.settings.get("cdr", ""))
        began = time.monotonic()
        try:
            line = Connection(self.config)
            line.sign_in()
            checks.append(_passed(_("Reach it and sign in"), began))
        except Fault as fault:
            checks.append(_failed(_("Reach it and sign in"), fault, began))
        else:
            found = self._probe_calls(line, checks, found)
            found = self._probe_xapi(line, checks, found)
        finally:
            hang_up()
        self._probe_cdr(checks)
        return Probe(tuple(checks), ways.in_words(found))

    def _probe_calls(self, line: Connection, checks: list[Check], found: ways.Found) -> ways.Found:
        began = time.monotonic()
        try:
            state = line.state().state or State({})
        except Fault as fault:
            checks.append(_failed(_("Read the calls’ state"), fault, began))
            return replace(found, call_control=False if isinstance(fault, Denied) else None)
        known = replace(self.nothing_known(), types=state.types)
        count = sum(known.is_extension(dn) for dn in state.types)
        text = _("%(count)s extensions are listed for this client") % {"count": count}
        if count:
            checks.append(_passed(_("Read the calls’ state"), began, text))
        else:
            hint = _("List the extensions to hear at the API client in 3CX.")
            checks.append(Check(_("Read the calls’ state"), False, text, hint, _took_ms(began)))
        began = time.monotonic()
        if line.token.is_listening:
            checks.append(_passed(_("Hear events"), began, _("The listener hears them.")))
            return replace(found, call_control=True, extensions=count)
        try:
            with line.listen():
                checks.append(_passed(_("Hear events"), began))
        except Fault as fault:
            checks.append(_failed(_("Hear events"), fault, began))
            return replace(found, call_control=False if isinstance(fault, Denied) else None)
        return replace(found, call_control=True, extensions=count)

    def _probe_xapi(self, line: Connection, checks: list[Check], found: ways.Found) -> ways.Found:
        """Neither is needed for the calls themselves, so neither is a failure."""
        began = time.monotonic()
        try:
            people = xapi.list_people(line)
            text = _("%(count)s users") % {"count": len(people)}
            checks.append(_passed(_("List its users"), began, text))
            found = replace(found, users=True)
        except Fault as fault:
            checks.append(_passed(_("List its users"), began, fault.title))
            found = replace(found, users=False if isinstance(fault, Denied) else None)
        began = time.monotonic()
        try:
            xapi.newest_record(line)
            checks.append(_passed(_("Read its call log"), began))
            return replace(found, call_log=True)
        except Fault as fault:
            checks.append(_passed(_("Read its call log"), began, fault.title))
            return replace(found, call_log=False if isinstance(fault, Denied) else None)

    def _probe_cdr(self, checks: list[Check]) -> None:
        settings = self.config.settings
        if settings.get("cdr", "off") in {"", "off"}:
            return
        began = time.monotonic()
        missing = cdr.find_missing(cdr.read_fields(settings.get("cdr_fields", "")))
        if missing:
            hint = _("Let 3CX write them too, and enter the order of the fields here.")
            text = _("The list has no %(fields)s") % {"fields": ", ".join(missing)}
            checks.append(Check(_("Call records"), False, text, hint, _took_ms(began)))
            return
        try:
            # the listener may hold the port already; a second one of the same kind would be in its way
            opened = self._open_cdr() if settings.get("cdr") == "file" else None
            if opened is not None:
                opened().lines()
        except Fault as fault:
            checks.append(_failed(_("Call records"), fault, began))
        else:
            checks.append(_passed(_("Call records"), began))

    def _reconciling(self) -> Reconciling:
        settings = self.config.settings
        fields = cdr.read_fields(settings.get("cdr_fields", ""))
        return Reconciling(self.config.id, self._open_cdr(), fields, settings.get("cdr_zone", ""))

    def _open_cdr(self) -> Callable[[], Source] | None:
        settings = self.config.settings
        host = urlsplit(settings.get("address", "")).hostname or ""
        return open_source(
            way=settings.get("cdr", "off"), place=settings.get("cdr_place", "").strip(), host=host
        )

    def _action_of(self, order: Order, known: Known) -> Act:
        """What carries out an order; raises ValueError with a sentence for a person."""
        if order.verb == "dial":
            extension = order.arguments.get("extension", "")
            number = re.sub(r"[\s().\-/]", "", order.arguments.get("number", ""))
            if not DIALABLE.fullmatch(number):
                raise ValueError(_("This is not a number that can be dialled."))
            if not DN.fullmatch(extension):
                raise ValueError(_("This extension cannot be dialled from."))
            return lambda line: line.make_call(extension=extension, number=number)
        if order.verb == "hang_up":
            uid = order.arguments.get("leg", "")
            leg = next((each for each in known.legs.values() if uid and each.uid == uid), None)
            if leg is None or not leg.is_living:
                raise ValueError(_("This call is over already."))
            key = leg.key
            return lambda line: line.drop(key)
        raise ValueError(_("This phone system cannot do that."))


def _passed(name: str, began: float, text: str = "") -> Check:
    return Check(name, True, text, took_ms=_took_ms(began))


def _failed(name: str, fault: Fault, began: float) -> Check:
    text = f"{fault.title} ({fault.detail})" if fault.detail else fault.title
    return Check(name, False, text, fault.next_step, _took_ms(began))


def _took_ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
