"""Nutshell's wire: addresses, sign-in, paging links and what its refusals mean, in our words for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urljoin

from django.utils.translation import gettext as _

from nutshellpbx import outbound
from nutshellpbx.crm.adapter import SignIn, SignInRefused, SlowDown
from nutshellpbx.crm.nutshell import translate
from nutshellpbx.faults import Denied, Fault, Rejected, TryLater

#: Longest wait for one answer, from the name's resolution to the last byte.
ASK_TIMEOUT_S: Final = 10.0
WRITE_TIMEOUT_S: Final = 20.0
MAX_BYTES: Final = 30_000_000


class Api:
    """One sign-in's way to one Nutshell; every method raises a Fault and nothing else."""

    def __init__(
        self,
        *,
        origin: str,
        as_: SignIn | None,
        before_request: Callable[[], None] | None = None,
        alone: bool = False,
    ) -> None:
        """`alone`: each request goes on a connection of its own, see `outbound.ask`."""
        self.origin = origin
        self._alone = alone
        self._as = as_
        self._before_request = before_request
        self._ahead: timedelta | None = None  # the CRM's clock against ours, by its last answer

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, timeout_s: float = ASK_TIMEOUT_S
    ) -> dict[str, Any]:
        """The answer's JSON object; `path` is below /rest, or the address of a next page."""
        return self._object(self._ask("GET", path, params=params, timeout_s=timeout_s))

    def find(self, path: str) -> dict[str, Any] | None:
        """Like `get`, but None when the CRM says that there is no such thing."""
        try:
            return self.get(path)
        except outbound.Refused as refused:
            if refused.status in translate.GONE_STATUSES:
                return None
            raise

    def post(self, path: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Create something, once: nothing here repeats a write."""
        answer = self._ask("POST", path, json=record, timeout_s=WRITE_TIMEOUT_S)
        if not isinstance(answer.json, dict):
            raise self.unclear()
        return answer.json

    def delete(self, path: str) -> None:
        """Delete something; what is gone already is deleted."""
        try:
            self._ask("DELETE", path, timeout_s=WRITE_TIMEOUT_S)
        except outbound.Refused as refused:
            if refused.status not in translate.GONE_STATUSES:
                raise

    def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the older JSON-RPC interface something (it is never written with)."""
        answer = self._ask(
            "POST",
            f"{self.origin}{translate.RPC_PATH}",
            json={"jsonrpc": "2.0", "id": "npbx", "method": method, "params": params},
            timeout_s=ASK_TIMEOUT_S,
            is_write=False,
        )
        body = self._object(answer)
        if body.get("error"):
            raise Rejected(_("Nutshell refused this request"), detail=str(body["error"])[:300])
        return self._mapping(body.get("result"))

    def earliest(self, since: datetime) -> datetime:
        """The same moment by the CRM's clock, as its answers showed it; rather too early than too late.

        Our clock may be wrong now, or have been wrong when `since` was noted: the earlier of both readings
        counts, and never one that lies ahead of the CRM's own time.
        """
        ahead = self._ahead or timedelta(0)
        there_now = datetime.now(UTC) + ahead
        return min(since, since + ahead, there_now - translate.CLOCKS_DIFFER)

    def next_of(self, body: Mapping[str, Any]) -> str | None:
        """The address of a listing's next page, if it names one that lies on the same Nutshell."""
        meta = body.get("meta")
        following = meta.get("next") if isinstance(meta, Mapping) else None
        if not isinstance(following, str) or not following:
            return None
        address = urljoin(f"{self.origin}{translate.REST_PATH}/", following)
        return address if address.startswith(f"{self.origin}{translate.REST_PATH}/") else None

    def nonsense(self) -> TryLater:
        """The fault for an answer that does not look like Nutshell's."""
        return TryLater(
            _("Nutshell gave an answer that could not be understood"),
            _("It is tried again by itself; if it stays, check the address of the CRM."),
        )

    def unclear(self) -> TryLater:
        """The fault for a write whose answer does not tell what was made."""
        return TryLater(
            _("Nutshell did not say what it wrote"),
            _("It is looked for there before anything is written again."),
            may_have_happened=True,
        )

    def _ask(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        is_write: bool | None = None,
    ) -> outbound.Answer:
        address = path if path.startswith(f"{self.origin}/") else f"{self.origin}{translate.REST_PATH}{path}"
        auth = outbound.Basic(email=self._as.email, key=self._as.key) if self._as else None
        if self._before_request is not None:
            self._before_request()
        try:
            answer = outbound.ask(
                method=method,
                url=address,
                origins=(self.origin,),
                auth=auth,
                params=params,
                json=json,
                timeout_s=timeout_s,
                max_bytes=MAX_BYTES,
                is_write=is_write,
                alone=self._alone,
            )
        except Denied as denied:
            raise self._in_our_words(denied) from denied
        except TryLater as fault:
            if fault.detail == "429":
                raise SlowDown(
                    fault.title, fault.next_step, detail=fault.detail, retry_after_s=fault.retry_after_s
                ) from fault
            raise
        self._note_time(answer)
        return answer

    def _note_time(self, answer: outbound.Answer) -> None:
        try:
            there = parsedate_to_datetime(answer.headers.get("date", ""))
        except ValueError:
            return
        self._ahead = there.replace(tzinfo=there.tzinfo or UTC) - datetime.now(UTC)

    def _in_our_words(self, denied: Denied) -> Fault:
        if denied.detail == "401" and self._as is not None:
            return SignInRefused(
                _("Nutshell refused this e-mail and key"),
                _("Check both under Setup > API keys in Nutshell, and enter them again."),
                detail=denied.detail,
            )
        if denied.detail == "403":
            return Denied(
                _("This Nutshell key may not do that"),
                _("Make a key with API access in Nutshell; a key for forms alone is not enough."),
                detail=denied.detail,
            )
        return denied

    def _object(self, answer: outbound.Answer) -> dict[str, Any]:
        if not isinstance(answer.json, dict):
            raise self.nonsense()
        return answer.json

    def _mapping(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.nonsense()
        return value
