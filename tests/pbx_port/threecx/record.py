"""Record the stories anew: `python -m tests.pbx_port.threecx.record [STORY ...]`.

Plays each story at a practice 3CX of its own while the real listener hears it, and keeps what came over the
wire in the order in which it was heard.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest import mock

import tests.conftest  # noqa: F401  (settings for a process of its own)
from nutshellpbx.lab.threecx.script import Player
from nutshellpbx.lab.threecx.server import CLIENT, KEY, ThreeCx
from nutshellpbx.lab.threecx.stories import STORIES
from nutshellpbx.pbx.connector import PbxConfig
from nutshellpbx.pbx.threecx import doubts, listening, protocol, reconcile
from nutshellpbx.pbx.threecx.connector import ThreeCxConnector
from nutshellpbx.redact import Secret
from tests.pbx_port.threecx.telling import RECORDINGS


def record(story: str, into: Path) -> None:
    """Play one story and keep what was heard."""
    lines: list[dict[str, Any]] = []
    read_event, read_answer, read_state = protocol.read_event, protocol.read_answer, protocol.read_state

    def event(frame: Any) -> Any:
        lines.append({"frame": frame})
        return read_event(frame)

    def answer(key: str, content: Any) -> Any:
        lines.append({"participant": key, "content": content})
        return read_answer(key, content)

    def state(content: Any, *, settled: str = "") -> Any:
        lines.append({"state": content, "settled": settled})
        return read_state(content, settled=settled)

    def is_over() -> bool:
        hearing = connector._hearing
        return hearing is not None and not hearing.known.calls

    patches: list[Any] = [
        mock.patch.object(protocol, "read_event", event),
        mock.patch.object(protocol, "read_answer", answer),
        mock.patch.object(protocol, "read_state", state),
        mock.patch.object(doubts, "SETTLE_S", 0.3),
        mock.patch.object(listening, "WAIT_S", 0.01),
        mock.patch.object(reconcile, "heard_until", lambda pbx, now: now),
    ]
    with ThreeCx() as pbx:
        for patch in patches:
            patch.start()
        secrets = {"secret": Secret(KEY)}
        settings = {"address": pbx.url, "client_id": CLIENT}
        connector = ThreeCxConnector(PbxConfig("pbx", "Practice", "threecx", settings, secrets))
        stop, connected = threading.Event(), threading.Event()
        thread = threading.Thread(
            target=connector.listen, args=(stop.is_set, lambda _event: None, lambda *_said: connected.set())
        )
        thread.start()
        connected.wait(10)
        Player(pbx.switch, pause=lambda: time.sleep(0.08)).play(STORIES[story])
        until = time.monotonic() + 20
        while time.monotonic() < until and not is_over():
            time.sleep(0.05)
        stop.set()
        thread.join(10)
        for patch in patches:
            patch.stop()
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    (into / f"{story}.jsonl").write_text(text, encoding="utf-8")
    print(f"{story}: {len(lines)} messages")


def main() -> None:
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    for story in sys.argv[1:] or STORIES:
        record(story, RECORDINGS)


if __name__ == "__main__":
    main()
