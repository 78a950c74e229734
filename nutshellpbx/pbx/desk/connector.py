"""A desk as the source of calls: one per device, made when it rings first; it knows of ringing alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nutshellpbx.faults import Denied
from nutshellpbx.fields import Check, Field, FieldKind, Probe
from nutshellpbx.pbx.connector import Fetch, HookMessage, HookRequest, PbxConfig
from nutshellpbx.pbx.desk import protocol, translate
from nutshellpbx.pbx.events import CallEvent


class DeskConnector:
    """Hears a paired desktop; where a phone system tells of the same call, this only confirms it."""

    kind = "desk"
    label = "Desktop (its own telephone program)"
    #: Made with the first ring of a device; nobody enters it.
    makes_itself = True
    #: A ring is all that it tells: the phone system's own word counts for everything else.
    tells_afterwards = True
    fields: Sequence[Field] = (
        Field("key", "Key", FieldKind.SECRET, "The desktop's own pairing is its key.", required=False),
    )

    def __init__(self, config: PbxConfig) -> None:
        self.config = config

    def nothing_known(self) -> None:
        return None

    def verify(self, request: HookRequest, now: datetime) -> None:
        raise Denied("A desktop rings through its own pairing.", "Use nutshellpbx-client ring there.")

    def read(self, request: HookRequest) -> list[HookMessage]:
        content = protocol.read_ring(request.body)
        return [HookMessage(content["id"], {**content, "kind": "ring"})]

    def translate(
        self, known: None, message: HookMessage, now: datetime
    ) -> tuple[None, list[CallEvent], list[Fetch]]:
        event = translate.event_of(
            pbx=self.config.id, content=message.content, raw_id=message.raw_id, now=now
        )
        return None, [event], []

    def resync(self, known: None, snapshot: Any, now: datetime) -> tuple[None, list[CallEvent]]:
        return None, []

    def probe(self) -> Probe:
        return Probe((Check("address", True, "The desktop calls us.", ""),), {"kind": self.label})
