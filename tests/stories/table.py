"""The 40 stories of an office's calls, and the stages at which each is owed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PURE, REPLAY, REAL = "pure", "replay", "real"
STAGES = (PURE, REPLAY, REAL)
NAMES = {PURE: "Pure", REPLAY: "Replayed", REAL: "Real Asterisk"}
PATH = Path(__file__).parent / "TABLE.md"


@dataclass(frozen=True, slots=True)
class Story:
    """One story; `on`: the lab's stories by which a real Asterisk plays it, empty where that is not owed."""

    sentence: str
    on: tuple[str, ...] = ()

    @property
    def owed(self) -> tuple[str, ...]:
        return STAGES if self.on else (PURE, REPLAY)


STORIES: Mapping[int, Story] = {
    1: Story("An inbound call is answered", ("inbound_answered", "foreign_name")),
    2: Story("It rings, the caller gives up", ("caller_gives_up",)),
    3: Story("The line is busy", ("busy",)),
    4: Story("The call goes to voicemail", ("to_voicemail",)),
    5: Story("The extension does not want to be disturbed", ("do_not_disturb",)),
    6: Story(
        "The record opens on ring, on answer or never, as the user set it",
        ("inbound_answered", "inbound_answered_by_the_third", "inbound_answered_by_the_fourth"),
    ),
    7: Story(
        "An outbound call is answered", ("outbound_answered", "outbound_with_prefix", "dialled_from_the_desk")
    ),
    8: Story("An outbound call is not answered", ("outbound_not_answered", "outbound_busy")),
    9: Story("An internal call", ("internal",)),
    10: Story("An internal call is turned outside", ("internal_then_outside",)),
    11: Story("A ring group of five, one answers", ("group_of_five_one_answers", "group_of_two_one_answers")),
    12: Story("A ring group, nobody answers: one missed call", ("group_nobody_answers",)),
    13: Story("A queue rings all", ("queue_all_ring", "queue_local_channels")),
    14: Story("A queue rings one after another, the third answers", ("queue_one_after_another",)),
    15: Story("A queue's caller gives up", ("queue_caller_gives_up",)),
    16: Story("A queue overflows to an extension", ("queue_overflow",)),
    17: Story("A menu answers before anybody rings", ("menu_first",)),
    18: Story("A blind transfer is answered", ("blind_transfer",)),
    19: Story("A blind transfer is not answered and comes back", ("blind_transfer_comes_back",)),
    20: Story("An attended transfer", ("attended_transfer", "attended_transfer_of_two_calls")),
    21: Story("An attended transfer is cancelled", ("attended_transfer_cancelled",)),
    22: Story("A transfer to a queue", ("transfer_to_queue",)),
    23: Story("A colleague's ringing call is picked up", ("pick_up",)),
    24: Story(
        "Calls are forwarded always, on busy, on no answer, inside and outside",
        (
            "forwarded_inside_by_the_phone",
            "forwarded_inside_on_busy",
            "forwarded_inside_on_no_answer",
            "forwarded_outside_always",
            "forwarded_outside_by_the_phone",
            "forwarded_outside_on_busy",
            "forwarded_outside_on_no_answer",
        ),
    ),
    25: Story("A call is parked and retrieved by another", ("parked_and_retrieved",)),
    26: Story("Hold and resume", ("hold_and_resume",)),
    27: Story("A second call while on the first", ("call_waiting",)),
    28: Story("A conference of three", ("three_in_a_conference",)),
    29: Story("One person's two phones ring at once: one pop", ("two_phones_of_one_extension",)),
    30: Story("Two owners of one extension are refused"),
    31: Story("The same customer calls twice at once on two lines", ("same_customer_twice",)),
    32: Story(
        "The caller's number becomes known in mid-call", ("caller_known_later", "caller_known_at_the_answer")
    ),
    33: Story("A withheld number", ("withheld_number",)),
    34: Story("One of our own numbers calls", ("our_own_number",)),
    35: Story("Events come out of order"),
    36: Story("Events come twice"),
    37: Story("The listener is away for 30 s, the call ends meanwhile"),
    38: Story("The phone system restarts, its ids start again"),
    39: Story("The end is never told"),
    40: Story("The clock jumps"),
}


def render(shown: Mapping[tuple[int, str], Iterable[str]], *, note: str) -> str:
    """The table as Markdown: how many tests show a story at each stage; "–": none, and it is owed."""
    lines = [
        "# The stories of calls",
        "",
        note,
        "",
        "| # | Story | Pure | Replayed | Real Asterisk |",
        "|---|---|---|---|---|",
    ]
    for number, story in STORIES.items():
        cells = [_cell(story, stage, list(shown.get((number, stage), ()))) for stage in STAGES]
        lines.append(f"| {number} | {story.sentence} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(story: Story, stage: str, tests: list[str]) -> str:
    if tests:
        return str(len(set(tests)))
    return "–" if stage in story.owed else "not owed"


def read_written() -> str:
    return PATH.read_text(encoding="utf-8") if PATH.exists() else ""
