"""The steps by which a template is loaded, version by version, each with the picture that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Step:
    """A step in words; `picture` is "menu", "upload", "values", "options", "test", "client" or none; the
    labels are what its console says there.
    """

    title: str
    lines: Sequence[str]
    picture: str = ""
    labels: Sequence[str] = field(default_factory=tuple)
    copy: str = ""

    @property
    def picture_file(self) -> str:
        return f"dashboard/pictures/{self.picture}.html" if self.picture else ""


def steps_of(version: str, *, file_name: str) -> list[Step]:
    """What the admin of the phone system does in its console, in order."""
    is_new = version == "v20"
    where = (
        _("Sign in to the Admin Console and open Integrations, then CRM.")
        if is_new
        else _(
            "Sign in to the Management Console and open Settings, then CRM, and there the tab Server side."
        )
    )
    menu = (_("Integrations"), _("CRM")) if is_new else (_("Settings"), _("CRM, Server side"))
    steps = [
        Step(
            _("Download the template"),
            [
                _("Press the button above and save %(file)s. It holds a key: keep it like a password.")
                % {"file": file_name},
                _(
                    "Each download makes a new key, and the former template stops working. Leave the "
                    "file's name as it is: 3CX takes no blanks in it."
                ),
            ],
        ),
        Step(_("Open the CRM page"), [where], "menu", menu),
        Step(
            _("Add it"),
            [_("Press Add template, choose the file, then choose NutshellPBX in the list of CRMs.")],
            "upload",
            (_("Add template"), file_name),
        ),
        Step(
            _("Look at the values"),
            [
                _("Address and key stand there already. Leave Enable Call Journaling ticked."),
                *(
                    []
                    if version == "v16"
                    else [_("Allow the creation of contacts if people shall do so from their 3CX client.")]
                ),
            ],
            "values",
            (_("NutshellPBX address:"), _("NutshellPBX key:"), _("Enable Call Journaling")),
        ),
    ]
    if is_new:
        steps.append(
            Step(
                _("Ask for every call"),
                [
                    _(
                        "Tick external calls (and DID calls, if you have them), and let 3CX always query the "
                        "CRM: else a caller whom its phone book knows is answered from there, with an old "
                        "name."
                    ),
                ],
                "options",
                (_("External calls"), _("Always query")),
            )
        )
    else:
        steps.append(
            Step(
                _("Compare whole numbers"),
                [
                    _(
                        "Set Match Caller ID to a contact to Match exactly: a number is compared here, in "
                        "any spelling."
                    )
                ],
                "options",
                (_("Match Caller ID to a contact"), _("Match exactly")),
            )
        )
    steps += [
        Step(
            _("Try it"),
            [
                _(
                    "Press Test and enter a number that somebody in the CRM has. The name appears; here "
                    "the state becomes Connected."
                ),
                _("After a changed template restart the 3CX services: until then the former one is used."),
            ],
            "test",
            (_("Test"), "+1 312 555 0142", _("Ann Lee")),
        )
    ]
    return steps


def at_desks(version: str, *, address: str) -> list[Step]:
    """What opens the record on the desk of who is rung; each person sets it once."""
    contact_url = f"{address}/pop?n=%CallerNumber%&name=%CallerDisplayName%"
    if version == "v16":
        program = "ring --number %CallerNumber% --name %CallerDisplayName%"
        return [
            Step(
                _("Windows client: launch a program"),
                [
                    _(
                        "Pair the desktop first. Then in the client: Settings, Advanced Settings, Behavior: "
                        "launch an external application on an incoming call. The application is nutshellpbx-"
                        "client, its parameters are these:"
                    ),
                ],
                "client",
                (_("Behavior"), "nutshellpbx-client", _("Ann Lee")),
                copy=program,
            )
        ]
    return [
        Step(
            _("Web client and desktop app: open the contact"),
            [
                _(
                    "In the client: Settings, Integration, CRM integration: Open contact in custom CRM, "
                    "notify when Ringing. The address is this one. Pop-ups of the 3CX host must be allowed"
                    " in the browser."
                ),
            ],
            "client",
            (_("Contact URL"), _("Ringing"), _("Ann Lee")),
            copy=contact_url,
        )
    ]
