"""Forms built from the fields that a connector or adapter declares; secrets are written, never shown."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.validators import URLValidator
from django.utils.translation import gettext as _

from nutshellpbx.fields import Field, FieldKind
from nutshellpbx.pbx.connector import CONNECTORS, get_connector_class
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.redact import Secret

HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*\.?"
)


class Declared(forms.Form):
    """The values that one kind of phone system or CRM asks for."""

    prefix = "v"

    def __init__(
        self,
        posted: Any = None,
        *,
        declared: Sequence[Field],
        settings: Mapping[str, Any] | None = None,
        kept: Sequence[str] = (),
    ) -> None:
        super().__init__(posted)
        self.declared = declared
        for field in declared:
            self.fields[field.name] = _form_field(field, is_kept=field.name in kept)
            if settings and field.name in settings and not field.is_secret:
                value = settings[field.name]
                self.initial[field.name] = value == "1" if field.kind is FieldKind.FLAG else value

    @property
    def settings(self) -> dict[str, str]:
        """What may stand in the row: everything but secrets, as text."""
        return {
            field.name: _text(self.cleaned_data.get(field.name))
            for field in self.declared
            if not field.is_secret
        }

    @property
    def secrets(self) -> dict[str, Secret]:
        """The secrets that were entered now, to be sealed at once."""
        return {
            field.name: Secret(self.cleaned_data[field.name])
            for field in self.declared
            if field.is_secret and self.cleaned_data.get(field.name)
        }


def _form_field(field: Field, *, is_kept: bool) -> forms.Field:
    shared: dict[str, Any] = {
        "label": _(field.label),
        "help_text": _(field.help) if field.help else "",
        "required": field.required,
        "initial": field.default,
    }
    match field.kind:
        case FieldKind.SECRET:
            shared["required"] = field.required and not is_kept
            if is_kept:
                shared["help_text"] = _("One is sealed here. Leave this empty to keep it; no page shows it.")
            widget = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})
            return forms.CharField(widget=widget, strip=True, max_length=field.max_length, **shared)
        case FieldKind.CHOICE:
            return forms.ChoiceField(choices=[(value, _(text)) for value, text in field.choices], **shared)
        case FieldKind.FLAG:
            shared.update(required=False, initial=field.default == "1")
            return forms.BooleanField(**shared)
        case FieldKind.PORT:
            return forms.IntegerField(min_value=1, max_value=65_535, **shared)
        case FieldKind.HOST:
            return forms.CharField(max_length=field.max_length, validators=[check_host], **shared)
        case FieldKind.ADDRESS:
            check = URLValidator(
                schemes=["https", "http"], message=_("Enter an address that begins with https://")
            )
            return forms.CharField(max_length=field.max_length, validators=[check], **shared)
        case FieldKind.NETWORKS:
            return forms.CharField(max_length=field.max_length, validators=[check_networks], **shared)
        case FieldKind.PHONE_SYSTEM:
            return forms.ChoiceField(choices=_phone_systems, **shared)
        case FieldKind.TEXT:
            return forms.CharField(max_length=field.max_length, **shared)


def check_host(text: str) -> None:
    """Accept a computer's name or IP address, nothing with a path, a port or blanks."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not HOST_NAME.fullmatch(text):
            raise forms.ValidationError(_("Enter a computer’s name or its IP address.")) from None


def check_networks(text: str) -> None:
    """Accept IP addresses and networks, separated by commas or blanks."""
    for part in re.split(r"[\s,;]+", text.strip()):
        try:
            ipaddress.ip_network(part, strict=False)
        except ValueError:
            said = {"text": part[:40]}
            raise forms.ValidationError(_("“%(text)s” is no address and no network.") % said) from None


def _phone_systems() -> list[tuple[str, str]]:
    """The phone systems that name their calls themselves."""
    rows = [
        (str(pbx.pk), pbx.name)
        for pbx in Pbx.objects.all()
        if pbx.kind in CONNECTORS and not getattr(get_connector_class(pbx.kind), "tells_afterwards", False)
    ]
    return [("", _("No")), *rows]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value)
