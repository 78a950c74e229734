"""Sign-ins to a CRM: entered in the web process, checked and opened by workers only.

An entered key is a sealed candidate for a minute. A worker asks the CRM whose it is, and either puts it in
the place of the old one or deletes it; the page reads the result from a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from nutshellpbx.crm.adapter import SignIn, SignInRefused, WhoAmI
from nutshellpbx.crm.models import CheckResult, Credential, Crm, Sync
from nutshellpbx.faults import Denied, Fault, Rejected
from nutshellpbx.people.models import User
from nutshellpbx.redact import Secret
from nutshellpbx.vault import safe
from nutshellpbx.vault.errors import OriginChanged
from nutshellpbx.vault.models import Sealed

PURPOSE: Final = "crm"
CANDIDATE_LIFE: Final = timedelta(seconds=60)
#: Nutshell's keys are 40 characters; these bounds only keep nonsense out.
SHORTEST_KEY: Final = 8
LONGEST_KEY: Final = 200


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """What a page shows of a key that is being checked; `is_ok` is None until it is known."""

    is_ok: bool | None
    who_name: str = ""
    title: str = ""
    next_step: str = ""


def offer_candidate(
    *, crm: Crm, user: User | None, email: str, secret: Secret | str, now: datetime
) -> Credential:
    """Seal an entered sign-in as a candidate for a minute; without a user it is the company's.

    An earlier candidate of the same owner is replaced; the sign-in in use stays until the new one has proved
    itself. Raises `Rejected` for an e-mail or key that cannot be one.
    """
    key = (secret if isinstance(secret, Secret) else Secret(secret)).reveal().strip()
    try:
        validate_email(email.strip())
    except ValidationError:
        raise Rejected(_("This is no e-mail address"), _("Enter the e-mail that you sign in with.")) from None
    if (
        not SHORTEST_KEY <= len(key) <= LONGEST_KEY
        or not key.isascii()
        or not key.isprintable()
        or " " in key
    ):
        raise Rejected(_("This is no API key"), _("Copy the whole key from your CRM and paste it here."))
    with transaction.atomic():
        for earlier in Credential.objects.filter(crm=crm, user=user, state=Credential.State.CANDIDATE):
            delete_credential(credential=earlier)
        credential = Credential(
            crm=crm, user=user, email=email.strip(), created_at=now, expires_at=now + CANDIDATE_LIFE
        )
        credential.sealed = safe.seal(
            purpose=PURPOSE, secret=Secret(key), bound_to=credential.owner_key, origins=crm.adapter().origins
        )
        credential.hint = credential.sealed.hint
        credential.save(force_insert=True)
    return credential


def check_candidate(*, credential_id: UUID | str, now: datetime) -> CheckResult | None:
    """Ask the CRM whose key this is; put it in place of the old one, or delete it and keep the reason.

    None when there is no such candidate (any more); calling it twice does nothing more. No transaction is
    held while the CRM is asked.
    """
    CheckResult.objects.filter(expires_at__lt=now).delete()
    credential = _find_candidate(credential_id)
    if credential is None:
        return None
    if credential.expires_at is None or credential.expires_at <= now:
        return _drop(credential, _("The key could not be checked in time"), _("Enter it again."), now)
    try:
        who = credential.crm.adapter().who_am_i(open_sign_in(credential=credential))
    except Fault as fault:
        return _drop(credential, fault.title, fault.next_step, now)
    return _promote(credential, who, now)


def progress_of(*, credential_id: UUID | str, user: User | None) -> CheckProgress:
    """How far the check of an offered key is, for the page of its owner (None: the company's key)."""
    result = CheckResult.objects.filter(credential_id=credential_id, user=user).first()
    if result is not None:
        return CheckProgress(result.is_ok, result.who_name, result.title, result.next_step)
    if Credential.objects.filter(pk=credential_id, user=user, state=Credential.State.CANDIDATE).exists():
        return CheckProgress(is_ok=None)
    return CheckProgress(
        is_ok=False, title=_("The key could not be checked in time"), next_step=_("Enter it again.")
    )


def open_sign_in(*, credential: Credential) -> SignIn:
    """Open a sign-in for one use inside a worker; the only place that does.

    Raises `Denied`: in a process that may not, for a credential that was refused, and when the CRM's
    address is another one than the key was entered for; the credential then says "enter again".
    """
    if credential.state not in {Credential.State.OK, Credential.State.CANDIDATE}:
        raise Denied(
            credential.problem_title or _("The CRM key does not work"),
            credential.problem_next_step or _("Enter it again under CRM key."),
        )
    try:
        key = safe.open_sealed(
            credential.sealed, bound_to=credential.owner_key, origins=credential.crm.adapter().origins
        )
    except OriginChanged as fault:
        stop_credential(credential=credential, state=Credential.State.ENTER_AGAIN, fault=fault)
        raise
    return SignIn(email=credential.email, key=key)


def stop_credential(*, credential: Credential, state: Credential.State, fault: Fault) -> None:
    """Use this credential no more, and keep in words why; another one that took its place is not touched."""
    Credential.objects.filter(pk=credential.pk, state=Credential.State.OK).update(
        state=state, problem_title=fault.title[:200], problem_next_step=fault.next_step[:300]
    )


def note_fault(*, credential: Credential, fault: Fault) -> None:
    """What a fault means for the credential it came with: a refused sign-in pauses this one and no other."""
    if isinstance(fault, SignInRefused):
        stop_credential(credential=credential, state=Credential.State.REFUSED, fault=fault)


def delete_credential(*, credential: Credential) -> None:
    """Forget a sign-in and its sealed key."""
    with transaction.atomic():
        sealed_id = credential.sealed_id
        Credential.objects.filter(pk=credential.pk).delete()
        Sealed.objects.filter(pk=sealed_id).delete()


def _find_candidate(credential_id: UUID | str) -> Credential | None:
    return (
        Credential.objects.select_related("crm", "sealed")
        .filter(pk=credential_id, state=Credential.State.CANDIDATE)
        .first()
    )


def _promote(candidate: Credential, who: WhoAmI, now: datetime) -> CheckResult | None:
    with transaction.atomic():
        if not Credential.objects.filter(pk=candidate.pk, state=Credential.State.CANDIDATE).exists():
            return None
        live = Credential.objects.exclude(state=Credential.State.CANDIDATE)
        for old in live.filter(crm_id=candidate.crm_id, user=candidate.user):
            delete_credential(credential=old)
        Credential.objects.filter(pk=candidate.pk).update(
            state=Credential.State.OK,
            expires_at=None,
            checked_at=now,
            who_id=who.user_id[:120],
            who_name=who.name[:200],
            problem_title="",
            problem_next_step="",
        )
        # A sync that stopped for want of a key goes on with this one.
        Sync.objects.filter(crm_id=candidate.crm_id, state=Sync.State.FAILED).update(due_at=now)
        return _keep_result(candidate, is_ok=True, who_name=who.name, now=now)


def _drop(candidate: Credential, title: str, next_step: str, now: datetime) -> CheckResult:
    with transaction.atomic():
        delete_credential(credential=candidate)
        return _keep_result(candidate, is_ok=False, title=title, next_step=next_step, now=now)


def _keep_result(
    candidate: Credential,
    *,
    is_ok: bool,
    now: datetime,
    who_name: str = "",
    title: str = "",
    next_step: str = "",
) -> CheckResult:
    result, _made = CheckResult.objects.update_or_create(
        credential_id=candidate.pk,
        defaults={
            "crm_id": candidate.crm_id,
            "user_id": candidate.user_id,
            "is_ok": is_ok,
            "who_name": who_name[:200],
            "title": title[:200],
            "next_step": next_step[:300],
            "checked_at": now,
            "expires_at": now + CANDIDATE_LIFE,
        },
    )
    return result
