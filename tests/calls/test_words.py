"""Words for people: every code has some, and a card speaks of the reader's own clock and numbers."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from nutshellpbx.calls import decide, present, words
from nutshellpbx.calls.models import Answer, Call, ContactRequest
from nutshellpbx.crm.models import Crm
from nutshellpbx.crm.rights import RightState
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, User

CALLS = Path(words.__file__).parent


def decided() -> set[str]:
    """Every reason that the decision can give."""
    return {
        decide.decide(
            moment=moment,
            settings=decide.Settings(open_mode, unknown, open_after=after, journaling=True),
            known=known,
            for_several=several,
            shown_before=before,
        )[1]
        for moment, open_mode, unknown, after, known, several, before in product(
            decide.Moment,
            ("ring", "answer", "never"),
            ("form", "create", "card"),
            (True, False),
            decide.Known,
            (True, False),
            (True, False),
        )
    }


def written_in(path: Path) -> set[str]:
    """The codes that a module gives as a reason: returned second, returned alone, set or settled."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Return(value=ast.Tuple(elts=[_, reason, *_])) | ast.keyword(arg="reason", value=reason):
                found.append(reason)
            case ast.Return(value=ast.expr() as reason):
                found.append(reason)
            case ast.Assign(targets=[ast.Name(id="reason")], value=reason):
                found.append(reason)
            case ast.Call(func=ast.Name(id="_settle"), args=[_, _, reason, *_]):
                found.append(reason)
    parts = [
        part for one in found for part in ([one.body, one.orelse] if isinstance(one, ast.IfExp) else [one])
    ]
    codes = {part.value for part in parts if isinstance(part, ast.Constant)}
    return {code for code in codes if isinstance(code, str) and code}


def test_every_reason_has_words() -> None:
    contact = {f"contact_{state}" for state in ContactRequest.State if state != "done"} | {"contact_created"}
    rights = {str(state) for state in RightState if state is not RightState.OK}
    presented = written_in(Path(present.__file__))
    assert {"no_owner", "too_late", "over_before", "no_desktop"} <= presented
    codes = decided() | contact | rights | presented | set(Call.LeftOut.values)
    assert codes - words.REASONS.keys() == set()


def test_every_step_has_words() -> None:
    codes = {f"answer_{result}" for result in Answer.Result} | {"shown_open", "shown_card"}
    codes |= {"contact_done", "contact_failed", "contact_unclear"}
    for path in CALLS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.keyword(arg="what", value=ast.Constant(value=str(code))):
                    codes.add(code)
                case ast.Call(func=ast.Name(id="_note"), args=[_, ast.Constant(value=str(code)), *_]):
                    codes.add(code)
    assert "timed_out" in codes
    assert codes - words.STEPS.keys() == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("users", "companys", "shown"),
    [
        ("America/New_York", "Europe/Berlin", "10 a.m."),
        ("", "Europe/Berlin", "4 p.m."),
        ("", "", "3 p.m."),
        ("Atlantis/Capital", "Europe/Berlin", "4 p.m."),
        ("../../etc/passwd", "Europe/Berlin", "4 p.m."),
    ],
)
def test_a_card_tells_the_readers_time_and_reads_numbers_as_the_company_does(
    users: str, companys: str, shown: str
) -> None:
    Company.objects.update_or_create(pk=Company.get().pk, defaults={"country": "DE", "time_zone": companys})
    user = User.objects.create_user("ada@example.com", name="Ada", time_zone=users)
    at = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
    call = Call.objects.create(
        pbx=Pbx.objects.create(kind="webhook", name="Office"),
        uid="c",
        key="k",
        number="030 901820",
        started_at=at,
        quiet_at=at,
    )
    answer = Answer(
        call=call,
        crm=Crm(kind="nutshell", name="Nutshell"),
        result=Answer.Result.NOT_FOUND,
        source="index",
        as_of=at,
    )
    title, lines = words.card_words(call=call, answer=answer, card=None, moment="ring", user=user)
    assert title == "Unknown caller +49 30 901820"
    assert lines == [f"Not in Nutshell (as of {shown})"]
