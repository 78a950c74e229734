"""Why a sealed secret is not opened; each is a `Denied`: stop and tell a person, never try another way."""

from __future__ import annotations

from django.utils.translation import gettext as _

from nutshellpbx.faults import Denied


class NotHere(Denied):
    """This process may not open secrets of this purpose: it holds no key for them."""

    def __init__(self, purpose: str) -> None:
        super().__init__(
            _("This process may not open secrets of purpose “%(purpose)s”.") % {"purpose": purpose},
            _("Only the process that uses them may. If this is that process, check NUTSHELLPBX_ROLE."),
        )


class WrongKey(Denied):
    """The secret was sealed with a key that is not here, or is not what its name says."""

    def __init__(self, purpose: str, key_id: str) -> None:
        super().__init__(
            _("The key %(key)s for purpose “%(purpose)s” is not here.") % {"key": key_id, "purpose": purpose},
            _("Restore the key files from the backup, or enter the secret again."),
        )


class NoKey(Denied):
    """There is no public key to seal with."""

    def __init__(self, purpose: str) -> None:
        super().__init__(
            _("There is no key to seal secrets of purpose “%(purpose)s” with.") % {"purpose": purpose},
            _("On the server, run: manage.py vault_keys make"),
        )


class Tampered(Denied):
    """The sealed secret, or what it is bound to (row, owner, version), is not as it was when sealed."""

    def __init__(self) -> None:
        super().__init__(
            _("A stored secret was changed or moved since it was sealed."),
            _("Enter the secret again, and find out who changed the database."),
        )


class OriginChanged(Denied):
    """The secret was sealed for other addresses than the one it would go to now."""

    def __init__(self) -> None:
        super().__init__(
            _("The address changed since this key was entered, so the key is not sent there."),
            _("Enter the key again."),
        )
