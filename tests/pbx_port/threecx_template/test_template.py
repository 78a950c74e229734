"""The template that we write: right for its version by the practice phone system's own rules."""

from __future__ import annotations

import pytest

from nutshellpbx.lab.threecx_template.expressions import ScenarioFailed, expand, is_true
from nutshellpbx.lab.threecx_template.reading import Unreadable, find_faults, read
from nutshellpbx.pbx.threecx_template.template import write_template

ADDRESS = "https://pbx.harbor.example/hooks/0d7e"
KEY = 'k"<&>[Number]'


@pytest.mark.parametrize("version", [16, 18, 20])
def test_the_template_of_a_version_has_no_fault_for_it_and_for_later_ones(version: int) -> None:
    template = read(write_template(version=f"v{version}", address=ADDRESS, key=KEY))
    for later in {version, 18, 20} - ({18} if version == 20 else set()):
        assert find_faults(template, version=later) == []


def test_a_template_of_v18_is_found_wrong_for_v16() -> None:
    faults = find_faults(read(write_template(version="v18", address=ADDRESS, key=KEY)), version=16)
    assert any("SearchContacts" in fault for fault in faults)
    assert any("[QueueExtension]" in fault for fault in faults)


def test_address_and_key_stand_in_it_whatever_signs_they_hold() -> None:
    template = read(write_template(version="v20", address=ADDRESS, key=KEY))
    assert (template.defaults["BaseUrl"], template.defaults["Key"]) == (ADDRESS, KEY)


@pytest.mark.parametrize(
    ("spoiled", "fault"),
    [
        (b'Prefix="AsIs"', b'Prefix="asis"'),
        (b'Parent="General Configuration"', b'Parent=""'),
        (b'RequestType="Post"', b'RequestType="POST"'),
        (b'Output Type="ContactUrl"', b'Output Type="ContactURL"'),
        (b'Country="US"', b'Country=""'),
        (b'Value="[Number]"', b'Value=""'),
        (b"[Agent]", b"[Summary]"),
        (b">[CallEstablishedTimeUTC]", b'>[[CallEstablishedTimeUTC].ToString("yyyy")]'),
    ],
)
def test_the_practice_phone_system_notices_what_is_wrong(spoiled: bytes, fault: bytes) -> None:
    xml = write_template(version="v16", address=ADDRESS, key=KEY)
    assert spoiled in xml
    assert find_faults(read(xml.replace(spoiled, fault)), version=16)


def test_a_file_that_is_no_template_is_not_loaded() -> None:
    for text in (b"<Crm", b"<Crm2/>", b"<Crm><Scenarios><Scenario Id='x'/></Scenarios></Crm>"):
        with pytest.raises(Unreadable):
            read(text)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("[A]-[B]", "one-[B]"),
        ("[IIf([A]==one,yes,no)]", "yes"),
        ("[IIf([A]==two||[B]==x,yes,[A])]", "one"),
        ('[[A].Replace("o","0")]', "0ne"),
        ("{{^^}}", '["]'),
    ],
)
def test_expressions_are_filled_in_as_the_format_says(text: str, filled: str) -> None:
    assert expand(text, {"A": "one"}) == filled


def test_a_method_on_a_missing_value_fails_the_scenario() -> None:
    with pytest.raises(ScenarioFailed):
        expand('[[Gone].ToString("yyyy")]', {})


def test_conditions_compare_texts_and_numbers() -> None:
    assert is_true("[N]>0&&[A]!=two", {"N": 2, "A": "one"})
    assert not is_true('[A]==""', {"A": "one"})
    assert not is_true("", {})
