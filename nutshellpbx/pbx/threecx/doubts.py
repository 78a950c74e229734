"""What nobody could confirm about a 3CX, in one place: read tolerantly, written carefully.

Pure. Each name says what is uncertain; when a real PBX settles one of them, this is the only file to change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from nutshellpbx.pbx.events import Via

#: `expires_in` was in minutes up to 20.0.8 and is in seconds since; no build gives a token two minutes.
LONGEST_IN_MINUTES = 120
#: A token without a readable life is renewed as if it had this one.
LIFE_UNKNOWN_S = 600.0

#: What the numbers of `event_type` mean. 2 (digits), 3 (prompt finished), 4 and 5 tell nothing of a call.
UPSERT, REMOVE = 0, 1
QUIET_TYPES = frozenset({2, 3, 4, 5})

#: Types of a DN are spelt `Wextension`; the leading W and the letters' case are not relied upon.
EXTENSIONS = frozenset({"extension", "user"})
OUTSIDE_LINES = frozenset({"externalline", "external", "trunk", "provider", "bridge", "outboundrule"})
WAYS: Mapping[str, Via] = MappingProxyType(
    {
        "queue": Via.QUEUE,
        "ringgroup": Via.GROUP,
        "group": Via.GROUP,
        "ivr": Via.MENU,
        "menu": Via.MENU,
        "specialmenu": Via.MENU,
    }
)
#: How a caller without a number is spelt.
WITHHELD = frozenset(
    {
        "",
        "anonymous",
        "unknown",
        "restricted",
        "private",
        "withheld",
        "unavailable",
        "none",
        "null",
        "blocked",
    }
)

#: How a leg began that talks when it is seen for the first time, a moment after it came: by ringing too
#: shortly. Somebody outside who is called never answers that fast.
BEGAN_UNSEEN = "ringing"

#: What a call's legs are told apart by after a restart of the PBX: so many last digits of the number.
COMPARED_DIGITS = 7
#: Between two legs of one call there may be none at all (a blind transfer, the next phone of a queue): so
#: long after the last one we look again before the call is said to be over; a queue is looked at so often.
SETTLE_S = 3.0
LOOKS, LOOKS_OF_A_QUEUE = 1, 10

#: The parameters of the call log's report, all of which must be given.
CALL_LOG = (
    "/xapi/v1/ReportCallLogData/Pbx.GetCallLogData(periodFrom={begin},periodTo={end},sourceType=0,"
    "sourceFilter='',destinationType=0,destinationFilter='',callsType=0,callTimeFilterType=0,"
    "callTimeFilterFrom='0:00:0',callTimeFilterTo='0:00:0',hidePcalls=true)"
)
NEW_RECORDS = "/xapi/v1/LastCdrAndChatMessageTimestamp"
USERS = "/xapi/v1/Users"

#: CDR: the console's list at its beginning. A customer's own choice is entered in the PBX's settings here.
CDR_FIELDS = (
    "historyid,callid,duration,time-start,time-answered,time-end,reason-terminated,from-no,to-no,from-dn,"
    "to-dn,dial-no,reason-changed,final-number,final-dn,bill-code,bill-rate,bill-cost,bill-name,chain,"
    "from-type,to-type,final-type,from-dispname,to-dispname,final-dispname,missed-queue-calls"
)
#: CDR: whether times are UTC or the PBX's own is not known, so the zone is a setting.
CDR_TIMES = ("%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
CDR_ENCODINGS = ("utf-8", "cp1252")

_NOT_A_WORD = re.compile(r"[^a-z]")


def life_s(expires_in: object) -> float:
    """How long a token lives, in seconds, from an `expires_in` in minutes or in seconds."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float | str):
        return LIFE_UNKNOWN_S
    try:
        told = float(expires_in)
    except ValueError:
        return LIFE_UNKNOWN_S
    if not 0 < told < 10_000_000:
        return LIFE_UNKNOWN_S
    return told * 60 if told <= LONGEST_IN_MINUTES else told


def type_of(text: str) -> str:
    """A DN's type in our spelling: `Wexternalline` is "externalline"."""
    word = _NOT_A_WORD.sub("", text.lower())
    return word[1:] if text[:1] in {"W", "w"} and len(word) > 1 else word


def is_outside(text: str) -> bool:
    return type_of(text) in OUTSIDE_LINES


def is_extension(text: str) -> bool:
    """Whether a DN of this type is somebody's line; one whose type is not told is taken for one."""
    return type_of(text) in EXTENSIONS or type_of(text) in {"", "none"}


def find_way(text: str) -> Via | None:
    """Through what a DN of this type leads calls; None for one that leads them nowhere."""
    return WAYS.get(type_of(text))


def number_of(caller_id: str) -> str:
    """The outside party's number as the PBX says it; empty when it is withheld."""
    number = caller_id.strip()
    if number.lower().startswith("sip:"):
        number = number[4:].partition("@")[0]
    return "" if number.lower() in WITHHELD else number


def compared(number: str) -> str:
    """What two spellings of one number have in common."""
    return "".join(sign for sign in number if sign.isdigit())[-COMPARED_DIGITS:]


def call_log_path(begin: datetime, end: datetime) -> str:
    """The path of the call log between two moments (aware UTC)."""
    return CALL_LOG.format(begin=f"{begin:%Y-%m-%dT%H:%M:%SZ}", end=f"{end:%Y-%m-%dT%H:%M:%SZ}")
