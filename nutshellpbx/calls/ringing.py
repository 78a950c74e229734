"""A paired desktop's own telephone program rings: a source of calls of its own, one per device."""

from __future__ import annotations

from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from nutshellpbx.calls import intake
from nutshellpbx.calls.hooks import RETRY_AFTER_S, AnyBody
from nutshellpbx.desktop.api import FromDevice, refusal
from nutshellpbx.desktop.models import Device
from nutshellpbx.faults import Rejected, TryLater
from nutshellpbx.pbx import config as pbx_config
from nutshellpbx.pbx.connector import HookRequest
from nutshellpbx.pbx.desk.connector import DeskConnector
from nutshellpbx.pbx.desk.translate import LINE
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Extension

MAX_BODY = 4 * 1024


class Ring(FromDevice):
    """POST id, number and name of a call that rings at this desk: 202, or 400, 401, 413 with what to do."""

    parser_classes = (AnyBody,)  # type: ignore[assignment]  # its connector reads the body

    def post(self, request: Request) -> Response:
        now, device = timezone.now(), request.auth
        assert isinstance(device, Device)
        body = request._request.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            return refusal(
                Rejected(_("The post is too large."), ""), status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
            )
        try:
            pbx = find_or_make_desk(device=device)
            if not pbx.is_enabled:
                off = Rejected(_("This desktop's calls are switched off"), _("An admin can switch them on."))
                return refusal(off, status.HTTP_409_CONFLICT)
            connector = pbx_config.connector_of(config=pbx_config.bare_config(pbx=pbx))
            messages = connector.read(HookRequest(headers={}, body=body))
            taken = intake.take_in_messages(pbx=pbx, connector=connector, messages=messages, now=now)
        except Rejected as fault:
            return refusal(fault, status.HTTP_400_BAD_REQUEST)
        except OperationalError:
            later = TryLater(_("This cannot be stored just now."), "", retry_after_s=RETRY_AFTER_S)
            return refusal(later, status.HTTP_503_SERVICE_UNAVAILABLE)
        return Response({"taken": taken.taken, "repeated": taken.repeated}, status=status.HTTP_202_ACCEPTED)


def find_or_make_desk(*, device: Device) -> Pbx:
    """The desk's own row, made when it rings first: its one line is the user's, without any grant."""
    pbx = Pbx.objects.filter(kind=DeskConnector.kind, settings__device=str(device.pk)).first()
    with transaction.atomic():
        if pbx is None:
            name = f"{device.name[:40]} ({device.user})"[:70]
            taken = Pbx.objects.filter(name=name).exists()
            pbx = Pbx.objects.create(
                kind=DeskConnector.kind,
                name=f"{name} {device.pk.hex[:6]}" if taken else name,
                settings={"device": str(device.pk)},
            )
        line, _made = Extension.objects.get_or_create(
            pbx=pbx, number=LINE, defaults={"owner": device.user, "name": device.name}
        )
        if line.owner_id != device.user_id:
            Extension.objects.filter(pk=line.pk).update(owner=device.user)
    return pbx
