"""One client of a 3CX's HTTP interfaces: its token, its questions, what each refusal means. IO only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from django.utils.translation import gettext as _

from nutshellpbx import outbound
from nutshellpbx.faults import Denied, Fault, TryLater
from nutshellpbx.pbx.connector import PbxConfig
from nutshellpbx.pbx.threecx import doubts, protocol
from nutshellpbx.pbx.threecx.protocol import Message
from nutshellpbx.pbx.threecx.stream import Stream, Unsigned, check_certificate
from nutshellpbx.pbx.threecx.tokens import Token, token_of
from nutshellpbx.redact import Secret

ANSWER_S, ORDER_S = 8.0, 40.0
LARGEST_STATE = 20_000_000
#: Clocks that are no farther apart are the same.
SAME_CLOCK_S = 2.0
#: A participant that is gone is "not found" in one of these ways.
GONE = (404, 410)
#: The whole API is not there in one of these: no licence, an older version, switched off.
NOT_OFFERED = (402, 404, 405, 410, 501)


class Connection:
    """Asks a 3CX as our API client. Every method raises a Fault whose next step a person can follow."""

    def __init__(self, config: PbxConfig) -> None:
        try:
            self.origin = outbound.origin_of(config.settings.get("address", "").strip())
        except ValueError as error:
            raise Denied(
                _("The address of this 3CX is not one"), _("Enter it as https://pbx.example.com.")
            ) from error
        self.authority = config.settings.get("authority", "")
        self._client = config.settings.get("client_id", "")
        secret = config.secrets.get("secret")
        if not self._client or secret is None:
            raise Denied(
                _("The API client of this 3CX is not entered"),
                _("Enter the client ID and the API key that 3CX shows under Integrations › API."),
            )
        self._secret = secret
        self.token: Token = token_of(origin=self.origin, client_id=self._client, key=secret)
        #: How far the PBX's clock is ahead of ours, in seconds, from its last answer.
        self.clock_ahead_s = 0.0

    # --- what can be asked

    def sign_in(self) -> Secret:
        """The token, a new one when there is none that is good."""
        return self.token.get(self._fetch_token)

    def state(self, *, settled: str = "") -> Message:
        """The whole state: every DN that this client may see, with who takes part in calls."""
        try:
            content = self.ask("/callcontrol", max_bytes=LARGEST_STATE).json
        except outbound.Refused as fault:
            if fault.status not in NOT_OFFERED:
                raise
            raise Denied(
                _("This 3CX does not offer its Call Control API"),
                _(
                    "It needs version 20 and an Enterprise licence for 8 calls or more. Without it, use the "
                    "CRM template or call records (CDR)."
                ),
                detail=str(fault.status),
            ) from fault
        return protocol.read_state(content, settled=settled)

    def participant(self, key: str) -> Message:
        """One participant as it is now; without content when it is gone."""
        try:
            content = self.ask(protocol.path_of(key)).json
        except outbound.Refused as fault:
            if fault.status not in GONE:
                raise
            content = None
        return protocol.read_answer(key, content)

    def listen(self) -> Stream:
        """The open event stream."""
        for _again in range(2):
            token = self.sign_in()
            try:
                return Stream(self.origin, token, authority=self.authority)
            except Unsigned:
                self.token.void(token)
        raise self._never_good()

    def make_call(self, *, extension: str, number: str) -> tuple[bool, str]:
        """Let an extension's own phone ring, then the number; whether it went, and what 3CX says."""
        path = f"/callcontrol/{quote(extension, safe='')}/makecall"
        return self._order(path, {"destination": number})

    def drop(self, key: str) -> tuple[bool, str]:
        """Hang a participant up."""
        return self._order(f"{protocol.path_of(key)}/drop", {})

    def ask(
        self, path: str, *, params: Mapping[str, Any] | None = None, max_bytes: int = 2_000_000
    ) -> outbound.Answer:
        """Ask for a path as our client; a token that was cut is replaced once."""
        return self._send("GET", path, params=params, timeout_s=ANSWER_S, max_bytes=max_bytes)

    # --- how

    def _order(self, path: str, content: Mapping[str, str]) -> tuple[bool, str]:
        answer = self._send("POST", path, json=dict(content), timeout_s=ORDER_S).json
        answer = answer if isinstance(answer, dict) else {}
        # 1 is done, 0 and -1 are not; an answer that says nothing was at least accepted
        final = answer.get("finalstatus", 1)
        said = answer.get("reasontext") or answer.get("reason")
        text = said if isinstance(said, str) else ""
        return final == 1, "" if final == 1 else text[:200] or _("3CX did not make this call.")

    def _send(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        max_bytes: int = 2_000_000,
    ) -> outbound.Answer:
        for _again in range(2):
            token = self.sign_in()
            try:
                answer = self._ask_once(
                    method=method,
                    url=f"{self.origin}{path}",
                    auth=outbound.Bearer(token),
                    params=params,
                    json=json,
                    timeout_s=timeout_s,
                    max_bytes=max_bytes,
                )
            except Denied as fault:
                if fault.detail != "401":
                    raise _refused(fault) from fault
                self.token.void(token)
            else:
                self._note_clock(answer)
                return answer
        raise self._never_good()

    def _ask_once(self, **request: Any) -> outbound.Answer:
        try:
            return outbound.ask(origins=[self.origin], private_ok=True, ca_bundle=self.authority, **request)
        except TryLater:
            check_certificate(self.origin, authority=self.authority)
            raise

    def _fetch_token(self) -> tuple[Secret, float]:
        form = {
            "client_id": self._client,
            "client_secret": self._secret.reveal(),
            "grant_type": "client_credentials",
        }
        try:
            answer = self._ask_once(
                method="POST",
                url=f"{self.origin}/connect/token",
                body=_as_form(form),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                timeout_s=ANSWER_S,
                is_write=False,
                alone=True,
            )
        except (Denied, outbound.Refused) as fault:
            raise _no_token(fault) from None
        found = answer.json if isinstance(answer.json, dict) else {}
        text = found.get("access_token")
        if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
            raise TryLater(
                _("3CX gave no token"), _("Check that the address is that of a 3CX of version 20.")
            )
        return Secret(text), doubts.life_s(found.get("expires_in"))

    def _never_good(self) -> Denied:
        return Denied(
            _("3CX refuses the token that it has just given us"),
            _("Check that Call Control Access is ticked at the API client, and make a new API key."),
        )

    def _note_clock(self, answer: outbound.Answer) -> None:
        try:
            theirs = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except (ValueError, TypeError):
            return
        # the header has whole seconds, so it is half a second behind on average
        ahead_s = theirs + 0.5 - time.time()
        self.clock_ahead_s = ahead_s if abs(ahead_s) > SAME_CLOCK_S else 0.0


def _as_form(values: Mapping[str, str]) -> bytes:
    return urlencode(values).encode()


def _no_token(fault: Fault) -> Fault:
    status = fault.status if isinstance(fault, outbound.Refused) else fault.detail
    if str(status) in {"400", "401", "403"}:
        return Denied(
            _("3CX refuses this client ID or API key"),
            _(
                "Check both under Integrations › API in 3CX. The key is shown once: make a new one if it is "
                "lost."
            ),
            detail=str(status),
        )
    if str(status) in {"402", "404", "405", "501"}:
        return Denied(
            _("This 3CX has no sign-in for API clients"),
            _("It needs version 20 and an Enterprise licence. Check also that the address is the 3CX’s own."),
            detail=str(status),
        )
    return fault


def _refused(fault: Denied) -> Denied:
    if fault.detail != "403":
        return fault
    return Denied(
        _("3CX does not let this API client do that"),
        _(
            "Tick “Call Control Access” at the API client in 3CX, list the extensions that it may see, and "
            "give it a role if it shall read users and the call log."
        ),
        detail="403",
    )
