"""How soon a card goes away: `python -m tests.bench.withdraw [--calls 40] [--desks 50]`.

A group rings at all desks at once, each has its card; a colleague answers. From the moment when that answer
is posted until each of the other desks has been told to take its card away; right after the answer the phone
system says that the other phones have stopped ringing, as it does in life.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nutshellpbx.lab.phone_system import PhoneSystem, make_event
from tests.bench._figures import around, load, measure_and_say, say, spread
from tests.bench._house import FIRST_LINE, House, open_house

AIM_MS = 300.0
PATIENCE_S = 20.0
#: Between a call's parts: so long nobody has anything to do.
QUIET_S = 0.4
GROUP = {"kind": "group", "name": "everybody"}


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Let the group ring, answer at each desk in turn, and look when the others were told."""
    each: list[float] = []
    last: list[float] = []
    told_ms: list[float] = []
    missing = 0
    with open_house(
        folder, desks=arguments.desks, contacts=arguments.contacts, customers=arguments.calls
    ) as house:
        say(f"{arguments.calls} calls that ring at {arguments.desks} desks at once …")
        load_before = load()
        with house.office.phone_system(retry_for_s=PATIENCE_S) as system:
            for number in range(arguments.calls):
                took_ms, delays_ms = _one_call(house, system, arguments.desks, number)
                told_ms.append(took_ms)
                each += delays_ms
                last += [max(delays_ms)] if delays_ms else []
                missing += arguments.desks - 1 - len(delays_ms)
    figures = {
        "answer posted → a colleague's desk is told that the card goes": each,
        "answer posted → the last of the desks is told": last,
        "answer posted → 2xx": told_ms,
    }
    return {
        "command": f"python -m tests.bench.withdraw --calls {arguments.calls} --desks {arguments.desks} "
        f"--contacts {arguments.contacts}",
        "calls": arguments.calls,
        "withdrawn": len(each),
        "missing": missing,
        **around(load_before, load()),
        "ms": {name: spread(values) | _worst(values) for name, values in figures.items()},
    }


def _one_call(house: House, system: PhoneSystem, desks: int, number: int) -> tuple[float, list[float]]:
    """One call from ring to end: how long the answer's 2xx took, and the delay at each desk told, in
    milliseconds.
    """
    customer = next(house.customers)
    uid = system.new_call_id()
    lines = [str(FIRST_LINE + place) for place in range(desks)]
    whose = lines[number % desks]
    members = {"direction": "inbound", "number": customer["number"], "via": GROUP}

    def event(kind: str, line: str, **more: str) -> dict[str, Any]:
        return make_event(call=uid, kind=kind, at=system.now(), extension=line, **members, **more)

    system.tell(*(event("ringing", line) for line in lines))
    _wait(lambda: len(_of(house.desks.shown, uid)) >= desks)
    time.sleep(QUIET_S)
    answered_at = time.time()
    system.tell(event("answered", whose))
    took_ms = (time.time() - answered_at) * 1000
    others = [line for line in lines if line != whose]
    system.tell(*(event("ended", line, cause="answered_elsewhere") for line in others))
    _wait(lambda: len(_of(house.desks.gone, uid)) >= desks - 1)
    gone = _of(house.desks.gone, uid)
    time.sleep(QUIET_S)
    system.tell(make_event(call=uid, kind="ended", at=system.now()))
    _wait(lambda: len(_of(house.desks.gone, uid)) >= desks)
    return took_ms, [(at - answered_at) * 1000 for at in gone]


def _of(moments: dict[str, list[float]], uid: str) -> list[float]:
    """The moments of this call, whose key holds the phone system's id of it."""
    return [at for key, ats in list(moments.items()) if key.split(":")[1] == uid for at in list(ats)]


def _wait(is_so: Callable[[], bool]) -> None:
    """Until it is so, or nobody waits any longer: what is missing then is counted."""
    end = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)


def _worst(values: list[float]) -> dict[str, float]:
    return {"max": round(max(values), 1)} if values else {}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--desks", type=int, default=50)
    parser.add_argument("--contacts", type=int, default=2000)
    measure_and_say(
        parser,
        measure,
        lambda figures: (
            f"aim: p95 ≤ {AIM_MS:.0f} ms; {figures['withdrawn']} cards were taken away, "
            f"{figures['missing']} were not within {PATIENCE_S:.0f} s"
        ),
    )


if __name__ == "__main__":
    main()
