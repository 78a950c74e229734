"""What callers and phones of the stories dial, and how long they ring and talk."""

from __future__ import annotations

#: What was dialled in each kind of story (lab/asterisk/config/extensions.conf).
DIRECT = "12125550101"
VOICEMAIL = "12125550155"
GROUP_OF_FIVE = "12125550160"
GROUP_OF_TWO = "12125550161"
QUEUE_ALL = "12125550170"
QUEUE_ONE_AFTER_ANOTHER = "12125550171"
QUEUE_LOCAL = "12125550172"
QUEUE_OVERFLOW = "12125550173"
MENU = "12125550180"
FORWARDED_ALWAYS = "12125550190"
#: To 101, then to 102 or outside when 101 is busy or does not answer.
FORWARDED_INSIDE = "12125550191"
FORWARDED_OUTSIDE = "12125550192"
TWO_PHONES = "12125550196"

#: As long as colleagues need to see a card before one of them answers, in milliseconds.
RINGS_MS = 1500
#: Longer than whoever passed the call on has spoken.
TALKS_MS = 3000

CUSTOMER = "13125550142"
ABROAD = "13125550199"
