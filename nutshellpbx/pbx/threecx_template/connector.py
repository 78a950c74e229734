"""3CX by its server-side CRM template: it asks us who calls, and reports each call after its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nutshellpbx.fields import Check, Field, FieldKind, Probe
from nutshellpbx.pbx.asking import Contact, Question, Version
from nutshellpbx.pbx.connector import Fetch, HookMessage, HookRequest, PbxConfig
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.threecx_template import protocol, template, translate


class ThreecxTemplateConnector:
    """Answers the template's questions and hears its reports, by a key of its own."""

    kind = "threecx_template"
    label = "3CX (CRM template)"
    #: Its calls are told after their end, without the phone system's own id of them.
    tells_afterwards = True
    fields: Sequence[Field] = (
        Field(
            "same_as",
            "The same phone system is also connected as",
            FieldKind.PHONE_SYSTEM,
            "Calls that both tell of are journaled once. Extensions are those of the other one.",
            required=False,
        ),
        Field(
            "networks",
            "Networks that may ask",
            FieldKind.NETWORKS,
            "Such as 203.0.113.7 or 10.0.0.0/8, separated by commas. Empty: any network with the key.",
            required=False,
        ),
        Field(
            "key",
            "Key",
            FieldKind.SECRET,
            "Each download of the template makes a new one and puts it in.",
            required=False,
        ),
    )
    versions: Sequence[Version] = (
        Version("v20", "3CX v20", "nutshellpbx-3cx-v20.xml"),
        Version("v18", "3CX v18", "nutshellpbx-3cx-v18.xml"),
        Version("v16", "3CX v16", "nutshellpbx-3cx-v16.xml"),
    )

    def __init__(self, config: PbxConfig) -> None:
        self.config = config

    def nothing_known(self) -> None:
        return None

    def verify(self, request: HookRequest, now: datetime) -> None:
        protocol.check_network(remote=request.remote, networks=self.config.settings.get("networks", ""))
        key = self.config.secrets.get("key")
        protocol.check_key(headers=request.headers, secret=key.reveal() if key else "")

    def read(self, request: HookRequest) -> list[HookMessage]:
        fields = {name: value for name, value in protocol.read_fields(request.body).items() if value}
        if fields.get("report", "call") == "chat":
            return [HookMessage(translate.raw_id_of(fields, datetime.now(UTC)), {**fields, "kind": "chat"})]
        translate.report_of(fields, datetime.now(UTC))
        return [HookMessage(translate.raw_id_of(fields, datetime.now(UTC)), {**fields, "kind": "report"})]

    def translate(
        self, known: None, message: HookMessage, now: datetime
    ) -> tuple[None, list[CallEvent], list[Fetch]]:
        if message.content.get("kind") != "report":
            return None, [], []
        report = translate.report_of(message.content, now)
        return None, translate.events_of(report, pbx=self.config.id, raw_id=message.raw_id), []

    def resync(self, known: None, snapshot: Any, now: datetime) -> tuple[None, list[CallEvent]]:
        return None, []

    def probe(self) -> Probe:
        text = "The phone system asks us; nothing to reach from here."
        return Probe((Check("address", True, text, ""),), {"kind": self.label})

    def read_question(self, what: str, request: HookRequest) -> Question:
        fields = protocol.read_fields(request.body)
        return Question(
            what=what,
            number=fields["number"],
            email=fields["email"],
            text=fields["text"],
            name=" ".join(part for part in (fields["first_name"], fields["last_name"]) if part),
            company=fields["company"],
        )

    def answer(self, what: str, state: str, contacts: Sequence[Contact]) -> Mapping[str, Any]:
        return translate.answer_of(state, contacts, is_search=what == "search")

    def template(self, *, version: str, address: str, key: str) -> bytes:
        return template.write_template(version=version, address=address, key=key)
