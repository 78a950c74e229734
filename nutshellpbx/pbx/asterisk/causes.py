"""Asterisk's words for how something ended, in ours: literal tables."""

from __future__ import annotations

from collections.abc import Mapping

from nutshellpbx.pbx.events import Cause

#: Hangup causes (Q.850) that say why by themselves; others depend on what happened before.
#: Source: Asterisk's causes.h.
HANGUP_CAUSES: Mapping[int, Cause] = {
    1: Cause.FAILED,  # unallocated number
    3: Cause.FAILED,  # no route to destination
    17: Cause.BUSY,  # user busy
    18: Cause.NO_ANSWER,  # no user responding
    19: Cause.NO_ANSWER,  # user alerting, no answer; also do-not-disturb (SIP 480)
    20: Cause.FAILED,  # subscriber absent: no phone is registered
    21: Cause.BUSY,  # call rejected: the person pressed "decline"
    22: Cause.FAILED,  # number changed
    23: Cause.FORWARDED,  # redirected to a new destination
    26: Cause.ANSWERED_ELSEWHERE,
    27: Cause.FAILED,  # destination out of order
    28: Cause.FAILED,  # invalid number format
    34: Cause.FAILED,  # no circuit available
    38: Cause.FAILED,  # network out of order
    41: Cause.FAILED,  # temporary failure
    42: Cause.FAILED,  # congestion
    58: Cause.FAILED,  # bearer capability not available
}
ANSWERED_ELSEWHERE = 26

#: DialEnd's DialStatus; ANSWER and CANCEL depend on what else happened and are not here.
DIAL_STATUSES: Mapping[str, Cause] = {
    "BUSY": Cause.BUSY,
    "NOANSWER": Cause.NO_ANSWER,
    "CHANUNAVAIL": Cause.FAILED,
    "CONGESTION": Cause.FAILED,
    "DONTCALL": Cause.BUSY,
    "TORTURE": Cause.BUSY,
    "INVALIDARGS": Cause.FAILED,
}

#: Dial plan applications that take a message instead of a person.
VOICEMAIL_APPLICATIONS = frozenset({"VoiceMail", "MiniVM", "MinivmRecord"})

#: Ends of a leg that never rang which still say something about its person.
WORTH_TELLING_UNRUNG = frozenset({Cause.BUSY, Cause.NO_ANSWER, Cause.FORWARDED, Cause.FAILED})
