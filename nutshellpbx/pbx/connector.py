"""The port to a phone system, and the list of the kinds that we know.

Two shapes of connector: one holds a connection and `listen`s; one is posted to and `verify`s requests. Both
translate with a pure `translate`. Adding a PBX is one folder, one line in CONNECTORS, one folder of
recordings and one line in the README.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol, TypeVar

from nutshellpbx.fields import Field, Probe
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.redact import Secret

#: kind -> where its connector class lives. Literal on purpose: the whole list can be read here.
CONNECTORS: Mapping[str, str] = {
    "asterisk": "nutshellpbx.pbx.asterisk.connector.AsteriskConnector",
    "desk": "nutshellpbx.pbx.desk.connector.DeskConnector",
    "threecx_template": "nutshellpbx.pbx.threecx_template.connector.ThreecxTemplateConnector",
    "threecx": "nutshellpbx.pbx.threecx.connector.ThreeCxConnector",
    "webhook": "nutshellpbx.pbx.webhook.connector.WebhookConnector",
    "zammad": "nutshellpbx.pbx.zammad.connector.ZammadConnector",
}


Known = TypeVar("Known")
Recalled = TypeVar("Recalled", covariant=True)
Message = TypeVar("Message", contravariant=True)


@dataclass(frozen=True, slots=True)
class PbxConfig:
    """What a connector needs to know of its PBX; secrets by field name, opened only where they are used."""

    id: str
    name: str
    kind: str
    settings: Mapping[str, str]
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    country: str = "US"


@dataclass(frozen=True, slots=True)
class Fetch:
    """An entity that the pure translator asks the IO shell for; the answer comes back as a message."""

    what: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class SeenExtension:
    """An extension that the phone system says it has, or that was entered here; `name` and `email` are its
    owner's where it has one.
    """

    number: str
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class KnownLeg:
    """A live leg of a live call, as it was taken in before: it waits for an answer, or it talks."""

    uid: str
    extension: str = ""
    is_talking: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """Something that the phone system shall do: `verb` "dial" (extension, number), "hang_up" (leg)."""

    verb: str
    arguments: Mapping[str, str]


class Connector(Protocol[Known, Message]):
    """What every phone system's connector offers. `known` is a frozen picture of the PBX's live channels."""

    kind: str
    label: str
    fields: Sequence[Field]

    def __init__(self, config: PbxConfig) -> None: ...

    def nothing_known(self) -> Known:
        """The picture before the first message."""
        ...

    def translate(
        self, known: Known, message: Message, now: datetime
    ) -> tuple[Known, list[CallEvent], list[Fetch]]:
        """What a message means, given the picture; pure, never raises on unknown kinds (they are counted)."""
        ...

    def resync(self, known: Known, snapshot: Any, now: datetime) -> tuple[Known, list[CallEvent]]:
        """What changed while we did not hear the PBX, from its present state; pure."""
        ...

    def probe(self) -> Probe:
        """Try to reach the PBX, check by check; never raises for a PBX that is away or refuses."""
        ...


class Listening(Protocol):
    """The part of a connector that holds a connection of its own (run by the `listen` process)."""

    def listen(
        self,
        stop: Callable[[], bool],
        take_in: Callable[[CallEvent], None],
        report: Callable[[str, str], None],
        orders: Callable[[], Iterator[tuple[str, Order]]] | None = None,
        settle: Callable[[str, bool, str], None] | None = None,
        snapshot: Callable[[set[str]], None] | None = None,
    ) -> None:
        """Hear the PBX until `stop()` is true, reconnecting for ever.

        `take_in` gets each event, in order, in the same thread. `report(state, text)` gets "connected",
        "away" (with the reason) or "denied" (a person must act; raises `Denied` after it). `orders()` yields
        (id, order) waiting to be carried out, `settle(id, ok, text)` takes their result. Each time the whole
        state was read, and what it changed was told, `snapshot(live_uids)` gets the `call_uid`s of all calls
        that live: any other call of this PBX that was heard of before is over. What `take_in` or `snapshot`
        raises ends the listening; it is told again by the next one.
        """
        ...

    def extensions(self) -> list[SeenExtension]:
        """The extensions that the PBX says it has; raises a Fault."""
        ...


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request that was posted to us, as bytes: nothing of it is trusted yet."""

    headers: Mapping[str, str]  # keys in lower case
    body: bytes
    remote: str = ""
    token: str = ""  # what stands behind the hook's address


@dataclass(frozen=True, slots=True)
class HookMessage:
    """One verified, readable message of a posted request; `raw_id` recognises a repeat."""

    raw_id: str
    content: Mapping[str, Any]


class Posted(Protocol):
    """The part of a connector that is posted to."""

    def verify(self, request: HookRequest, now: datetime) -> None:
        """Return when the request is from this PBX and fresh; raise `Denied` else. Constant time."""
        ...

    def read(self, request: HookRequest) -> list[HookMessage]:
        """The messages of a verified request; raises `Rejected` whose `detail` names the bad field."""
        ...


class Recalling(Protocol[Recalled]):
    """The part of a posted-to connector whose messages say too little to be understood one by one."""

    def call_of(self, message: HookMessage) -> str:
        """The `call_uid` that a message is about; raises `Rejected`."""
        ...

    def recall(
        self, message: HookMessage, *, lines: Sequence[SeenExtension], legs: Sequence[KnownLeg], now: datetime
    ) -> Recalled:
        """The picture that `translate` needs for this message, from what the admin chose (read from the
        database), the extensions that were entered here and the live legs of the message's call.
        """
        ...


def get_connector_class(kind: str) -> type[Any]:
    """The connector class of a kind; raises KeyError for a kind that is not in CONNECTORS."""
    module_name, _, class_name = CONNECTORS[kind].rpartition(".")
    found: type[Any] = getattr(import_module(module_name), class_name)
    return found
