"""Any process of a whole office killed with -9 at any moment: it starts again, no note is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults import results
from tests.faults.conftest import Scene

ATTACK = "every process of an office killed at random"
PROCESSES = ("web", "push", "worker-pop", "worker-slow", "listen", "redis")
SECONDS, SECONDS_LONG = 20.0, 480.0
KILLS_LONG = 400
KILL_EVERY_S = (0.2, 1.2)
AT_IT_S, REST_S = 20.0, 6.0
#: The supervisor itself is killed, too, now and then: systemd would start it again.
SUPERVISOR_EVERY_S = (9.0, 40.0)
#: From the last kill until everything is written.
WRITTEN_S, WRITTEN_LONG_S = 120.0, 300.0


class Attacker:
    """Kills a process of the office every now and then, for so long; `kills` says which how often.

    It rests now and then: an office whose processes die before they have started takes in no call at all.
    """

    def __init__(self, scene: Scene, dice: random.Random, seconds: float) -> None:
        self._seconds = seconds
        self.kills: Counter[str] = Counter()
        self._scene, self._dice = scene, dice
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Attacker:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        supervisor_at = started + self._dice.uniform(*SUPERVISOR_EVERY_S)
        while (passed_s := time.monotonic() - started) < self._seconds:
            if self._stop.wait(self._dice.uniform(*KILL_EVERY_S)):
                return
            if passed_s % (AT_IT_S + REST_S) > AT_IT_S:
                continue
            if time.monotonic() > supervisor_at:
                self._kill_supervisor()
                supervisor_at = time.monotonic() + self._dice.uniform(*SUPERVISOR_EVERY_S)
            else:
                # The one that the dice name, or the next one that is alive.
                start = self._dice.randrange(len(PROCESSES))
                any(self._kill(name) for name in PROCESSES[start:] + PROCESSES[:start])

    def _kill(self, name: str) -> bool:
        try:
            process_id = self._scene.office.process_id(name)
            if not is_alive(process_id):
                return False
            os.kill(process_id, signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError, ValueError):
            return False  # just now between its end and its next start
        self.kills[name] += 1
        return True

    def _kill_supervisor(self) -> None:
        server = self._scene.office.server
        assert server is not None
        server.process.kill()
        server.stop()  # ends what it had started
        self.kills["supervisor"] += 1
        self._scene.office.start_server()


def is_alive(process_id: int) -> bool:
    """Whether a process runs; one that has ended and was not buried yet does not."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.timeout(2 * SECONDS_LONG)
def test_no_note_is_lost_or_doubled_while_processes_are_killed(
    scene: Scene, is_long: bool, seed: int, dice: random.Random
) -> None:
    scene.wait_until_well()
    # A phone system that goes on until it is heard, with calls that come again and events that come twice.
    traffic = scene.traffic(dice=dice, retry_for_s=180.0, ring_s=1.5, repeated=0.1, copies=2)
    started = time.monotonic()
    seconds = SECONDS_LONG if is_long else SECONDS
    with Attacker(scene, random.Random(seed), seconds) as attacker:
        traffic.tell(seconds=seconds, per_second=4.0)
    found = scene.check_when_written(timeout_s=WRITTEN_LONG_S if is_long else WRITTEN_S)
    counts = {name: len(found[name]) for name in ("missing", "double", "foreign")}
    kills = sum(attacker.kills.values())
    results.record(
        attack=ATTACK,
        seed=seed,
        duration_s=time.monotonic() - started,
        kills=kills,
        entries=traffic.done,
        note=", ".join(f"{name} {number}" for name, number in sorted(attacker.kills.items())),
        **counts,
    )
    assert traffic.untold == [], seed
    assert counts == {"missing": 0, "double": 0, "foreign": 0}, (seed, found, scene.unwritten())
    assert kills >= (KILLS_LONG if is_long else SECONDS / 2)
