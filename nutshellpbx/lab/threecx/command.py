"""``python -m nutshellpbx.lab threecx``: the practice 3CX as a process of its own.

It reads lines of the script language (see script.py) from its input and plays them, and these words: `drop`
breaks the event sockets, `expire` the token, `restart` the whole PBX; `story NAME` plays a whole story.
"""

from __future__ import annotations

import argparse
import sys
import time

from nutshellpbx.lab.threecx.script import NoSuchLine, Player
from nutshellpbx.lab.threecx.server import CLIENT, KEY, ThreeCx
from nutshellpbx.lab.threecx.stories import STORIES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell what can be said on the command line."""
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 lets the kernel choose")
    parser.add_argument("--pause", type=float, default=1.0, metavar="S", help="seconds after each line")
    parser.add_argument("--pro", action="store_true", help="a licence without Call Control API and XAPI")


def run(arguments: argparse.Namespace) -> int:
    """Serve and play until the input ends."""
    with ThreeCx(port=arguments.port) as pbx:
        pbx.behaviour.has_call_control = pbx.behaviour.has_xapi = not arguments.pro
        print(f"practice 3CX ready on {pbx.url} (client {CLIENT}, key {KEY})", flush=True)
        player = Player(pbx.switch, pause=lambda: time.sleep(arguments.pause))
        for line in sys.stdin:
            try:
                _do(pbx, player, line.strip())
            except (NoSuchLine, KeyError, StopIteration, TypeError) as error:
                print(f"? {line.strip()}: {type(error).__name__}", flush=True)
    return 0


def _do(pbx: ThreeCx, player: Player, line: str) -> None:
    verb, _, rest = line.partition(" ")
    match verb:
        case "drop":
            pbx.drop_sockets()
        case "expire":
            pbx.expire_tokens()
        case "restart":
            pbx.restart()
        case "story":
            player.play(STORIES[rest])
        case _:
            player.play(line)
    if line:
        print(f"· {line}", flush=True)
