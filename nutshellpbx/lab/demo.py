"""``make demo``: a whole office on this machine; a call rings, the right page opens, one note stands in the
CRM.

Exit codes: 0 the page was fetched by a browser and exactly one note stands; 3 the same with the recorder,
since this machine has no browser; 1 something else. `--once` does it once, with no questions, and ends by
itself.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from nutshellpbx.lab.demo_lines import BOLD, RED, Story, Terminal
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Office, asterisk_office, is_record_page, webhook_office
from nutshellpbx.lab.openers import choose_opener
from nutshellpbx.lab.phone_calls import inbound_answered
from nutshellpbx.lab.processes import NotReady, Running, python

NO_BROWSER = 3
STORY_S = 60.0
EXTENSION = "101"


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--pbx", choices=["webhook", "asterisk"], default="webhook")
    parser.add_argument("--once", action="store_true", help="one call, no questions")
    parser.add_argument("--screen", action="store_true", help="there is a screen: open the browser on it")
    parser.add_argument("--contacts", type=int, default=5000, help="people in the practice Nutshell")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    terminal = Terminal()
    with tempfile.TemporaryDirectory(prefix="nutshellpbx-demo-") as name:
        try:
            with Demo(
                Path(name),
                terminal,
                pbx=arguments.pbx,
                contacts=arguments.contacts,
                has_screen=arguments.screen,
            ) as demo:
                code = demo.tell_a_call()
                if not arguments.once:
                    demo.stay()
                return code
        except KeyboardInterrupt:
            terminal.say("Ending.")
            return 130
        except (NotReady, TimeoutError, RuntimeError, OSError) as error:
            terminal.say(str(error), tone=RED)
            return 1


class Demo:
    """The office of the demo and its one call after the other."""

    def __init__(
        self, folder: Path, terminal: Terminal, *, pbx: str, contacts: int, has_screen: bool = False
    ) -> None:
        self.terminal = terminal
        self.office = Office(folder, contacts=contacts)
        self.opener = choose_opener(folder, has_screen=has_screen)
        self._pbx = pbx
        self._asterisk: Any = None
        self._calls = 0

    def __enter__(self) -> Demo:
        try:
            self._prepare()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._asterisk is not None:
            self._asterisk.__exit__(None, None, None)
        self.office.stop()

    def _prepare(self) -> None:
        step = self.terminal.step
        with step("a practice Nutshell and the server with all its processes"):
            self.office.start()
        if self._pbx == "asterisk":
            self._start_asterisk()
        with step("a company, a phone system, Ada at extension 101, her grant, her sealed key"):
            self.office.enter(self._spec())
        with step("Ada's desktop is paired by a code that she approves"):
            self.office.add_desk(email=PRACTICE_EMAIL, opener=self.opener, name="Ada's desk")
        self.terminal.say(f"  opener: {self.opener.name}")
        with step(
            "her key is checked by a worker; every phone number of the CRM comes into the index"
        ) as syncing:
            self.office.wait_until_ready(
                connected=self._asterisk is not None,
                say=lambda state: syncing.news(f"{state['seen']} records"),
            )

    def _spec(self) -> dict[str, Any]:
        ada = {
            "email": PRACTICE_EMAIL,
            "name": "Ada Vance",
            "role": "admin",
            "extensions": [EXTENSION],
            "key": PRACTICE_KEY,
        }
        address = self.office.nutshell.address  # type: ignore[union-attr]
        if self._asterisk is None:
            return webhook_office(nutshell=address, people=[ada])
        return asterisk_office(
            nutshell=address,
            people=[ada],
            port=self._asterisk.ami_port,
            username=self._asterisk.ami_user,
            secret=self._asterisk.ami_secret,
        )

    def _start_asterisk(self) -> None:
        from nutshellpbx.lab.asterisk.runner import RealAsterisk
        from nutshellpbx.lab.asterisk.tree import get_tree

        with self.terminal.step("a real Asterisk (its tree is built once, in a minute or two)"):
            self._asterisk = RealAsterisk(
                get_tree(say=lambda line: self.terminal.say(f"  {line}"))
            ).__enter__()

    def tell_a_call(self) -> int:
        """A customer calls; the exit code of what came of it."""
        self._calls += 1
        caller = self.office.nutshell.sample(count=1, seed=self._calls)[0]  # type: ignore[union-attr]
        notes_before = len(self._notes_of(caller["id"]))
        seen = self._last_request()
        self.terminal.say()
        self.terminal.say(f"{caller['name']} calls {EXTENSION} from {caller['number']}", tone=BOLD)
        story = Story(self.terminal)
        follower = Running(
            python("manage.py", "practice", "follow", "--pbx", self.office.ids["pbx"]),
            name=f"follow-{self._calls}",
            folder=self.office.logs,
            env=self.office.env,
        )
        try:
            follower.wait_for(lambda line: "following" in line, timeout_s=30)
            call = threading.Thread(target=self._ring, args=(caller,), daemon=True)
            call.start()
            opened_ms = self._follow(follower, story, caller, seen)
            call.join(timeout=STORY_S)
        finally:
            follower.stop()
        notes = len(self._notes_of(caller["id"])) - notes_before
        return self._sum_up(story, opened_ms, notes)

    def _ring(self, caller: dict[str, Any]) -> None:
        if self._asterisk is None:
            inbound_answered(
                system=self.office.phone_system(),
                number=caller["number"],
                extension=EXTENSION,
                ring_s=3.0,
                talk_s=4.0,
            )
            return
        from nutshellpbx.lab.asterisk.dialled import DIRECT
        from nutshellpbx.lab.asterisk.phones import Answers, Caller

        self._asterisk.set_phone(EXTENSION, Answers(after_ms=3000))
        self._asterisk.call(DIRECT, Caller(number=caller["number"].lstrip("+"), name="", talk_ms=4000)).wait(
            timeout=STORY_S
        )

    def _follow(self, follower: Running, story: Story, caller: dict[str, Any], seen: int) -> float | None:
        """Tell what happens until the note is verified (or needs a person); when the page was opened, in
        ms.
        """
        told, opened_ms = 1, None
        until = time.monotonic() + STORY_S
        record = caller["id"].split("-")[0]
        while time.monotonic() < until:
            lines = follower.lines[told:]
            told += len(lines)
            for line in lines:
                if line.startswith("{"):
                    story.tell(json.loads(line))
            for entry in self.office.nutshell.requests(after=seen):  # type: ignore[union-attr]
                seen = entry["n"]
                if is_record_page(entry) and entry["path"].split("/")[2].split("-")[0] == record:
                    at = datetime.fromisoformat(entry["time"])
                    story.line(f"page opened in the browser: {entry['path']}", at=at, tone=BOLD)
                    opened_ms = story.since_ring_ms(at) if opened_ms is None else opened_ms
            if opened_ms is None and (self.office.folder / "opened.txt").exists():
                opened_ms = story.since_ring_ms(datetime.now().astimezone())
            if story.states and story.states[-1] in {"verified", "parked", "waiting"}:
                return opened_ms
            time.sleep(0.03)
        return opened_ms

    def _sum_up(self, story: Story, opened_ms: float | None, notes: int) -> int:
        verified = bool(story.states) and story.states[-1] == "verified"
        self.terminal.say()
        if opened_ms is None:
            self.terminal.say("The page was not opened.", tone=RED)
        else:
            found = "" if story.found_ms is None else f"found in {story.found_ms:.0f} ms, "
            self.terminal.say(
                f"{found}page opened after {opened_ms:.0f} ms, opener: {self.opener.name}", tone=BOLD
            )
        self.terminal.say(
            f"notes of this call in Nutshell: {notes}{', verified' if verified else ''}", tone=BOLD
        )
        if opened_ms is None or notes != 1 or not verified:
            return 1
        return 0 if self.opener.is_browser else NO_BROWSER

    def stay(self) -> None:
        """Keep the dashboard up, and let more customers call, until Ctrl-C."""
        link = self.office.manage("sign_in_link", "--email", PRACTICE_EMAIL).strip().splitlines()[-1]
        self.terminal.say()
        self.terminal.say(f"The dashboard: {self.office.public_url}", tone=BOLD)
        self.terminal.say(f"Sign in once with: {link}")
        self.terminal.say(f"The practice Nutshell: {self.office.nutshell.address}")  # type: ignore[union-attr]
        self.terminal.say("Enter: another customer calls. Ctrl-C: end.")
        while True:
            readable, _, _ = select.select([sys.stdin], [], [], 1.0) if sys.stdin.isatty() else ([], [], [])
            if readable:
                sys.stdin.readline()
                self.tell_a_call()
            elif not sys.stdin.isatty():
                time.sleep(1.0)

    def _notes_of(self, record: str) -> list[dict[str, Any]]:
        return [note for note in self.office.nutshell.notes() if note["parent"] == record]  # type: ignore[union-attr]

    def _last_request(self) -> int:
        return int(self.office.nutshell.ask("GET", "")["log"])  # type: ignore[union-attr]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
