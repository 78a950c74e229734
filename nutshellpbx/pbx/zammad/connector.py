"""Whatever can tell Zammad of its calls can tell us: the generic CTI form, and whose line a name means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from nutshellpbx.fields import Check, Field, FieldKind, Probe
from nutshellpbx.pbx.connector import (
    Fetch,
    HookMessage,
    HookRequest,
    KnownLeg,
    PbxConfig,
    SeenExtension,
)
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.webhook.protocol import digest_of
from nutshellpbx.pbx.zammad import mapping, protocol, translate
from nutshellpbx.pbx.zammad.translate import Known


class ZammadConnector:
    """Hears calls in the form that telephone systems post to Zammad's generic CTI endpoint."""

    kind = "zammad"
    label = "Generic CTI (as for Zammad)"
    fields: Sequence[Field] = (
        Field(
            "token",
            "Secret",
            FieldKind.SECRET,
            "The sender posts to the address with this secret behind it, after a slash. "
            "Leave it empty and we make one. It is shown once.",
            required=False,
        ),
    )

    def __init__(self, config: PbxConfig) -> None:
        self.config = config

    def nothing_known(self) -> Known:
        return Known()

    def verify(self, request: HookRequest, now: datetime) -> None:
        secret = self.config.secrets["token"].reveal()
        protocol.check_token(headers=request.headers, token=request.token, secret=secret)

    def read(self, request: HookRequest) -> list[HookMessage]:
        content = protocol.read_body(headers=request.headers, body=request.body)
        return [HookMessage(digest_of(content), {**content, "kind": content["event"]})]

    def call_of(self, message: HookMessage) -> str:
        return translate.call_of(message.content)

    def recall(
        self, message: HookMessage, *, lines: Sequence[SeenExtension], legs: Sequence[KnownLeg], now: datetime
    ) -> Known:
        names = translate.names_of(message.content)
        known = Known(
            mapped=mapping.chosen_for(pbx_id=self.config.id, keys=[name.key for name in names]),
            lines=tuple(lines),
            calls={self.call_of(message): tuple(legs)},
        )
        unmapped = translate.unmapped_of(known, message.content)
        mapping.note_unmapped(
            pbx_id=self.config.id, names=[(name.kind, name.key, name.text) for name in unmapped], now=now
        )
        return known

    def translate(
        self, known: Known, message: HookMessage, now: datetime
    ) -> tuple[Known, list[CallEvent], list[Fetch]]:
        known, events = translate.translate(
            known, pbx=self.config.id, content=message.content, raw_id=message.raw_id, now=now
        )
        return known, events, []

    def resync(self, known: Known, snapshot: Any, now: datetime) -> tuple[Known, list[CallEvent]]:
        return replace(known, calls={}), []

    def probe(self) -> Probe:
        facts: Mapping[str, str] = {"kind": self.label}
        check = Check("address", True, "The sender calls us; nothing to reach from here.", "")
        return Probe((check,), facts)
