"""What nobody could check on a real 3CX: every guess about it stands in this file, read tolerantly.

Each name says what was assumed; a test on a real phone system settles it and changes this file alone.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

#: A variable that was unset or is unknown to an older version arrives as its own text, "[Name]"; one on which
#: a method was called may arrive as "[[Name].ToString(...)]".
LITERAL: Final = re.compile(r"\[.*\]", re.DOTALL)
#: One integration expects "Unanswered" where every template compares with "Notanswered".
CALL_TYPES: Final = {
    "inbound": ("inbound", True),
    "missed": ("inbound", False),
    "outbound": ("outbound", True),
    "notanswered": ("outbound", False),
    "unanswered": ("outbound", False),
}
#: Whether the report comes once per call or once per leg: reports of one call are gathered for as long as a
#: call may linger. A leg that begins this soon after another one's end took the call over.
TAKES_OVER: Final = timedelta(seconds=2)
#: [Duration] is taken for the time that was spoken, not for the ringing before it.
DURATION_IS_TALK: Final = True
#: Times are asked for in UTC; one without a zone is taken for UTC, in the culture of the phone system.
CULTURES: Final = (
    "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d.%m.%Y %H:%M",
)
#: Several records in one answer: only a contact search gives them, since a filter on an array was reported to
#: come out empty. A lookup always answers with one flat object.
MOST_RESULTS: Final = 10
#: The echo of the number that was asked for: said to be needed by some, not by others. It costs nothing.
ECHO: Final = "PhoneOther"
#: How many questions 3CX may ask at once; what it does with more of them is not known.
AT_ONCE: Final = 8
