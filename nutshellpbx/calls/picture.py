"""Between a call's rows and the frozen picture that the states know: load it, store what changed."""

from __future__ import annotations

from dataclasses import fields

from nutshellpbx import phone
from nutshellpbx.calls.models import Call, Leg
from nutshellpbx.calls.states import CallPicture, LegPicture, LegState
from nutshellpbx.pbx.events import Direction
from nutshellpbx.people import routing

#: Fields that row and picture share by name.
CALL_FIELDS = (
    "name",
    "dialled",
    "via",
    "via_name",
    "cause",
    "started_at",
    "answered_at",
    "ended_at",
    "quiet_at",
)
LEG_FIELDS = tuple(field.name for field in fields(LegPicture) if field.name not in {"uid", "state"})


def picture_of(call: Call, legs: list[Leg]) -> CallPicture:
    """The call as the states see it."""
    return CallPicture(
        is_live=call.state == Call.State.LIVE,
        direction=Direction(call.direction),
        number=call.number,
        legs=tuple(
            LegPicture(
                uid=leg.uid,
                state=LegState(leg.state),
                **{name: getattr(leg, name) for name in LEG_FIELDS},
            )
            for leg in legs
        ),
        **{name: getattr(call, name) for name in CALL_FIELDS},
    )


def store(call: Call, legs: list[Leg], after: CallPicture, *, country: str) -> dict[str, Leg]:
    """Write what changed; new legs are routed to their extension and owner. Returns the legs by their uid."""
    if after.number != call.number:
        call.number = after.number
        call.e164 = phone.read(after.number, country=country).e164
    for name in CALL_FIELDS:
        setattr(call, name, getattr(after, name))
    call.direction = after.direction
    if not after.is_live and call.state == Call.State.LIVE:
        call.state = Call.State.ENDED
    call.save(update_fields=["number", "e164", "direction", "state", *CALL_FIELDS])
    rows = {leg.uid: leg for leg in legs}
    for picture in after.legs:
        leg = rows.get(picture.uid)
        if leg is None:
            leg = rows[picture.uid] = Leg(call=call, uid=picture.uid)
            before = None
        else:
            before = tuple(getattr(leg, name) for name in (*LEG_FIELDS, "state"))
        for name in LEG_FIELDS:
            setattr(leg, name, getattr(picture, name))
        leg.state = picture.state
        if before is None or leg.extension_id is None:
            _route(call, leg)
        if before != tuple(getattr(leg, name) for name in (*LEG_FIELDS, "state")):
            leg.save()
    return rows


def _route(call: Call, leg: Leg) -> None:
    """Whose line this is: fixed when the leg is first seen, so that a later change of owner moves no call."""
    if not leg.number:
        return
    extension = routing.find_extension(pbx_id=str(call.pbx_id), number=leg.number)
    if extension is not None:
        leg.extension = extension
        leg.owner = extension.owner
