"""A template as the phone system reads it: its parts, and what is wrong with it for a version.

Enumerated values are case-sensitive; a version knows its own variables and reserved scenarios only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

PARAMETER_TYPES = {"String", "Integer", "Double", "Boolean", "DateTime", "Password", "OAuth", "List"}
PREFIXES = {"AsIs", "Off", "Plus", "Zeros"}
NAMES = {"FirstName", "LastName", "CompanyName"}
PHONES = {
    "PhoneMobile",
    "PhoneMobile2",
    "PhoneHome",
    "PhoneBusiness",
    "PhoneBusiness2",
    "PhoneOther",
}
OUTPUTS = {"ContactUrl", "Email", "FaxBusiness", "Pager", "Title", "Department", "PhotoUrl"} | NAMES | PHONES
LINKS = {"EntityId", "EntityType"}
#: Reserved scenario -> the oldest version that runs it.
RESERVED: Mapping[str, int] = {
    "": 16,
    "ReportCall": 16,
    "CreateContactRecord": 16,
    "LookupByEmail": 18,
    "SearchContacts": 18,
    "CreateContactRecordFromClient": 18,
    "ReportChat": 18,
}
#: Scenario -> variable -> the oldest version that fills it.
CALL = {"Number": 16, "CallDirection": 16, "FoundRecordCount": 16}
REPORT = CALL | {
    "CallType": 16,
    "EntityId": 16,
    "EntityType": 16,
    "Agent": 16,
    "Duration": 16,
    "DurationTimespan": 16,
    "DateTime": 16,
    "CallStartTimeLocal": 16,
    "CallStartTimeUTC": 16,
    "CallEstablishedTimeLocal": 16,
    "CallEstablishedTimeUTC": 16,
    "CallEndTimeLocal": 16,
    "CallEndTimeUTC": 16,
    "Name": 18,
    "AgentFirstName": 18,
    "AgentLastName": 18,
    "AgentEmail": 18,
    "QueueExtension": 18,
    "LineBreak": 18,
    "RecordingUrl": 20,
    "Transcription": 20,
    "Summary": 20,
    "Sentiment": 20,
}
CHAT = dict.fromkeys(
    (
        *("ChatMessages", "ChatStartTimeUTC", "ChatEndTimeUTC", "Number", "Email", "Name", "Agent"),
        *("AgentFirstName", "AgentLastName", "AgentEmail", "Duration", "DurationTimespan"),
        *("QueueExtension", "EntityId", "EntityType"),
    ),
    18,
)
VARIABLES: Mapping[str, Mapping[str, int]] = {
    "": CALL,
    "CreateContactRecord": CALL,
    "ReportCall": REPORT,
    "ReportChat": CHAT,
    "LookupByEmail": {"Email": 18},
    "SearchContacts": {"SearchText": 18, "EscapedSearchText": 18},
    "CreateContactRecordFromClient": dict.fromkeys(
        ("FirstName", "LastName", "Email", "Number", "Company"), 18
    ),
}
#: May be missing in a report: no method may be called on them.
MAY_MISS = {"CallEstablishedTimeLocal", "CallEstablishedTimeUTC", "RecordingUrl", "Summary", "Transcription"}
_USED = re.compile(r"\[([A-Za-z_][\w:]*)\]")
_ASKED = re.compile(r"\[\[([A-Za-z_][\w:]*)\]\.")


class Unreadable(Exception):
    """The phone system cannot load this file; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """A header or posted value: an expression, and when it is left out."""

    key: str
    text: str
    if_: str = ""
    skip_if: str = ""
    type: str = "String"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, as it is written."""

    id: str
    type: str
    request: Mapping[str, str]
    headers: tuple[Value, ...]
    posted: tuple[Value, ...]
    rules: tuple[tuple[str, str, str], ...]  # type, ethalon, path
    variables: tuple[tuple[str, str], ...]  # name, path
    outputs: tuple[tuple[str, str], ...]  # type, expression
    next: str = ""
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template."""

    attributes: Mapping[str, str]
    number: Mapping[str, str]
    authentication: str
    parameters: tuple[Mapping[str, str], ...]
    scenarios: tuple[Scenario, ...]
    defaults: Mapping[str, str] = field(default_factory=dict)


def read(xml: bytes) -> Template:
    """The template in a file; raises `Unreadable`."""
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise Unreadable(f"no XML: {error}") from error
    if root.tag != "Crm":
        raise Unreadable(f"the file begins with {root.tag}, not with Crm")
    parameters = tuple(dict(row.attrib) for row in root.iterfind("Parameters/Parameter"))
    number = root.find("Number")
    authentication = root.find("Authentication")
    return Template(
        attributes=dict(root.attrib),
        number=dict(number.attrib) if number is not None else {},
        authentication=authentication.get("Type", "") if authentication is not None else "No",
        parameters=parameters,
        scenarios=tuple(_scenario(row) for row in root.iterfind("Scenarios/Scenario")),
        defaults={row.get("Name", ""): row.get("Default", "") for row in parameters},
    )


def find_faults(template: Template, *, version: int) -> list[str]:
    """What this version would refuse or run wrongly; empty for a good template."""
    return [*_of_the_whole(template), *_of_scenarios(template, version)]


def _of_the_whole(template: Template) -> Iterator[str]:
    for name in ("Name", "Country", "Version"):
        if not template.attributes.get(name):
            yield f"Crm has no {name}"
    if not template.attributes.get("Version", "").isdigit():
        yield "Version is no integer"
    if template.number.get("Prefix") not in PREFIXES:
        yield f"Number has the prefix {template.number.get('Prefix')}"
    if template.authentication not in {"No", "Basic", "Scenario"}:
        yield f"Authentication is {template.authentication}"
    for row in template.parameters:
        if row.get("Type") not in PARAMETER_TYPES:
            yield f"parameter {row.get('Name')} has the type {row.get('Type')}"
        if not row.get("Parent"):
            yield f"parameter {row.get('Name')} has no Parent"
        if row.get("Editor") not in {"String", "Sql"}:
            yield f"parameter {row.get('Name')} has the editor {row.get('Editor')}"
        if row.get("Type") == "Boolean" and row.get("Default") not in {"True", "False"}:
            yield f"parameter {row.get('Name')} is neither True nor False"


def _of_scenarios(template: Template, version: int) -> Iterator[str]:
    own = set(template.defaults)
    for scenario in template.scenarios:
        where = scenario.id or "the lookup"
        if RESERVED.get(scenario.id, 99) > version:
            yield f"{where} is not run by version {version}"
        if scenario.type != "REST":
            yield f"{where} has the type {scenario.type}"
        if scenario.request.get("RequestType") not in {"Get", "Post"}:
            yield f"{where} asks by {scenario.request.get('RequestType')}"
        if scenario.request.get("RequestEncoding") not in {"Json", "UrlEncoded"}:
            yield f"{where} encodes as {scenario.request.get('RequestEncoding')}"
        if scenario.request.get("ResponseType") != "Json":
            yield f"{where} awaits {scenario.request.get('ResponseType')}"
        if scenario.request.get("Message") and scenario.posted:
            yield f"{where} has a message and posted values"
        yield from _of_variables(scenario, where, own, version)
        if scenario.id not in {"ReportCall", "ReportChat"}:
            yield from _of_outputs(scenario, where)


def _of_variables(scenario: Scenario, where: str, own: set[str], version: int) -> Iterator[str]:
    known = VARIABLES.get(scenario.id, {})
    texts = [value.text for value in (*scenario.headers, *scenario.posted)]
    texts += [scenario.request.get("Url", ""), scenario.request.get("SkipIf", "")]
    for name in {found for text in texts for found in _USED.findall(text)} - own:
        if known.get(name, 99) > version:
            yield f"{where} uses [{name}], which version {version} does not fill"
    for name in {found for text in texts for found in _ASKED.findall(text)} & MAY_MISS:
        yield f"{where} calls a method on [{name}], which may be missing"


def _of_outputs(scenario: Scenario, where: str) -> Iterator[str]:
    given = {kind for kind, _value in scenario.outputs}
    own = {name for name, _path in scenario.variables}
    if "ContactUrl" not in given:
        yield f"{where} gives no ContactUrl"
    if not given & NAMES:
        yield f"{where} gives no name"
    if scenario.id in {"", "CreateContactRecordFromClient"} and not any(
        kind in PHONES and value == "[Number]" for kind, value in scenario.outputs
    ):
        yield f"{where} does not echo the number"
    if not scenario.rules:
        yield f"{where} has no rule"
    for kind, value in scenario.outputs:
        if kind not in OUTPUTS | LINKS:
            yield f"{where} gives {kind}, which nobody shows"
        for name in _USED.findall(value):
            if name not in own and name not in VARIABLES.get(scenario.id, {}):
                yield f"{where} gives [{name}], which nothing fills"


def _scenario(row: ET.Element) -> Scenario:
    request = row.find("Request")
    if request is None:
        raise Unreadable(f"scenario {row.get('Id')!r} has no Request")
    outputs = row.find("Outputs")
    return Scenario(
        id=row.get("Id") or "",
        type=row.get("Type") or "",
        request=dict(request.attrib),
        headers=tuple(_value(value) for value in request.iterfind("Headers/Value")),
        posted=tuple(_value(value) for value in request.iterfind("PostValues/Value")),
        rules=tuple(
            (rule.get("Type", ""), rule.get("Ethalon", ""), (rule.text or "").strip())
            for rule in row.iterfind("Rules/Rule")
        ),
        variables=tuple(
            (one.get("Name", ""), one.get("Path") or (one.text or "").strip())
            for one in row.iterfind("Variables/Variable")
        ),
        outputs=tuple((one.get("Type", ""), one.get("Value", "")) for one in row.iterfind("Outputs/Output")),
        next=outputs.get("Next", "") if outputs is not None else "",
        allow_empty=outputs is not None and outputs.get("AllowEmpty") == "true",
    )


def _value(row: ET.Element) -> Value:
    return Value(
        key=row.get("Key", ""),
        text=row.text or "",
        if_=row.get("If", ""),
        skip_if=row.get("SkipIf", ""),
        type=row.get("Type", "String"),
    )
