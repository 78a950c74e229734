"""Any process killed with -9 at any moment: it starts again, no entry is lost, none is written twice."""

from __future__ import annotations

import os
import random
import signal
import threading

from tests.faults.conftest import Scene

PROCESSES = ("web", "push", "worker-pop", "worker-slow", "listen", "redis")


def test_no_entry_is_lost_or_doubled_while_processes_are_killed(
    scene: Scene, fault_s: float, dice: random.Random
) -> None:
    scene.wait_until_well()
    stop = threading.Event()
    kills: list[str] = []

    def kill_at_random() -> None:
        while not stop.wait(dice.uniform(0.2, 1.2)):
            name = dice.choice(PROCESSES)
            try:
                os.kill(scene.office.process_id(name), signal.SIGKILL)
            except (ProcessLookupError, FileNotFoundError, ValueError):
                continue
            kills.append(name)

    attacker = threading.Thread(target=kill_at_random)
    traffic = scene.traffic(retry_for_s=40)
    attacker.start()
    try:
        traffic.tell(seconds=fault_s)
    finally:
        stop.set()
        attacker.join()
    counts = scene.wait_for_notes(traffic, timeout_s=120)
    lost = [record for record, count in counts.items() if count == 0]
    doubled = [record for record, count in counts.items() if count > 1]
    print(f"{len(kills)} kills, {len(counts)} calls")
    for customer in traffic.told:
        if customer["id"] in lost:
            print(customer["number"], scene.what_became_of(customer))
    assert (lost, doubled) == ([], [])
    assert len(kills) >= fault_s / 2
