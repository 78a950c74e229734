"""The practice Nutshell as a process whose clock runs faster: `python -m tests.faults.fast_crm ORDER`.

ORDER is JSON: `{"contacts": n, "seed": n, "started": Unix time, "speed": x, "users": [[e-mail, key], …]}`.
Only its data's times are sped up; what a misbehaviour waits is real seconds. It ends with its parent.
"""

from __future__ import annotations

import ctypes
import gc
import json
import signal
import sys
import time

from nutshellpbx.lab.nutshell.running import running_nutshell


def main() -> None:
    order = json.loads(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    def clock() -> float:
        return float(order["started"] + (time.time() - order["started"]) * order["speed"])

    with running_nutshell(contacts=order["contacts"], seed=order["seed"], clock=clock) as nutshell:
        for email, key in order["users"]:
            nutshell.instance.store.add_user(email=email, secret=key)
        gc.collect()
        gc.freeze()
        print(nutshell.url, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
