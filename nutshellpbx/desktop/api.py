"""What a desktop asks over HTTP, but for its instructions (push.py): pairing, its report, what it did."""

from __future__ import annotations

from typing import IO, Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, ParseError
from rest_framework.parsers import JSONParser
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from nutshellpbx import wire
from nutshellpbx.desktop import mailbox, pairing, serializers
from nutshellpbx.desktop.models import Device
from nutshellpbx.desktop.origins import find_origins
from nutshellpbx.desktop.tokens import find_bearer, find_device, find_fingerprint
from nutshellpbx.faults import Fault, Rejected, TryLater
from nutshellpbx.people.models import User

MOST_BYTES = 64 * 1024


class ShortJSON(JSONParser):
    """JSON of at most 64 KB."""

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Any = None) -> dict[str, Any]:
        raw = stream.read(MOST_BYTES + 1)
        try:
            return wire.from_json(raw, most=MOST_BYTES)
        except wire.Malformed as error:
            raise ParseError(str(error)) from error


class DeviceToken(BaseAuthentication):
    """`Authorization: Bearer npbxd_…`: the user is the device's, `request.auth` the device."""

    def authenticate(self, request: Request) -> tuple[User, Device] | None:
        token = find_bearer(request.headers.get("authorization", ""))
        if not token:
            return None
        kept = find_fingerprint(token)
        device = find_device(kept) if kept else None
        if device is None:
            raise AuthenticationFailed(_("This desktop is not paired any more."))
        return device.user, device

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def refusal(fault: Fault, code: int) -> Response:
    """A fault as an answer: what is wrong, and what a person can do."""
    response = Response({"title": fault.title, "next_step": fault.next_step}, status=code)
    if isinstance(fault, TryLater) and fault.retry_after_s:
        response["Retry-After"] = str(round(fault.retry_after_s))
    return response


class Pairings(APIView):
    """POST: a desktop asks to be paired."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (ShortJSON,)

    def post(self, request: Request) -> Response:
        asked = serializers.PairingRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            row, secret = pairing.start(
                request=wire.PairingRequest(**asked.validated_data),
                address=request.META.get("REMOTE_ADDR") or None,
                now=timezone.now(),
            )
        except TryLater as fault:
            return refusal(fault, status.HTTP_429_TOO_MANY_REQUESTS)
        started = wire.PairingStarted(
            code=row.code,
            poll_secret=secret,
            expires_in_s=int(pairing.LIFE.total_seconds()),
            interval_s=pairing.INTERVAL_S,
            approve_url=f"{settings.NUTSHELLPBX_PUBLIC_URL}/desktops/pair?code={row.code}",
        )
        return Response(wire.fields_to(started), status=status.HTTP_201_CREATED)


class Claim(APIView):
    """POST: a desktop asks with its poll secret whether it is paired by now; the token is given once."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (ShortJSON,)

    def post(self, request: Request) -> Response:
        secret = find_bearer(request.headers.get("authorization", ""))
        if not 20 <= len(secret) <= 128:
            raise ParseError(_("The poll secret is missing."))
        try:
            claimed = pairing.claim(poll_secret=secret, now=timezone.now())
        except Rejected as fault:
            return refusal(fault, status.HTTP_410_GONE)
        if claimed is None:
            return Response({"state": "pending"}, status=status.HTTP_202_ACCEPTED)
        device, token = claimed
        paired = wire.Paired(
            token=token,
            device=str(device.pk),
            user=str(device.user),
            push_url=settings.NUTSHELLPBX_PUSH_URL,
            origins=tuple(find_origins()),
        )
        return Response(wire.fields_to(paired))


class FromDevice(APIView):
    """What a paired desktop alone may ask."""

    authentication_classes = (DeviceToken,)
    permission_classes = (IsAuthenticated,)
    parser_classes = (ShortJSON,)


class Report(FromDevice):
    """POST: what the desktop is, which browsers it has, which origins its person confirmed."""

    def post(self, request: Request) -> Response:
        report = serializers.Report(data=request.data)
        report.is_valid(raise_exception=True)
        device = _device_of(request)
        for name, value in report.validated_data.items():
            setattr(device, name, value)
        if device.browser and device.browser not in {browser["id"] for browser in device.browsers}:
            device.browser = ""  # that browser is gone: the default one again
        device.save(update_fields=[*report.validated_data, "browser"])
        return Response({"origins": find_origins()})


class Outcomes(FromDevice):
    """POST: what became of instructions."""

    def post(self, request: Request) -> Response:
        told = serializers.Outcomes(data=request.data)
        told.is_valid(raise_exception=True)
        lines = [
            wire.Outcome(
                id=str(line["id"]),
                outcome=wire.Result(line["outcome"]),
                at=line["at"],
                took_ms=line["took_ms"],
            )
            for line in told.validated_data["outcomes"]
        ]
        mailbox.settle(device=_device_of(request), outcomes=lines, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class Me(FromDevice):
    """GET: whose desktop this is, and which origins pages may come from. DELETE: unpair it."""

    def get(self, request: Request) -> Response:
        device = _device_of(request)
        return Response({"user": str(device.user), "name": device.name, "origins": find_origins()})

    def delete(self, request: Request) -> Response:
        mailbox.revoke(device=_device_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _device_of(request: Request) -> Device:
    device = request.auth
    if not isinstance(device, Device):
        raise AuthenticationFailed
    return device
