"""The three things that a border can say when it could not do what was asked.

Foreign exceptions stop at the border and become one of these: wait (`TryLater`), fix (`Denied`) or
set aside (`Rejected`). Each carries a title and a next step that a person can act on.
"""

from __future__ import annotations


class Fault(Exception):
    """Something at a border did not work; `title` says what, `next_step` what a person can do about it."""

    def __init__(self, title: str, next_step: str = "", *, detail: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.next_step = next_step
        self.detail = detail


class TryLater(Fault):
    """It may work later: wait.

    `retry_after_s` is the other side's own word in seconds, if it gave one. `may_have_happened` is True when
    the request may have been carried out although no clear answer came back.
    """

    def __init__(
        self,
        title: str,
        next_step: str = "",
        *,
        detail: str = "",
        retry_after_s: float | None = None,
        may_have_happened: bool = False,
    ) -> None:
        super().__init__(title, next_step, detail=detail)
        self.retry_after_s = retry_after_s
        self.may_have_happened = may_have_happened


class Denied(Fault):
    """The sign-in or the configuration is refused: stop and tell a person."""


class Rejected(Fault):
    """This one will never pass as it is: set it aside and go on with the others."""
