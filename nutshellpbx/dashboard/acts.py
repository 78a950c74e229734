"""The acts of the audit book in words; an act without words here is shown by its code."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from nutshellpbx.audit.models import Act

#: act -> words, grouped as the audit page's filter shows them: by what stands before the dot.
ACTS: dict[str, Any] = {
    "account.look_changed": _("Changed how the pages look"),
    "account.password_set": _("Set a new password"),
    "account.signed_in": _("Signed in"),
    "account.signed_out": _("Signed out"),
    "account.sign_in_failed": _("A sign-in failed"),
    "browser.trusted": _("Trusted a browser for lookups"),
    "call.chosen": _("Said who the caller was"),
    "call.contact_asked": _("Asked for a new contact"),
    "call.private": _("Called a call private"),
    "call.traced": _("Downloaded a call’s trace"),
    "company.changed": _("Changed the company"),
    "company.founded": _("Set the company up"),
    "crm.added": _("Added a CRM"),
    "crm.changed": _("Changed a CRM"),
    "desktop.approved": _("Let a desktop in"),
    "desktop.browser": _("Chose a desktop’s browser"),
    "desktop.denied": _("Turned a desktop away"),
    "desktop.paired": _("A desktop fetched its right"),
    "desktop.renamed": _("Renamed a desktop"),
    "desktop.revoked": _("Took a desktop’s right away"),
    "entry.done_by_hand": _("Marked as done by hand"),
    "entry.moved": _("Moved to another record"),
    "entry.sent_again": _("Sent again"),
    "extension.added": _("Entered an extension"),
    "extension.granted": _("Granted a CRM to an extension"),
    "extension.owner": _("Gave an extension its owner"),
    "extension.removed": _("Took an extension out"),
    "extension.ungranted": _("Took a CRM from an extension"),
    "journal.exported": _("Exported the journal"),
    "journal.adopted": _("Let this machine write"),
    "key.offered": _("Entered a CRM key"),
    "key.removed": _("Removed a CRM key"),
    "pbx.added": _("Added a phone system"),
    "pbx.changed": _("Changed a phone system"),
    "pbx.name_given": _("Said whose line a name is"),
    "pbx.name_taken": _("Took a name from its line"),
    "pbx.probed": _("Ran the live check of a phone system"),
    "number.chosen": _("Said whose a number is"),
    "pbx.secret": _("Made a new secret for a phone system"),
    "pbx.template": _("Made a phone system’s template"),
    "policy.changed": _("Changed the policies"),
    "policy.line_added": _("Added a line’s rule"),
    "policy.line_changed": _("Changed a line’s rule"),
    "policy.line_moved": _("Moved a line’s rule"),
    "policy.line_removed": _("Took a line’s rule out"),
    "proof.asked": _("Asked for a proof"),
    "proof.found_faults": _("The proof found faults"),
    "setting.changed": _("Changed a setting"),
    "setting.default_changed": _("Changed a default"),
    "setting.locked": _("Locked a setting"),
    "setting.reset": _("Follows the company’s defaults again"),
    "setting.unlocked": _("Unlocked a setting"),
    "text.changed": _("Changed the texts of notes"),
    "user.changed": _("Changed a user"),
    "user.invited": _("Invited a user"),
    "user.linked": _("Made a link for a user"),
}
GROUPS: dict[str, Any] = {
    "account": _("Signing in"),
    "browser": _("Browsers"),
    "call": _("Calls"),
    "company": _("The company"),
    "crm": _("CRMs"),
    "desktop": _("Desktops"),
    "entry": _("Journal entries"),
    "extension": _("Extensions and grants"),
    "journal": _("Journal"),
    "key": _("CRM keys"),
    "number": _("Numbers"),
    "pbx": _("Phone systems"),
    "policy": _("Policies"),
    "proof": _("The proof"),
    "setting": _("Settings"),
    "text": _("Note texts"),
    "user": _("Users"),
}


#: The names of details in words; others are shown as they are.
DETAILS: dict[str, Any] = {
    "address": _("from"),
    "changed": _("changed"),
    "email": _("e-mail"),
    "entries": _("entries"),
    "extension": _("extension"),
    "filter": _("filter"),
    "looked": _("looked"),
    "name": _("name"),
    "owner": _("owner"),
    "position": _("place"),
    "purpose": _("for"),
    "reason": _("reason"),
    "record": _("record"),
    "role": _("role"),
    "rule": _("rule"),
    "sealed_anew": _("sealed anew"),
    "setting": _("setting"),
    "settings": _("settings"),
    "was": _("was"),
    "way": _("by"),
}


def sentence_of(act: Act) -> str:
    """What was done, in words."""
    if act.act == "entry.sent_again" and act.details.get("looked"):
        return str(_("Looked in the CRM: not there, so written anew"))
    return str(ACTS.get(act.act, act.act))
