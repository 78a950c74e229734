"""The connector to Asterisk and everything that is Asterisk underneath, over the manager interface (AMI)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from nutshellpbx.faults import Denied, Fault, Rejected
from nutshellpbx.fields import Check, Field, FieldKind, Probe
from nutshellpbx.pbx.asterisk import translate as translation
from nutshellpbx.pbx.asterisk.connection import Connection
from nutshellpbx.pbx.asterisk.listening import CLASSES, Hearing
from nutshellpbx.pbx.asterisk.picture import Known, Lines
from nutshellpbx.pbx.asterisk.protocol import GREETING, Message
from nutshellpbx.pbx.connector import Fetch, Order, PbxConfig, SeenExtension
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.redact import Secret

#: What may be dialled: nothing that a dial plan or the line protocol could take for something else.
DIALABLE = re.compile(r"[+0-9*#]{1,32}")
EXTENSION = re.compile(r"[A-Za-z0-9_-]{1,32}")
#: Names of a phone are asked one by one, so not of more than so many.
MOST_NAMES = 500
_RING_OWN_PHONE_MS = 30_000


class AsteriskConnector:
    """Hears calls from Asterisk, FreePBX, Issabel, VitalPBX and the like, and lets them dial."""

    kind = "asterisk"
    #: It always says that a call is over: a pause between two legs is only a pause.
    tells_end = True
    label = "Asterisk, FreePBX, Issabel, VitalPBX"
    fields: Sequence[Field] = (
        Field("host", "Address", FieldKind.HOST, "Name or address of the phone system."),
        Field(
            "port", "Port", FieldKind.PORT, "The manager interface's: 5038, or 5039 with TLS.", default="5038"
        ),
        Field("username", "Manager user", help="From manager.conf, or Settings › Asterisk Manager Users."),
        Field("secret", "Secret", FieldKind.SECRET),
        Field(
            "tls",
            "Encryption",
            FieldKind.CHOICE,
            "Without TLS everybody in that network can read who calls whom.",
            default="off",
            choices=(("off", "None (same machine or trusted network)"), ("on", "TLS")),
        ),
        Field(
            "fingerprint",
            "Certificate's SHA-256 fingerprint",
            help="Only with TLS, and only if no known authority has signed the certificate.",
            required=False,
        ),
        Field(
            "context",
            "Context for dialling",
            help="The dial plan context in which a phone dials.",
            default="from-internal",
        ),
        Field(
            "technology",
            "Phones are",
            FieldKind.CHOICE,
            default="PJSIP",
            choices=(("PJSIP", "PJSIP"), ("SIP", "SIP (chan_sip)"), ("IAX2", "IAX2")),
        ),
        Field(
            "longest",
            "Longest extension, in digits",
            help="A device whose name is a number of at most so many digits is an extension.",
            default="6",
        ),
        Field(
            "trunks",
            "Outside lines with a number for a name",
            help="Device names, separated by commas, if a short number is the name of a trunk.",
            required=False,
            max_length=1000,
        ),
        Field(
            "devices",
            "Devices with another name than their extension",
            help="As device=extension, separated by commas: 99101=101, webphone-ada=101.",
            required=False,
            max_length=4000,
        ),
    )

    def __init__(self, config: PbxConfig) -> None:
        self.config = config
        self._lines = read_lines(config)
        # Kept from one `listen` to the next, so that calls which ended between them are told to be over.
        self._hearing: Hearing | None = None

    def nothing_known(self) -> Known:
        """The picture before the first message."""
        return translation.nothing_known(self.config.id, self._lines)

    def translate(
        self, known: Known, message: Message, now: datetime
    ) -> tuple[Known, list[CallEvent], list[Fetch]]:
        """What a message means, given the picture; pure."""
        return translation.translate(known, message, now)

    def resync(
        self, known: Known, snapshot: Sequence[Message], now: datetime
    ) -> tuple[Known, list[CallEvent]]:
        """What changed while the PBX was not heard; pure."""
        return translation.resync(known, snapshot, now)

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
        known = self._hearing.known if self._hearing else self.nothing_known()
        connect = partial(self._connect, CLASSES)
        self._hearing = Hearing(
            known, connect, stop, take_in, report, orders, settle, self._action_of, snapshot
        )
        try:
            self._hearing.run()
        except Denied as fault:
            report("denied", f"{fault.title}. {fault.next_step}")
            raise

    def extensions(self) -> list[SeenExtension]:
        """The extensions that the PBX has phones for, by number; raises a Fault."""
        with self._connect("off") as line:
            listed = line.ask_list("PJSIPShowEndpoints")
            peers = line.ask_list("SIPpeers") if not listed else None
            if listed is None and peers is None:
                raise Denied(
                    "The phone system lists no phones for this manager user",
                    "Give the user the write class “system”, or enter the extensions by hand.",
                )
            names: dict[str, str] = {}
            for item in [*(listed or []), *(peers or [])]:
                device = item.find("ObjectName") or ""
                extension = self._lines.find_extension(device)
                if extension:
                    names.setdefault(extension, self._find_name(line, device) if listed else "")
                if len(names) >= MOST_NAMES:
                    break
        return [SeenExtension(number, names[number]) for number in sorted(names)]

    def probe(self) -> Probe:
        """Reach it, sign in, read its state, list its phones: check by check."""
        checks: list[Check] = []
        facts: dict[str, str] = {}
        began = time.monotonic()
        try:
            with self._open() as line:
                checks.append(_passed("Reach the manager interface", began))
                began = time.monotonic()
                line.sign_in(self.config.settings.get("username", ""), self._secret(), classes="off")
                checks.append(_passed("Sign in", began))
                facts["greeting"] = line.greeting
                self._probe_rights(line, checks, facts)
        except Fault as fault:
            name = ("Reach the manager interface", "Sign in", "Read its state")[min(len(checks), 2)]
            text = f"{fault.title} ({fault.detail})" if fault.detail else fault.title
            checks.append(Check(name, False, text, fault.next_step, _took_ms(began)))
        return Probe(tuple(checks), facts)

    def _probe_rights(self, line: Connection, checks: list[Check], facts: dict[str, str]) -> None:
        if not line.greeting.startswith(GREETING):
            text = "What answers is not an Asterisk manager interface."
            checks.append(Check("Is an Asterisk", False, text, "Check the address and port."))
        began = time.monotonic()
        version = line.ask("CoreSettings").find("AsteriskVersion")
        if version:
            facts["version"] = version
        state = line.ask_list("CoreShowChannels")
        state = line.ask_list("Status") if state is None else state
        hint = "Give the manager user the read and write class “call”."
        if state is None:
            checks.append(Check("Read its state", False, "This user may not see calls.", hint))
        else:
            checks.append(_passed("Read its state", began, f"{len(state)} channels now"))
        began = time.monotonic()
        phones = line.ask_list("PJSIPShowEndpoints")
        if phones is None:
            # Not needed for the calls themselves, so no failure.
            checks.append(_passed("List its phones", began, "Not allowed; extensions are entered by hand."))
            return
        known = [item for item in phones if self._lines.find_extension(item.find("ObjectName") or "")]
        facts["extensions"] = str(len(known))
        checks.append(_passed("List its phones", began, f"{len(known)} extensions"))

    def _find_name(self, line: Connection, device: str) -> str:
        """A phone's name from its caller ID, `"Ada" <101>`; empty when it has none."""
        for item in line.ask_list("PJSIPShowEndpoint", {"Endpoint": device}) or []:
            if item.event == "EndpointDetail":
                caller_id = item.find("Callerid") or ""
                return caller_id.partition("<")[0].strip().strip('"') if "<" in caller_id else ""
        return ""

    def _action_of(self, order: Order, known: Known) -> tuple[str, dict[str, str]]:
        """The manager action that carries out an order; raises ValueError with a sentence for a person."""
        if order.verb == "dial":
            return self._dial(order.arguments.get("extension", ""), order.arguments.get("number", ""))
        if order.verb == "hang_up":
            leg = order.arguments.get("leg", "")
            channel = next((each for each in known.channels.values() if leg and each.leg == leg), None)
            if channel is None:
                raise ValueError("This call is over already.")
            return "Hangup", {"Channel": channel.name, "Cause": "16"}
        raise ValueError("This phone system cannot do that.")

    def _dial(self, extension: str, number: str) -> tuple[str, dict[str, str]]:
        plain = re.sub(r"[\s().\-/]", "", number)
        if not DIALABLE.fullmatch(plain):
            raise ValueError("This is not a number that can be dialled.")
        if not EXTENSION.fullmatch(extension):
            raise ValueError("This extension cannot be dialled from.")
        device = next((name for name, owner in self._lines.devices.items() if owner == extension), extension)
        settings = self.config.settings
        return "Originate", {
            # The user's own phone rings first; it shows whom it is going to call.
            "Channel": f"{settings.get('technology') or 'PJSIP'}/{device}",
            "Context": settings.get("context") or "from-internal",
            "Exten": plain,
            "Priority": "1",
            "CallerID": f'"{plain}" <{extension}>',
            "Timeout": str(_RING_OWN_PHONE_MS),
            "Async": "true",
        }

    def _open(self) -> Connection:
        settings = self.config.settings
        port = settings.get("port") or "5038"
        if not port.isdecimal() or not 0 < int(port) < 65_536:
            raise Denied("This is not a port", "Enter the manager interface's port, a number.")
        return Connection(
            settings.get("host", ""),
            int(port),
            tls=settings.get("tls") == "on",
            fingerprint=settings.get("fingerprint", ""),
        )

    def _connect(self, classes: str) -> Connection:
        line = self._open()
        try:
            line.sign_in(self.config.settings.get("username", ""), self._secret(), classes=classes)
        except Rejected as fault:
            line.__exit__(None, None, None)
            raise Denied("The manager user or its secret has a character that cannot be sent") from fault
        except BaseException:
            line.__exit__(None, None, None)
            raise
        return line

    def _secret(self) -> Secret:
        secret = self.config.secrets.get("secret")
        if secret is None:
            raise Denied("The phone system's secret is not entered", "Enter the manager user's secret.")
        return secret


def read_lines(config: PbxConfig) -> Lines:
    """How this PBX's devices are told apart, from its settings; what cannot be read there is left out."""
    longest = config.settings.get("longest") or "6"
    trunks = (name.strip() for name in config.settings.get("trunks", "").split(","))
    pairs = (pair.partition("=") for pair in config.settings.get("devices", "").split(","))
    devices = {device.strip(): extension.strip() for device, _, extension in pairs}
    return Lines(
        longest=int(longest) if longest.isdecimal() and 2 <= int(longest) <= 12 else 6,
        trunks=frozenset(filter(None, trunks)),
        devices={device: extension for device, extension in devices.items() if device and extension},
    )


def _passed(name: str, began: float, text: str = "") -> Check:
    return Check(name, True, text, took_ms=_took_ms(began))


def _took_ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
