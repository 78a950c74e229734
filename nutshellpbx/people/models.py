"""The people at the extensions, their lines, and what each of them set."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from nutshellpbx.pbx.models import Pbx


class Company(models.Model):
    """The company whose office this is; one row."""

    class GroupPolicy(models.TextChoices):
        CARD = "card", _("Show a quiet card until somebody answers")
        OPEN = "open", _("Open the page for everybody on ring")

    class EntryOwner(models.TextChoices):
        LONGEST = "longest", _("Who spoke longest")
        FIRST = "first", _("Who answered first")
        LAST = "last", _("Who answered last")

    class QuietShows(models.TextChoices):
        CARD = "card", _("A quiet card, no page")
        NOTHING = "nothing", _("Nothing")

    name = models.CharField(_("Company"), max_length=120, default="")
    country = models.CharField(_("Country"), max_length=2, default="US")
    time_zone = models.CharField(_("Time zone"), max_length=64, default="UTC")
    own_numbers = models.JSONField(_("Your own numbers"), default=list, blank=True)
    never_numbers = models.JSONField(_("Never look up or journal"), default=list, blank=True)
    group_policy = models.CharField(
        _("Ring groups and queues"), max_length=8, choices=GroupPolicy, default=GroupPolicy.CARD
    )
    entry_owner = models.CharField(
        _("The entry belongs to"), max_length=8, choices=EntryOwner, default=EntryOwner.LONGEST
    )
    never_log_numbers = models.JSONField(_("Never journal"), default=list, blank=True)
    never_pop_numbers = models.JSONField(_("Never show"), default=list, blank=True)
    quiet_hours = models.JSONField(
        _("Quiet hours"),
        default=list,
        blank=True,
        help_text='[{"days": [0], "from": "18:00", "to": "8:00"}]',
    )
    quiet_shows = models.CharField(
        _("In quiet hours"), max_length=8, choices=QuietShows, default=QuietShows.CARD
    )
    note_texts = models.JSONField(_("Texts of the notes"), default=dict, blank=True)
    index_fresh_minutes = models.PositiveIntegerField(default=15)
    locks = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def get(cls) -> Company:
        """The one row; made when it is not there yet."""
        company, _made = cls.objects.get_or_create(pk=1)
        return company


class UserManager(BaseUserManager["User"]):
    """Makes users; Django demands a manager of this name."""

    def create_user(self, email: str, password: str | None = None, **values: Any) -> User:
        user = self.model(email=email.strip().lower(), **values)
        user.set_password(password)
        user.full_clean()
        user.save()
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person who signs in: an admin, a supervisor or a user at an extension."""

    class Role(models.TextChoices):
        ADMIN = "admin", _("Admin")
        SUPERVISOR = "supervisor", _("Supervisor")
        USER = "user", _("User")

    class Theme(models.TextChoices):
        SYSTEM = "", _("Follow the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Contrast(models.TextChoices):
        SYSTEM = "", _("Follow the system")
        MORE = "more", _("High contrast")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(_("E-mail"), unique=True)
    name = models.CharField(_("Name"), max_length=120)
    role = models.CharField(_("Role"), max_length=12, choices=Role, default=Role.USER)
    is_active = models.BooleanField(_("May sign in"), default=True)
    language = models.CharField(_("Language"), max_length=8, blank=True, default="")
    time_zone = models.CharField(_("Time zone"), max_length=64, blank=True, default="")
    theme = models.CharField(_("Theme"), max_length=8, choices=Theme, blank=True, default="")
    contrast = models.CharField(_("Contrast"), max_length=8, choices=Contrast, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        ordering = ["name", "email"]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_admin(self) -> bool:
        return self.role == self.Role.ADMIN

    @property
    def is_supervisor(self) -> bool:
        return self.role in {self.Role.ADMIN, self.Role.SUPERVISOR}


class Extension(models.Model):
    """A line of a PBX; it has at most one owner."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pbx = models.ForeignKey(Pbx, on_delete=models.CASCADE, related_name="extensions")
    number = models.CharField(_("Extension"), max_length=20)
    name = models.CharField(_("Name"), max_length=120, blank=True)
    department = models.CharField(_("Department"), max_length=80, blank=True)
    owner = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="extensions"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pbx", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["pbx", "number"],
                name="one_extension_per_number",
                violation_error_message=_(
                    "This phone system has that extension already; one extension has one owner."
                ),
            )
        ]

    def __str__(self) -> str:
        return self.number


class Preferences(models.Model):
    """What a user set, or (the row without a user) what the company set; an empty value follows the
    company.
    """

    class OpenMode(models.TextChoices):
        RING = "ring", _("On ring")
        ANSWER = "answer", _("On answer")
        NEVER = "never", _("Don't open")

    class Unknown(models.TextChoices):
        OFF = "off", _("Do nothing")
        FORM = "form", _("Open the new-contact form")
        CREATE = "create", _("Create the contact at once and open it")

    class Lookup(models.TextChoices):
        CONTACTS_ACCOUNTS = "contacts,accounts", _("Contacts, then Accounts")
        ACCOUNTS_CONTACTS = "accounts,contacts", _("Accounts, then Contacts")
        CONTACTS = "contacts", _("Contacts only")
        ACCOUNTS = "accounts", _("Accounts only")

    user = models.OneToOneField(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="preferences"
    )
    open_mode = models.CharField(  # noqa: DJ001 -- null follows the company
        _("Contact Open Mode"), max_length=8, choices=OpenMode, null=True, blank=True
    )
    longer_than = models.PositiveSmallIntegerField(
        _("Only show CRM contact details when Caller ID length is larger than"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(20)],
    )
    journaling = models.BooleanField(_("Enable Journaling"), null=True, blank=True)
    open_after = models.BooleanField(
        _("… then open the contact so that I can add to the note"), null=True, blank=True
    )
    unknown = models.CharField(  # noqa: DJ001 -- null follows the company
        _("Create new contacts if not found"), max_length=8, choices=Unknown, null=True, blank=True
    )
    compare_digits = models.PositiveSmallIntegerField(
        _("Maximum digit length to compare"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(18)],
    )
    lookup = models.CharField(  # noqa: DJ001 -- null follows the company
        _("Contact Lookup"), max_length=20, choices=Lookup, null=True, blank=True
    )
    quiet_hours = models.JSONField(
        _("Quiet hours"), null=True, blank=True, help_text="As the company's; null follows the company."
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(user__isnull=True), name="one_row_of_company_defaults"
            )
        ]

    def __str__(self) -> str:
        return str(self.user or "company")


from nutshellpbx.people.links import OneTimeLink  # noqa: E402, F401  (Django finds models here)
