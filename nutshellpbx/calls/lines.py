"""What the line to a phone system tells of calls as a whole: which of them live, and so which are over."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime

from django.db import InterfaceError, OperationalError

from nutshellpbx.calls import flow
from nutshellpbx.calls.models import Call
from nutshellpbx.pbx.events import CallEvent, Cause, Kind

log = logging.getLogger(__name__)

#: How often a call may have become part of another one, one after the other.
MOST_HOPS = 10


def end_vanished(*, pbx_id: str, live_uids: Collection[str], heard_before: datetime, now: datetime) -> int:
    """End this PBX's live calls that it does not know any more, at the time they were last heard; how many.

    A call that others became part of lives on under the id of each of them. Calls that were heard at
    `heard_before` or later are left alone: they may be younger than the list of the living.
    """
    ended, known = 0, frozenset(live_uids)
    live = Call.objects.filter(pbx_id=pbx_id, state=Call.State.LIVE, quiet_at__lt=heard_before)
    for call in live.order_by("quiet_at"):
        if call.uid in known or _uids_of_parts(call) & known:
            continue
        over = CallEvent(
            pbx=pbx_id, call_uid=call.uid, kind=Kind.ENDED, at=call.quiet_at, cause=Cause.UNKNOWN
        )
        try:
            flow.take_in(event=over, now=now)
        except (OperationalError, InterfaceError):
            raise  # the database is away: nothing of the call's own
        except Exception:
            # the outermost loop of a call: told, and the others end all the same
            log.exception("Call %s is over but could not be ended", call.pk)
        else:
            ended += 1
    return ended


def _uids_of_parts(call: Call) -> set[str]:
    """The ids of the calls that became part of this one: the PBX may still speak of it by them."""
    uids: set[str] = set()
    joined = [call.pk]
    for _hop in range(MOST_HOPS):
        parts = list(Call.objects.filter(joined_into__in=joined).values_list("pk", "uid"))
        if not parts:
            break
        joined = [pk for pk, _uid in parts]
        uids.update(uid for _pk, uid in parts)
    return uids
