"""Whose extension is whose: a proposal to look through, matched by e-mail. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from nutshellpbx.pbx.connector import SeenExtension


class Match(StrEnum):
    """What is proposed for an extension, and why."""

    KNOWN = "known"  # it is entered here already; nothing to do
    OWNER = "owner"  # a user here has this e-mail
    NEW_USER = "new_user"  # nobody here has it: a user may be invited
    SHARED = "shared"  # several extensions have this e-mail; each may be its owner's
    NO_EMAIL = "no_email"  # the phone system knows none: an extension without an owner


@dataclass(frozen=True, slots=True)
class Proposal:
    """One line of the import: the extension as the phone system has it, and what to do with it."""

    extension: SeenExtension
    match: Match
    user: str = ""  # the key of the user here


def propose(
    seen: Iterable[SeenExtension], *, users: Mapping[str, str], known: Collection[str]
) -> list[Proposal]:
    """What to import, by extension. `users` is e-mail -> key of the users here, `known` the numbers that are
    entered here already. Nothing is changed by it.
    """
    listed = sorted(seen, key=lambda each: (len(each.number), each.number))
    keys = {email.strip().lower(): key for email, key in users.items() if email.strip()}
    times = Counter(each.email.strip().lower() for each in listed)
    proposals = []
    for each in listed:
        email = each.email.strip().lower()
        user = keys.get(email, "")
        match = Match.OWNER if user else Match.NEW_USER
        if not email:
            match = Match.NO_EMAIL
        elif times[email] > 1:
            match = Match.SHARED
        if each.number in known:
            match = Match.KNOWN
        proposals.append(Proposal(each, match, user))
    return proposals
