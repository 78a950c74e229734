"""A practice 3CX as far as its CRM templates go: it asks who calls, keeps whom it was told of, and reports.

It runs the XML alone and knows nothing of who wrote it. Redirects are not followed; a scenario that fails is
given up, and the log says why.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from nutshellpbx.lab.threecx_template.expressions import ScenarioFailed, escaped, expand, is_true
from nutshellpbx.lab.threecx_template.reading import NAMES, PHONES, VARIABLES, Scenario, Template, read

TIMEOUT_S = 10.0
JOURNAL = {"ReportCall", "ReportChat"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was made, and what came back."""

    scenario: str
    url: str
    sent: Any
    status: int
    answer: Any


class TemplatePhoneSystem:
    """A phone system with a template loaded; `version` decides which variables it fills."""

    def __init__(
        self,
        xml: bytes,
        *,
        version: int,
        parameters: Mapping[str, str] | None = None,
        culture: str = "en-US",
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.template: Template = read(xml)
        self.version, self.culture = version, culture
        self.parameters = {**self.template.defaults, **(parameters or {})}
        self.asked: list[Asked] = []
        self.log: list[str] = []
        self.phone_book: dict[str, dict[str, str]] = {}
        self._trust = trust

    def ring(self, number: str, *, direction: str = "Inbound") -> dict[str, str] | None:
        """An outside call: the contact that is shown for its number, or None."""
        values = {"Number": number, "CallDirection": direction, "FoundRecordCount": 0}
        contacts = self._run("", values)
        accepted = [contact for contact in contacts if self._is_accepted(contact, number)]
        if accepted:
            self.phone_book[number] = accepted[0]
        return accepted[0] if accepted else None

    def search(self, text: str) -> list[dict[str, str]]:
        """What a person finds in the client's contact search."""
        return self._run("SearchContacts", {"SearchText": text, "EscapedSearchText": escaped(text)})

    def find_by_email(self, email: str) -> list[dict[str, str]]:
        """Who a live chat's visitor is."""
        return self._run("LookupByEmail", {"Email": email})

    def create_contact(self, **values: str) -> list[dict[str, str]]:
        """A person presses "create contact": FirstName, LastName, Email, Number, Company."""
        return self._run("CreateContactRecordFromClient", dict(values))

    def report(
        self,
        *,
        call_type: str,
        number: str,
        agent: str,
        start: datetime,
        talked: timedelta = timedelta(0),
        rang: timedelta = timedelta(seconds=5),
        name: str = "",
        queue: str = "",
        **more: Any,
    ) -> None:
        """A call is over: run the journal's scenario with the variables that this version fills."""
        is_answered = call_type in {"Inbound", "Outbound"}
        end = start + rang + talked
        values: dict[str, Any] = {
            "CallType": call_type,
            "CallDirection": "Inbound" if call_type in {"Inbound", "Missed"} else "Outbound",
            "Number": number,
            "Agent": agent,
            "Duration": talked,
            "DurationTimespan": talked,
            "DateTime": start,
            "CallStartTimeUTC": start,
            "CallEndTimeUTC": end,
            "Name": name,
            "QueueExtension": queue,
        }
        if is_answered:
            values["CallEstablishedTimeUTC"] = start + rang
        known = self.phone_book.get(number, {})
        values |= {key: known[key] for key in ("EntityId", "EntityType") if known.get(key)}
        values |= {f"Contact::{key}": value for key, value in known.items()}
        self._run("ReportCall", {**values, **more})

    def chat(self, **values: Any) -> None:
        """A chat is over."""
        self._run("ReportChat", values)

    def _run(self, scenario_id: str, values: dict[str, Any]) -> list[dict[str, str]]:
        """Every scenario of this id in the order of the file, with what this version fills."""
        filled = {
            name: value
            for name, value in values.items()
            if VARIABLES.get(scenario_id, {}).get(name, 0) <= self.version
        }
        found: list[dict[str, str]] = []
        for scenario in self.template.scenarios:
            if scenario.id == scenario_id:
                if scenario_id == "":
                    filled["FoundRecordCount"] = len(found)
                try:
                    found += self._scenario(scenario, {**self.parameters, **filled})
                except (ScenarioFailed, OSError, ValueError) as error:
                    self.log.append(f"{scenario_id or 'lookup'}: {error}")
        return found

    def _scenario(self, scenario: Scenario, values: dict[str, Any]) -> list[dict[str, str]]:
        skipped = is_true(scenario.request.get("SkipIf", ""), values, culture=self.culture)
        answer: Any = {}
        if skipped:
            if not (scenario.next and scenario.allow_empty):
                return []
        else:
            answer = self._ask(scenario, values)
        if scenario.id in JOURNAL:
            return []
        outputs = []
        for record in self._records(scenario, answer, values):
            here = dict(values)
            for name, path in scenario.variables:
                here[name] = _one(_walk(answer, path.split(".")), record)
            given = {kind: self._filled(text, here) for kind, text in scenario.outputs}
            if scenario.next:
                following = next(one for one in self.template.scenarios if one.id == scenario.next)
                outputs += self._scenario(following, {**here, **given})
            elif scenario.allow_empty or any(given.values()):
                outputs.append(given)
        return outputs

    def _ask(self, scenario: Scenario, values: Mapping[str, Any]) -> Any:
        url = self._filled(scenario.request.get("Url", ""), values)
        headers = {value.key: self._filled(value.text, values) for value in scenario.headers}
        posted = {
            value.key: self._typed(value.type, self._filled(value.text, values))
            for value in scenario.posted
            if (not value.if_ or is_true(value.if_, values, culture=self.culture))
            and not is_true(value.skip_if, values, culture=self.culture)
        }
        is_json = scenario.request.get("RequestEncoding") == "Json"
        body = json.dumps(posted) if is_json else urlencode(posted)
        headers["Content-Type"] = scenario.request.get("RequestContentType") or "application/json"
        status, raw = self._send(scenario.request["RequestType"].upper(), url, body.encode(), headers)
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = None
        self.asked.append(Asked(scenario.id, url, posted, status, answer))
        if not 200 <= status < 300:
            raise ScenarioFailed(f"HTTP {status}: {raw[:200].decode('utf-8', 'replace')}")
        return answer

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=self._trust)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            connection.request(method, parts.path or "/", body=body, headers=dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _records(self, scenario: Scenario, answer: Any, values: Mapping[str, Any]) -> list[tuple[int, ...]]:
        """The places of the records that pass every rule; a path walks through arrays by itself."""
        passing: list[tuple[int, ...]] | None = None
        for kind, ethalon, path in scenario.rules:
            here = [
                place
                for place, value in _walk(answer, path.split("."))
                if self._passes(kind, ethalon, value, values)
            ]
            passing = here if passing is None else [place for place in passing if place in here]
        return passing or []

    def _passes(self, kind: str, ethalon: str, value: Any, values: Mapping[str, Any]) -> bool:
        if kind == "Any":
            return True
        if kind == "Equals":
            return str(value) == self._filled(ethalon, values)
        if kind == "Number":
            return _digits(str(value)).endswith(_digits(str(values.get("Number", "")))[-9:])
        raise ScenarioFailed(f"there is no rule {kind}")

    def _filled(self, text: str, values: Mapping[str, Any]) -> str:
        return expand(text, values, culture=self.culture)

    def _typed(self, kind: str, text: str) -> Any:
        if kind == "Boolean":
            return text == "True"
        return int(text) if kind == "Integer" else text

    def _is_accepted(self, contact: Mapping[str, str], number: str) -> bool:
        """A contact needs its address, a name, and the number that was searched for."""
        has_number = any(_digits(number) in _digits(contact.get(kind, "")) for kind in PHONES)
        return bool(contact.get("ContactUrl")) and any(contact.get(name) for name in NAMES) and has_number


def _walk(
    node: Any, path: Sequence[str], place: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Every value at a path, with its places in the arrays on the way."""
    if isinstance(node, list):
        for number, inner in enumerate(node):
            yield from _walk(inner, path, (*place, number))
    elif not path:
        yield place, node
    elif isinstance(node, dict) and path[0] in node:
        yield from _walk(node[path[0]], path[1:], place)


def _one(found: Iterator[tuple[tuple[int, ...], Any]], record: tuple[int, ...]) -> Any:
    """The value of a record; of an array that the record is not in, only a single element counts."""
    every = list(found)
    mine = [value for place, value in every if place[: len(record)] == record]
    return mine[0] if len(mine) == 1 else ""


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())
