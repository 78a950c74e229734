"""Whose line it is when a phone system names a person or another number instead of an extension.

The admin's choices, and the names that nobody has chosen for yet. What matches an extension or its owner
exactly needs no choice and is not kept here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from nutshellpbx.pbx.connector import SeenExtension
from nutshellpbx.pbx.models import Alias, Pbx
from nutshellpbx.pbx.zammad.translate import Known, Name, NameKind, find_line

#: As many names wait at most; of more, those that were seen last.
MOST_UNMAPPED = 500
#: How often a name's last sight is written anew.
SEEN_EVERY = timedelta(minutes=1)
MAX_TEXT = 120


def list_mapped(*, pbx: Pbx) -> list[Alias]:
    """The admin's choices, by kind and name."""
    return list(pbx.aliases.exclude(extension=""))


def list_unmapped(*, pbx: Pbx, lines: Sequence[SeenExtension]) -> list[Alias]:
    """The names that mean no extension yet, seen last first; `lines` are the extensions entered here."""
    known = Known(
        mapped={(alias.kind, alias.key): alias.extension for alias in list_mapped(pbx=pbx)}, lines=lines
    )
    waiting = pbx.aliases.filter(extension="").order_by("-seen_at")[:MOST_UNMAPPED]
    return [alias for alias in waiting if not find_line(known, Name(NameKind(alias.kind), alias.text))]


def map_to(*, pbx: Pbx, kind: str, text: str, extension: str, now: datetime) -> Alias:
    """Let a name mean this extension from the next event on; an empty extension takes a choice back.

    `kind` is one of Alias.Kind, `text` the name as it came or as the admin typed it. Raises ValueError for an
    unknown kind or a name of nothing.
    """
    name = Name(NameKind(kind), text)
    if not name.key:
        raise ValueError("a name of nothing means nobody")
    return Alias.objects.update_or_create(
        pbx=pbx,
        kind=name.kind,
        key=name.key,
        defaults={"extension": extension[:20], "chosen_at": now if extension else None},
        create_defaults={
            "extension": extension[:20],
            "chosen_at": now if extension else None,
            "text": text.strip()[:MAX_TEXT],
            "seen_at": now,
        },
    )[0]


def take_back(*, alias: Alias) -> None:
    """Let a name mean nobody again: it waits on the list, unless no call ever brought it."""
    if alias.chosen_at is not None and alias.seen_at >= alias.chosen_at:
        alias.delete()
        return
    alias.extension, alias.chosen_at = "", None
    alias.save(update_fields=["extension", "chosen_at"])


def forget(*, alias: Alias) -> None:
    """Take a name that waits off the list; the next call that brings it puts it there again."""
    Alias.objects.filter(pk=alias.pk, extension="").delete()


def chosen_for(*, pbx_id: str | UUID, keys: Sequence[str]) -> dict[tuple[str, str], str]:
    """The extensions that the admin chose for these keys, by kind and key."""
    rows = Alias.objects.filter(pbx_id=pbx_id, key__in=list(keys)).exclude(extension="")
    return {(kind, key): extension for kind, key, extension in rows.values_list("kind", "key", "extension")}


def note_unmapped(*, pbx_id: str | UUID, names: Sequence[tuple[str, str, str]], now: datetime) -> None:
    """Keep names (kind, key, text) that mean nobody yet, so that the admin can say whose they are."""
    for kind, key, text in names:
        row, made = Alias.objects.get_or_create(
            pbx_id=pbx_id, kind=kind, key=key, defaults={"text": text[:MAX_TEXT], "seen_at": now}
        )
        if made:
            _forget_oldest(pbx_id)
        elif row.seen_at < now - SEEN_EVERY:
            Alias.objects.filter(pk=row.pk).update(seen_at=now)


def _forget_oldest(pbx_id: str | UUID) -> None:
    """Keep the list of what waits within its bounds; the choices are never forgotten."""
    with transaction.atomic():
        waiting = Alias.objects.filter(pbx_id=pbx_id, extension="").order_by("-seen_at", "-pk")
        beyond = list(waiting.values_list("pk", flat=True)[MOST_UNMAPPED : MOST_UNMAPPED + 50])
        Alias.objects.filter(pk__in=beyond).delete()
