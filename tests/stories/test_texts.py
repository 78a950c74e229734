"""What the note says where the phone system tells the end of a leg, and of the call nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.stories.scripts import read_event
from tests.stories.stage import Stage

pytestmark = pytest.mark.django_db(databases=["default", "index"])


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (
            ["0 101 rings", "15 101 ends voicemail", "15 - ends hung_up"],
            ["Missed call from", "to Ada (101), sent to voicemail", "Ada (101) rang 15 s, not answered"],
        ),
        (
            ["0 101 rings", "12 101 answers", "42 101 ends transferred", "42 102 rings"]
            + ["57 102 ends voicemail", "57 - ends hung_up"],
            ["Answered incoming call from", "Ada (101) answered, 0:30; Ben (102) rang 15 s, not answered"]
            + ["not answered; sent to voicemail"],
        ),
        (
            ["0 101 rings", "12 101 answers", "42 101 ends transferred", "90 - ends hung_up"],
            ["Answered incoming call from", "Ada (101) answered, 0:30; Ada (101) passed the call on"],
        ),
        (
            ["0 101 rings", "0 101 ends forwarded", "30 - ends forwarded"],
            ["to Ada (101), forwarded to an outside number", "Ada (101) forwards calls; forwarded to an"],
        ),
    ],
)
def test_the_note_says_where_the_call_went(
    make_stage: Callable[..., Stage], told: list[str], says: list[str]
) -> None:
    stage = make_stage(kind="webhook")
    for number, line in enumerate(told):
        stage.take_in(replace(read_event(line, number), pbx=str(stage.pbx.pk)))
    assert [words for words in says if words not in stage.text()] == []
