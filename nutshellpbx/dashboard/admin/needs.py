"""What needs a hand: in words, with the one thing to do; counted for the menu."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Max, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from nutshellpbx.calls.models import Leg
from nutshellpbx.crm.models import Credential, Crm, Grant, Sync
from nutshellpbx.dashboard.admin.proofwords import said_of
from nutshellpbx.journal import box
from nutshellpbx.journal.models import Entry
from nutshellpbx.journal.proving import find_alarms
from nutshellpbx.journal.states import State
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Extension, User

#: A line that rang longer ago than this is not asked about any more.
RANG_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for somebody."""

    section: str
    icon: str
    title: str
    text: str
    action: str
    address: str
    level: str = "warn"
    for_admin: bool = True


class Needs:
    """Everything that waits for this reader, and the counts for the menu."""

    def __init__(self, user: User) -> None:
        self.all = [need for need in _find_needs() if user.is_admin or not need.for_admin]
        self.counts = Counter(need.section for need in self.all)

    @property
    def total(self) -> int:
        return len(self.all)


def _find_needs() -> Iterator[Need]:
    yield from _first_steps()
    yield from _journal()
    yield from _phone_systems()
    yield from _crms()
    yield from _extensions()


def _first_steps() -> Iterator[Need]:
    if not Pbx.objects.exists():
        yield Need(
            "pbxs",
            "server",
            _("Connect your phone system"),
            _("NutshellPBX listens to it and changes nothing there."),
            _("Connect it"),
            reverse("pbx_kinds"),
        )
    if not Crm.objects.exists():
        yield Need(
            "crms",
            "contact-round",
            _("Connect your CRM"),
            _("Then callers are recognised and notes have a place to stand."),
            _("Connect it"),
            reverse("crm_kinds"),
        )
    if Pbx.objects.exists() and not Extension.objects.exists():
        yield Need(
            "extensions",
            "route",
            _("Enter your extensions"),
            _("Each one gets an owner, and the right to use the CRM."),
            _("Enter one"),
            reverse("extension_add"),
        )


def _journal() -> Iterator[Need]:
    if n := Entry.objects.filter(state=State.PARKED).count():
        yield Need(
            "journal",
            "notebook-pen",
            ngettext("%(n)s journal entry waits for a person", "%(n)s journal entries wait for a person", n)
            % {"n": n},
            _("Each says why, and what can be done. Nothing is lost while you think about it."),
            _("Decide"),
            f"{reverse('journal')}?show=parked&days=0",
            level="bad",
            for_admin=False,
        )
    if (held := box.hold()) is not None:
        yield Need(
            "journal",
            "pause",
            held.title,
            held.next_step,
            _("See the journal"),
            reverse("journal"),
            level="bad",
            for_admin=False,
        )
    for run in find_alarms(now=timezone.now()):
        said = said_of(run)
        yield Need(
            "journal",
            "badge-check",
            _("The proof: %(what)s") % {"what": said.text},
            f"{said.sentence}. {said.next_step}",
            _("Look at it"),
            reverse("journal"),
            level="bad",
            for_admin=False,
        )


def _phone_systems() -> Iterator[Need]:
    for pbx in Pbx.objects.filter(is_enabled=True, state__in=[Pbx.State.AWAY, Pbx.State.DENIED]):
        denied = pbx.state == Pbx.State.DENIED
        title = _("%(name)s refuses us") if denied else _("%(name)s does not answer")
        yield Need(
            "pbxs",
            "server",
            title % {"name": pbx.name},
            pbx.state_text or _("Its calls are not seen. We try again all the time."),
            _("Look at it"),
            reverse("pbx", args=[pbx.pk]),
            level="bad",
        )


def _crms() -> Iterator[Need]:
    live = Credential.objects.exclude(state=Credential.State.CANDIDATE)
    for crm in Crm.objects.filter(is_enabled=True):
        if not live.filter(crm=crm, user=None).exists():
            yield Need(
                "crms",
                "key-round",
                _("%(name)s has no company key") % {"name": crm.name},
                _("The index is filled with it. Without it callers are looked up live, which is slower."),
                _("Enter it"),
                reverse("crm", args=[crm.pk]),
            )
        failed = crm.syncs.filter(state=Sync.State.FAILED).first()
        if failed is not None:
            yield Need(
                "crms",
                "refresh-cw",
                _("The contacts of %(name)s are not read any more") % {"name": crm.name},
                f"{failed.failed_title} {failed.failed_next_step}".strip(),
                _("Look at it"),
                reverse("crm", args=[crm.pk]),
            )
    for key in live.exclude(state=Credential.State.OK).select_related("crm", "user"):
        owner = key.user.name if key.user else _("The company")
        yield Need(
            "crms",
            "key-round",
            _("The %(crm)s key of %(name)s does not work") % {"crm": key.crm.name, "name": owner},
            f"{key.problem_title} {key.problem_next_step}".strip(),
            _("Look at it"),
            reverse("user", args=[key.user_id]) if key.user_id else reverse("crm", args=[key.crm_id]),
        )


def _extensions() -> Iterator[Need]:
    since = timezone.now() - RANG_WITHIN
    rang: Any = (
        Leg.objects.filter(extension=None, started_at__gte=since, call__pbx__isnull=False)
        .exclude(number="")
        .values("number", "call__pbx", "call__pbx__name")
        .annotate(n=Count("pk"), last=Max("started_at"))
        .order_by("-last")[:5]
    )
    for row in rang:
        if Extension.objects.filter(pbx_id=row["call__pbx"], number=row["number"]).exists():
            continue
        yield Need(
            "extensions",
            "route",
            _("Extension %(number)s is not entered here") % {"number": row["number"]},
            ngettext(
                "It had %(n)s call on %(pbx)s in the last 7 days.",
                "It had %(n)s calls on %(pbx)s in the last 7 days.",
                row["n"],
            )
            % {"n": row["n"], "pbx": row["call__pbx__name"]},
            _("Enter it"),
            f"{reverse('extension_add')}?pbx={row['call__pbx']}&number={row['number']}",
        )
    no_owner = Extension.objects.filter(owner=None, legs__started_at__gte=since).annotate(n=Count("legs"))
    for extension in no_owner.order_by("number")[:5]:
        yield Need(
            "extensions",
            "user-round-x",
            _("Extension %(number)s has no owner") % {"number": extension.number},
            ngettext(
                "It had %(n)s call in the last 7 days.", "It had %(n)s calls in the last 7 days.", extension.n
            )
            % {"n": extension.n},
            _("Choose one"),
            f"{reverse('extensions')}?q={extension.number}",
        )
    for crm in Crm.objects.filter(is_enabled=True):
        with_key = live_owners(crm)
        if with_key is None:
            continue
        waiting = Grant.objects.filter(crm=crm, extension__owner__isnull=False)
        n = waiting.exclude(extension__owner__in=with_key).values("extension__owner").distinct().count()
        if n:
            yield Need(
                "extensions",
                "key-round",
                ngettext("%(n)s user has no key to %(crm)s", "%(n)s users have no key to %(crm)s", n)
                % {"n": n, "crm": crm.name},
                _("The CRM is granted to them, but nothing opens before they enter their key."),
                _("Look who"),
                f"{reverse('extensions')}?show=waiting",
            )


def live_owners(crm: Crm) -> Any:
    """The users with a key of their own to this CRM; None when the company's key serves everybody."""
    live = Credential.objects.filter(crm=crm).exclude(state=Credential.State.CANDIDATE)
    if live.filter(Q(user=None)).exists():
        return None
    return live.values("user")
