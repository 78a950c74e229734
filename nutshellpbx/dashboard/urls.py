"""Every page. Who may see each is declared at its view; a test fails for a route without."""

from __future__ import annotations

from allauth.account import views as allauth
from django.urls import path, register_converter

from nutshellpbx.dashboard.admin import (
    audit,
    bulk,
    calls,
    company,
    crms,
    entry,
    events,
    extensions,
    home,
    journal,
    mapping,
    pbxs,
    policies,
    policies_lines,
    template,
    texts,
    users,
)
from nutshellpbx.dashboard.door import views as door
from nutshellpbx.dashboard.pop import contact
from nutshellpbx.dashboard.pop import views as pop
from nutshellpbx.dashboard.rights import May, open_to
from nutshellpbx.dashboard.self import account, crm_key, desktops
from nutshellpbx.dashboard.self import calls as my_calls
from nutshellpbx.dashboard.self import settings as my_settings


class Purpose:
    """A link that an admin can make for a user."""

    regex = "invitation|sign_in"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class EntryVerb(Purpose):
    """What a person can do about an entry."""

    regex = "again|not-there|by-hand"


register_converter(Purpose, "purpose")
register_converter(EntryVerb, "entry_verb")

urlpatterns = [
    path("", door.start, name="start"),
    # the way in
    path("welcome/<str:token>", door.welcome, name="welcome"),
    path("invitation/<str:token>", door.invitation, name="invitation"),
    path("sign-in/link/<str:token>", door.sign_in_link, name="sign_in_link"),
    path("sign-in", open_to(May.ANYBODY)(allauth.login), name="account_login"),
    path("sign-out", open_to(May.ANYBODY)(allauth.logout), name="account_logout"),
    path("sign-up", door.no_sign_up, name="account_signup"),
    path("sign-in/forgotten", door.forgotten, name="account_reset_password"),
    path("sign-in/off", open_to(May.ANYBODY)(allauth.account_inactive), name="account_inactive"),
    path("me/password", open_to(May.USER)(allauth.password_change), name="account_change_password"),
    path("me/password/new", open_to(May.USER)(allauth.password_set), name="account_set_password"),
    # a desktop's own pages, by ticket
    path("pop", contact.by_number, name="pop_number"),
    path("pop/number", contact.choose, name="pop_number_choose"),
    path("pop/trust", contact.trust, name="pop_trust"),
    path("open/<uuid:crm_id>/<slug:table>/<str:record_id>", contact.open_record, name="open_record"),
    path("pop/choose", pop.choose, name="pop_choose"),
    path("pop/create", pop.create, name="pop_create"),
    path("pop/created", pop.created, name="pop_created"),
    path("pop/<str:token>", pop.page, name="pop"),
    # my own
    path("me/calls", my_calls.index, name="my_calls"),
    path("me/calls/<uuid:call_id>", my_calls.page, name="my_call"),
    path("me/calls/<uuid:call_id>/private", my_calls.call_private, name="my_call_private"),
    path("me/calls/<uuid:call_id>/choose/<uuid:crm_id>", my_calls.choose, name="my_call_choose"),
    path("me/settings", my_settings.page, name="my_settings"),
    path("me/settings/company", my_settings.follow_company, name="my_settings_reset"),
    path("me/settings/<slug:name>", my_settings.change, name="my_setting"),
    path("me/crm-key", crm_key.page, name="my_crm_key"),
    path("me/crm-key/check/<uuid:credential_id>", crm_key.check, name="my_crm_key_check"),
    path("me/crm-key/<uuid:crm_id>", crm_key.enter, name="my_crm_key_enter"),
    path("me/crm-key/<uuid:crm_id>/remove", crm_key.remove, name="my_crm_key_remove"),
    path("me/desktops", desktops.page, name="my_desktops"),
    path("desktops/pair", desktops.pair, name="pair"),
    path("me/desktops/<uuid:device_id>/browser", desktops.choose_browser, name="my_desktop_browser"),
    path("me/desktops/<uuid:device_id>/name", desktops.rename, name="my_desktop_rename"),
    path("me/desktops/<uuid:device_id>/revoke", desktops.revoke, name="my_desktop_revoke"),
    path("me/account", account.page, name="my_account"),
    # the company's
    path("admin", home.page, name="home"),
    path("admin/live", home.live, name="home_live"),
    path("menu", home.menu, name="menu"),
    path("admin/calls", calls.index, name="calls"),
    path("admin/calls/<uuid:call_id>", calls.page, name="call"),
    path("admin/calls/<uuid:call_id>/choose/<uuid:crm_id>", calls.choose, name="call_choose"),
    path("admin/events", events.page, name="events"),
    path("admin/events/live", events.live, name="events_live"),
    path("admin/events/pause", events.pause, name="events_pause"),
    path("admin/events/waiting", events.waiting, name="events_waiting"),
    path("admin/calls/<uuid:call_id>/trace", calls.trace, name="call_trace"),
    path("admin/journal", journal.index, name="journal"),
    path("admin/journal/prove", journal.prove, name="journal_prove"),
    path("admin/journal/proof", journal.proof_state, name="journal_proof"),
    path("admin/journal/bulk", bulk.act, name="journal_bulk"),
    path("admin/journal/export", bulk.export, name="journal_export"),
    path("admin/journal/<uuid:entry_id>", entry.page, name="journal_entry"),
    path("admin/journal/<uuid:entry_id>/move", entry.move, name="journal_move"),
    path("admin/journal/<uuid:entry_id>/<entry_verb:verb>", entry.act, name="journal_act"),
    path("admin/extensions", extensions.index, name="extensions"),
    path("admin/extensions/add", extensions.add, name="extension_add"),
    path("admin/extensions/<uuid:extension_id>/owner", extensions.give_owner, name="extension_owner"),
    path("admin/extensions/<uuid:extension_id>/remove", extensions.remove, name="extension_remove"),
    path(
        "admin/extensions/<uuid:extension_id>/grant/<uuid:crm_id>", extensions.grant, name="extension_grant"
    ),
    path("admin/users", users.index, name="users"),
    path("admin/users/add", users.add, name="user_add"),
    path("admin/users/<uuid:user_id>", users.page, name="user"),
    path("admin/users/<uuid:user_id>/link/<purpose:purpose>", users.make, name="user_link"),
    path("admin/phone-systems", pbxs.index, name="pbxs"),
    path("admin/phone-systems/add", pbxs.add, name="pbx_kinds"),
    path("admin/phone-systems/add/<slug:kind>", pbxs.add, name="pbx_add"),
    path("admin/phone-systems/<uuid:pbx_id>", pbxs.page, name="pbx"),
    path("admin/phone-systems/<uuid:pbx_id>/template", template.page, name="pbx_template"),
    path(
        "admin/phone-systems/<uuid:pbx_id>/template/<slug:version>",
        template.download,
        name="pbx_template_download",
    ),
    path("admin/phone-systems/<uuid:pbx_id>/secret", pbxs.new_secret, name="pbx_secret"),
    path("admin/phone-systems/<uuid:pbx_id>/names", mapping.belongs_to, name="pbx_name"),
    path("admin/phone-systems/<uuid:pbx_id>/names/remove", mapping.take_back, name="pbx_name_remove"),
    path("admin/phone-systems/<uuid:pbx_id>/probe", pbxs.probe, name="pbx_probe_start"),
    path("admin/phone-systems/<uuid:pbx_id>/probe/<uuid:command_id>", pbxs.probe_result, name="pbx_probe"),
    path("admin/crms", crms.index, name="crms"),
    path("admin/crms/add", crms.add, name="crm_kinds"),
    path("admin/crms/add/<slug:kind>", crms.add, name="crm_add"),
    path("admin/crms/<uuid:crm_id>", crms.page, name="crm"),
    path("admin/crms/<uuid:crm_id>/index", crms.sync, name="crm_sync"),
    path("admin/crms/<uuid:crm_id>/key", crms.enter_key, name="crm_key"),
    path("admin/crms/<uuid:crm_id>/key/remove", crms.remove_key, name="crm_key_remove"),
    path("admin/crms/<uuid:crm_id>/key/<uuid:credential_id>", crms.check_key, name="crm_key_check"),
    path("admin/audit", audit.index, name="audit"),
    path("admin/policies", policies.page, name="policies"),
    path("admin/policies/lines/add", policies_lines.add, name="line_rule_add"),
    path("admin/policies/lines/<int:rule_id>", policies_lines.edit, name="line_rule"),
    path("admin/policies/lines/<int:rule_id>/remove", policies_lines.remove, name="line_rule_remove"),
    path("admin/policies/lines/<int:rule_id>/<slug:way>", policies_lines.move, name="line_rule_move"),
    path("admin/note-texts", texts.page, name="note_texts"),
    path("admin/note-texts/<slug:kind>/preview", texts.preview, name="note_text_preview"),
    path("admin/company", company.page, name="company"),
    path("admin/defaults", company.defaults, name="defaults"),
    path("admin/defaults/<slug:name>", company.change_default, name="default_setting"),
    path("admin/defaults/<slug:name>/lock", company.lock, name="default_lock"),
]
