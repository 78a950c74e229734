"""The generic webhook: any phone system or script that can post our JSON events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nutshellpbx.fields import Check, Field, FieldKind, Probe
from nutshellpbx.pbx.connector import Fetch, HookMessage, HookRequest, PbxConfig
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.webhook import protocol, translate


class WebhookConnector:
    """Hears calls from whatever posts them, signed or with a token."""

    kind = "webhook"
    label = "Webhook (any phone system)"
    fields: Sequence[Field] = (
        Field(
            "auth",
            "How the sender proves itself",
            FieldKind.CHOICE,
            "Signed is safer: the secret itself never travels.",
            default="signed",
            choices=(("signed", "Signed (Standard Webhooks)"), ("bearer", "Bearer token")),
        ),
        Field(
            "secret",
            "Secret",
            FieldKind.SECRET,
            "Leave it empty and we make one. It is shown once.",
            required=False,
        ),
    )

    def __init__(self, config: PbxConfig) -> None:
        self.config = config

    def nothing_known(self) -> None:
        return None

    def verify(self, request: HookRequest, now: datetime) -> None:
        secret = self.config.secrets["secret"].reveal()
        if self.config.settings.get("auth", "signed") == "bearer":
            protocol.check_bearer(headers=request.headers, secret=secret)
        else:
            protocol.check_signature(headers=request.headers, body=request.body, secret=secret, now=now)

    def read(self, request: HookRequest) -> list[HookMessage]:
        return [HookMessage(_id_of(content), content) for content in protocol.read_body(request.body)]

    def translate(
        self, known: None, message: HookMessage, now: datetime
    ) -> tuple[None, list[CallEvent], list[Fetch]]:
        if translate.is_unknown_kind(message.content):
            return None, [], []
        event = translate.event_of(
            pbx=self.config.id, content=message.content, raw_id=message.raw_id, now=now
        )
        return None, [event], []

    def resync(self, known: None, snapshot: Any, now: datetime) -> tuple[None, list[CallEvent]]:
        return None, []

    def probe(self) -> Probe:
        return Probe(
            (Check("address", True, "The sender calls us; nothing to reach from here.", ""),),
            {"kind": self.label},
        )


def _id_of(content: Mapping[str, Any]) -> str:
    """The sender's own id where it is one that can be stored and is not mistaken for a digest."""
    own = content.get("id")
    fits = isinstance(own, str) and 0 < len(own) <= 100 and own.isprintable()
    return str(own) if fits and not str(own).startswith(protocol.DIGEST) else protocol.digest_of(content)
