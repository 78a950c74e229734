"""Who may ask a CRM: the admin's grant, the line's owner, and a sign-in that works.

Asked when a call is taken in, and again by every worker right before it acts: a right that was taken away in
between counts at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nutshellpbx.crm.models import Credential, Crm, Grant
from nutshellpbx.people.models import Extension, User


class RightState(StrEnum):
    """Whether an extension may use a CRM now, or what is missing."""

    OK = "ok"
    CRM_OFF = "crm_off"
    NO_OWNER = "no_owner"
    NO_GRANT = "no_grant"
    NO_KEY = "no_key"
    KEY_REFUSED = "key_refused"


#: state -> (what is the matter, what a person can do about it)
_WORDS: Final[dict[RightState, tuple[str | Promise, str | Promise]]] = {
    RightState.OK: (_("May be used"), ""),
    RightState.CRM_OFF: (
        _("This CRM is switched off"),
        _("An admin can switch it on under CRMs."),
    ),
    RightState.NO_OWNER: (
        _("This extension has no owner"),
        _("An admin can say under Extensions whose line it is."),
    ),
    RightState.NO_GRANT: (
        _("This extension may not use the CRM"),
        _("An admin can tick it under Extensions."),
    ),
    RightState.NO_KEY: (
        _("There is no CRM key for this extension's owner"),
        _("The owner can enter an e-mail and API key under CRM key; an admin can enter a company key."),
    ),
    RightState.KEY_REFUSED: (
        _("The CRM key of this extension's owner does not work"),
        _("The owner can enter it again under CRM key."),
    ),
}


@dataclass(frozen=True, slots=True)
class Right:
    """The answer in words for people; `credential` is the sign-in to use when it is OK, `user` the owner."""

    state: RightState
    title: str
    next_step: str
    credential: Credential | None = None
    user: User | None = None

    @property
    def is_ok(self) -> bool:
        return self.state is RightState.OK


def right_of(*, extension: Extension | UUID | str, crm: Crm | UUID | str) -> Right:
    """Whether this extension may use this CRM now and with which sign-in; read afresh from the database."""
    extension_id = extension.pk if isinstance(extension, Extension) else extension
    crm_id = crm.pk if isinstance(crm, Crm) else crm
    if not Crm.objects.filter(pk=crm_id, is_enabled=True).exists():
        return _right(RightState.CRM_OFF)
    line = Extension.objects.select_related("owner").filter(pk=extension_id).first()
    if line is None or line.owner is None or not line.owner.is_active:
        return _right(RightState.NO_OWNER)
    if not Grant.objects.filter(extension_id=extension_id, crm_id=crm_id).exists():
        return _right(RightState.NO_GRANT, user=line.owner)
    credential = find_credential(user=line.owner, crm=crm_id)
    if credential is None:
        return _right(RightState.NO_KEY, user=line.owner)
    if credential.state != Credential.State.OK:
        return Right(
            state=RightState.KEY_REFUSED,
            title=credential.problem_title or str(_WORDS[RightState.KEY_REFUSED][0]),
            next_step=credential.problem_next_step or str(_WORDS[RightState.KEY_REFUSED][1]),
            user=line.owner,
        )
    return _right(RightState.OK, credential=credential, user=line.owner)


def may_read(*, extension: Extension | UUID | str, crm: Crm | UUID | str) -> bool:
    """Whether this extension may use this CRM now."""
    return right_of(extension=extension, crm=crm).is_ok


def find_credential(*, user: User | None, crm: Crm | UUID | str) -> Credential | None:
    """The sign-in that counts for a user: the personal one, whatever its state, else the company's.

    A personal key that is refused is not replaced by the company's: what is written would carry another name.
    """
    crm_id = crm.pk if isinstance(crm, Crm) else crm
    live = Credential.objects.filter(crm_id=crm_id).exclude(state=Credential.State.CANDIDATE)
    if user is not None:
        personal = live.filter(user=user).first()
        if personal is not None:
            return personal
    return live.filter(user__isnull=True).first()


def _right(state: RightState, *, credential: Credential | None = None, user: User | None = None) -> Right:
    title, next_step = _WORDS[state]
    return Right(state=state, title=str(title), next_step=str(next_step), credential=credential, user=user)
