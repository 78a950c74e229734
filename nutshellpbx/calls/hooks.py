"""Webhook intake: verify, limit, store, commit, then 2xx."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from typing import Any

from django.db import OperationalError
from django.http import HttpRequest
from django.utils import timezone
from rest_framework import status
from rest_framework.parsers import BaseParser
from rest_framework.response import Response
from rest_framework.views import APIView

from nutshellpbx.calls import intake, lookups
from nutshellpbx.faults import Denied, Rejected
from nutshellpbx.pbx import config as pbx_config
from nutshellpbx.pbx.connector import HookRequest
from nutshellpbx.pbx.models import Pbx

log = logging.getLogger(__name__)

MAX_BODY = 64 * 1024
RETRY_AFTER_S = 5


class AnyBody(BaseParser):
    """Leaves the body alone: its connector reads it after the signature was checked over the raw bytes."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return {}


class FromPhoneSystem(APIView):
    """What a phone system posts: found, bounded and proven here, before `take` makes anything of it."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = (AnyBody,)

    def post(self, request: Any, pbx_id: uuid.UUID, token: str = "", what: str = "") -> Response:
        now = timezone.now()
        pbx = Pbx.objects.filter(pk=pbx_id, is_enabled=True).first()
        if pbx is None or not pbx_config.is_posted_to(pbx.kind):
            return _error(status.HTTP_404_NOT_FOUND, "There is no such hook.", "")
        body = _bounded_body(request._request)
        if body is None:
            _refuse(pbx, "too_large", "The post is too large.", now)
            return _error(status.HTTP_413_REQUEST_ENTITY_TOO_LARGE, "The post is too large.", "body")
        hook = HookRequest(
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            remote=request.META.get("REMOTE_ADDR", ""),
            token=token,
        )
        connector = pbx_config.connector_of(config=pbx_config.open_config(pbx=pbx))
        try:
            connector.verify(hook, now)
            return self.take(pbx, connector, hook, what, now)
        except Denied as fault:
            _refuse(pbx, fault.detail or "not_proven", fault.title, now)
            return _error(status.HTTP_401_UNAUTHORIZED, fault.title, "")
        except Rejected as fault:
            _refuse(pbx, f"bad_{fault.detail}", fault.title, now)
            return _error(status.HTTP_400_BAD_REQUEST, fault.title, fault.detail)

    def take(self, pbx: Pbx, connector: Any, hook: HookRequest, what: str, now: datetime) -> Response:
        """What becomes of a proven request; raises `Rejected` for one that cannot be read."""
        raise NotImplementedError

    def handle_exception(self, exc: Exception) -> Response:
        """What could not be stored (database locked, disk full) is refused so that it is posted again."""
        if isinstance(exc, OperationalError):
            log.error("A post could not be stored: %s", exc)
            answer = _error(status.HTTP_503_SERVICE_UNAVAILABLE, "This cannot be stored just now.", "")
            answer["Retry-After"] = str(RETRY_AFTER_S)
            return answer
        return super().handle_exception(exc)


class Hook(FromPhoneSystem):
    """POST what a phone system says: 202 with the counts, or 400, 401, 404, 413 with a short reason."""

    def take(self, pbx: Pbx, connector: Any, hook: HookRequest, what: str, now: datetime) -> Response:
        messages = connector.read(hook)
        taken = intake.take_in_messages(pbx=pbx, connector=connector, messages=messages, now=now)
        if taken.bad_fields:
            text = f"{taken.bad_fields[0]} cannot be read."
            _refuse(pbx, f"bad_{taken.bad_fields[0]}", text, now)
            return _error(status.HTTP_400_BAD_REQUEST, text, taken.bad_fields[0])
        counts = {"taken": taken.taken, "repeated": taken.repeated, "kept": taken.kept}
        return Response(counts, status=status.HTTP_202_ACCEPTED)


class Ask(FromPhoneSystem):
    """POST a question about a caller: 200 with what we know, or 400, 401, 404, 413 with a short reason."""

    def take(self, pbx: Pbx, connector: Any, hook: HookRequest, what: str, now: datetime) -> Response:
        if not hasattr(connector, "read_question") or what not in lookups.ANSWERS:
            return _error(status.HTTP_404_NOT_FOUND, "There is no such question.", "")
        question = connector.read_question(what, hook)
        answered = lookups.answer(pbx=pbx, question=question, now=now)
        intake.hear(pbx, now)
        return Response(dict(connector.answer(what, answered.state, answered.contacts)))


def _bounded_body(request: HttpRequest) -> bytes | None:
    """The raw body, or None when it is larger than a hook may be."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
        return None
    body = request.read(MAX_BODY + 1)
    return None if len(body) > MAX_BODY else body


def _error(code: int, text: str, field: str) -> Response:
    return Response({"error": text, "field": field}, status=code)


def _refuse(pbx: Pbx, reason: str, text: str, now: datetime) -> None:
    """Count it for the phone system's page, and say so in the log: the sender's words stand in neither."""
    intake.count_refusal(pbx=pbx, reason=reason, text=text, now=now)
    log.warning("A post for phone system %s was refused: %s", pbx.pk, reason)
