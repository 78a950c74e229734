"""Forms on the way in."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from nutshellpbx.dashboard.countries import country_choices
from nutshellpbx.people.models import User

#: Areas whose time zones people live in; the rest of the list are old names and fixed offsets.
AREAS = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def zone_choices() -> list[tuple[str, str]]:
    """Every time zone by place."""
    names = sorted(
        name for name in zoneinfo.available_timezones() if name.split("/")[0] in AREAS and "/" in name
    )
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]


def password_field(label: Any, help_text: Any = "") -> forms.CharField:
    """A new password."""
    return forms.CharField(
        label=label,
        help_text=help_text,
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class Welcome(forms.Form):
    """What the first admin says of the company and of himself."""

    company = forms.CharField(label=_("Company"), max_length=120)
    country = forms.ChoiceField(
        label=_("Country"),
        choices=country_choices,
        initial="US",
        help_text=_("Numbers without a country code are read as numbers of this country."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=zone_choices,
        initial="UTC",
        widget=forms.Select(attrs={"data-guess": "zone"}),
    )
    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(
        label=_("Your e-mail"),
        help_text=_("You sign in with it."),
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = password_field(
        _("Password"), _("12 characters or more. A short sentence is easy to keep in mind.")
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(email__iexact=email).exists():
            raise forms.ValidationError(_("Somebody has this e-mail here already."))
        return email

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if password := values.get("password"):
            person = User(email=values.get("email", ""), name=values.get("name", ""))
            check_password_text(self, password, person)
        return values


class NewPassword(forms.Form):
    """A password for somebody who came by an invitation."""

    password = password_field(
        _("Your new password"), _("12 characters or more. A short sentence is easy to keep in mind.")
    )

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if password := values.get("password"):
            check_password_text(self, password, self.person)
        return values


def check_password_text(form: forms.Form, password: str, person: User) -> None:
    """Put what is wrong with a password under its field."""
    try:
        validate_password(password, person)
    except forms.ValidationError as error:
        form.add_error("password", error)
