"""The three faults: what each of them carries for a person and for the next step of the work."""

from __future__ import annotations

import pytest

from nutshellpbx.faults import Denied, Fault, Rejected, TryLater


@pytest.mark.parametrize("kind", [TryLater, Denied, Rejected])
def test_a_fault_carries_a_title_and_a_next_step_for_a_person(kind: type[Fault]) -> None:
    fault = kind("Nutshell refused this e-mail and key.", "Enter them again.", detail="401")
    assert (fault.title, fault.next_step) == ("Nutshell refused this e-mail and key.", "Enter them again.")
    assert fault.detail == "401"
    assert str(fault) == fault.title


def test_to_wait_tells_how_long_and_whether_it_may_have_happened() -> None:
    plain = TryLater("x")
    assert (plain.retry_after_s, plain.may_have_happened) == (None, False)
    told = TryLater("x", retry_after_s=5.0, may_have_happened=True)
    assert (told.retry_after_s, told.may_have_happened) == (5.0, True)


def test_no_fault_is_taken_for_another() -> None:
    kinds = (TryLater, Denied, Rejected)
    for kind in kinds:
        assert [isinstance(kind("x"), each) for each in kinds].count(True) == 1
        assert isinstance(kind("x"), Fault)
