"""Our own CRM template, as XML, for each version of 3CX: only what that version knows stands in it. Pure.

One flat object per lookup, our own address as the contact's key, the number echoed, every parameter with a
parent, and no method called on a value that may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from nutshellpbx.pbx.threecx_template.unverified import AT_ONCE, ECHO

#: Raised with each change of a template: 3CX tells an update by it.
REVISION = 1
GROUP = "General Configuration"
ISO = '"yyyy-MM-ddTHH:mm:ssZ"'
#: Output type -> what our answer calls it.
OUTPUTS: Mapping[str, str] = {
    "ContactUrl": "url",
    "FirstName": "first",
    "LastName": "last",
    "CompanyName": "company",
    "Title": "title",
    "Email": "email",
    "PhoneBusiness": "phone",
    "EntityId": "id",
    "EntityType": "type",
}
LOOKUP = {"number": "[Number]", "direction": "[CallDirection]"}
REPORT = {
    "report": "call",
    "call_type": "[CallType]",
    "direction": "[CallDirection]",
    "number": "[Number]",
    "agent": "[Agent]",
    "duration": "[Duration]",
    "start": f"[[CallStartTimeUTC].ToString({ISO})]",
    "established": "[CallEstablishedTimeUTC]",
    "end": f"[[CallEndTimeUTC].ToString({ISO})]",
    "entity_id": "[EntityId]",
    "entity_type": "[EntityType]",
}
REPORT_18 = {"name": "[Name]", "queue": "[QueueExtension]"}
CHAT = {
    "report": "chat",
    "number": "[Number]",
    "email": "[Email]",
    "agent": "[Agent]",
    "duration": "[Duration]",
    "start": f"[[ChatStartTimeUTC].ToString({ISO})]",
    "entity_id": "[EntityId]",
}
CREATE = {
    "number": "[Number]",
    "first_name": "[FirstName]",
    "last_name": "[LastName]",
    "email": "[Email]",
    "company": "[Company]",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One scenario: its reserved id, where it posts what, and whether contacts come back."""

    id: str
    path: str
    values: Mapping[str, str]
    skip_if: str = ""
    node: str = ""  # "contact", "contacts" or nothing


REPORTS_OFF = "[ReportCallEnabled]!=True"
FOR_V16 = (
    Ask("", "/crm/lookup", LOOKUP, node="contact"),
    Ask("ReportCall", "/events", REPORT, skip_if=REPORTS_OFF),
)
FOR_V18 = (
    FOR_V16[0],
    Ask("LookupByEmail", "/crm/email", {"email": "[Email]"}, node="contact"),
    Ask("SearchContacts", "/crm/search", {"text": "[SearchText]"}, node="contacts"),
    Ask(
        "CreateContactRecordFromClient",
        "/crm/create",
        CREATE,
        skip_if="[CreateContactEnabled]!=True",
        node="contact",
    ),
    Ask("ReportCall", "/events", {**REPORT, **REPORT_18}, skip_if=REPORTS_OFF),
    Ask("ReportChat", "/events", CHAT, skip_if="[ReportChatEnabled]!=True"),
)
ASKS: Mapping[str, Sequence[Ask]] = {"v16": FOR_V16, "v18": FOR_V18, "v20": FOR_V18}


def write_template(*, version: str, address: str, key: str) -> bytes:
    """The template's XML in UTF-8; KeyError for a version that we have none for."""
    asks = ASKS[version]
    crm = ET.Element(
        "Crm",
        {
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xmlns:xsd": "http://www.w3.org/2001/XMLSchema",
            "Name": "NutshellPBX",
            "Country": "US",
            "Version": str(REVISION),
            "SupportsEmojis": "true",
        },
    )
    if version == "v20":
        crm.set("SupportsTranscription", "false")  # what was said in a call is nothing that we ask for
    ET.SubElement(crm, "Number", {"Prefix": "AsIs", "MaxLength": ""})
    ET.SubElement(crm, "Connection", {"MaxConcurrentRequests": str(AT_ONCE)})
    parameters = ET.SubElement(crm, "Parameters")
    for values in _parameters(version, address, key):
        ET.SubElement(parameters, "Parameter", values)
    ET.SubElement(crm, "Authentication", {"Type": "No"})
    scenarios = ET.SubElement(crm, "Scenarios")
    for ask in asks:
        _add(scenarios, ask)
    ET.indent(crm)
    return ET.tostring(crm, encoding="utf-8", xml_declaration=True) + b"\n"


def _parameters(version: str, address: str, key: str) -> list[dict[str, str]]:
    rows = [
        ("BaseUrl", "String", "NutshellPBX address:", address),
        ("Key", "Password", "NutshellPBX key:", key),
        ("ReportCallEnabled", "Boolean", "Enable Call Journaling", "True"),
    ]
    if version != "v16":
        title = (
            "Allow contact creation using 3CX Web Client" if version == "v20" else "Enable Contact Creation"
        )
        rows.append(("CreateContactEnabled", "Boolean", title, "True"))
        rows.append(("ReportChatEnabled", "Boolean", "Enable Chat Journaling", "False"))
    return [
        {
            "Name": name,
            "Type": kind,
            "Parent": GROUP,
            "Editor": "String",
            "Title": title,
            "Validation": "",
            "Default": default,
        }
        for name, kind, title, default in rows
    ]


def _add(scenarios: ET.Element, ask: Ask) -> None:
    scenario = ET.SubElement(scenarios, "Scenario", {"Id": ask.id, "Type": "REST"})
    request = ET.SubElement(
        scenario,
        "Request",
        {
            "Url": f"[BaseUrl]{ask.path}",
            "RequestType": "Post",
            "RequestEncoding": "Json",
            "RequestContentType": "application/json",
            "ResponseType": "Json",
            "MessagePasses": "0",
            "Message": "",
            "SkipIf": ask.skip_if,
        },
    )
    headers = ET.SubElement(request, "Headers")
    value = ET.SubElement(headers, "Value", {"Key": "Authorization", "Passes": "1", "Type": "String"})
    value.text = "Bearer [Key]"
    posted = ET.SubElement(request, "PostValues", {"Key": "", "If": "", "SkipIf": ""})
    for name, expression in ask.values.items():
        attributes = {"Key": name, "If": "", "SkipIf": "", "Passes": "1", "Type": "String"}
        ET.SubElement(posted, "Value", attributes).text = expression
    rules = ET.SubElement(scenario, "Rules")
    variables = ET.SubElement(scenario, "Variables")
    outputs = ET.SubElement(scenario, "Outputs", {"Next": "", "AllowEmpty": "false"})
    if not ask.node:
        return
    ET.SubElement(rules, "Rule", {"Type": "Any", "Ethalon": ""}).text = f"{ask.node}.id"
    for name in OUTPUTS.values():
        row = {"Name": f"C_{name}", "LookupValue": "", "Path": f"{ask.node}.{name}"}
        ET.SubElement(ET.SubElement(variables, "Variable", row), "Filter")
    for kind, name in OUTPUTS.items():
        ET.SubElement(outputs, "Output", {"Type": kind, "Passes": "0", "Value": f"[C_{name}]"})
    if "[Number]" in ask.values.values():
        ET.SubElement(outputs, "Output", {"Type": ECHO, "Passes": "0", "Value": "[Number]"})
