"""Runs one real Asterisk with its phones and callers on free loopback ports, in a directory of its own."""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path
from types import TracebackType

from nutshellpbx.lab.asterisk.phones import CONFIG, Behaviour, Caller, fill
from nutshellpbx.lab.asterisk.tree import CannotHaveAsterisk, describe_owner, end_processes, sweep_runs

EXTENSIONS = {
    "101": "Ada Practice",
    "102": "Ben Practice",
    "103": "Cyd Practice",
    "104": "Dan Practice",
    "105": "Eve Practice",
    "106": "Fay Practice",
}
#: Extension 106 has two phones.
SECOND_PHONE = "106b"
#: The far end of the trunk.
OUTSIDE = "outside"
#: Prompts without which a transfer or a conference gives up; here each is 20 ms of silence.
SILENT_SOUNDS = (
    "beep",
    "beeperr",
    "pbx-transfer",
    "pbx-invalid",
    "vm-intro",
    "vm-theperson",
    "vm-isunavail",
)
START_S = 30
ADDRESS = "127.0.0.1"


class RealAsterisk:
    """A real Asterisk with extensions 101 to 106, a trunk, groups, queues, a menu and a voicemail box.

    Use it as a context manager. `ami_port`, `ami_user` and `ami_secret` are what a connector needs.
    """

    ami_user = "nutshellpbx"

    def __init__(
        self,
        tree: Path,
        *,
        ring_s: int = 20,
        short_ring_s: int = 2,
        ami_write: str = "system,call,originate,reporting",
    ) -> None:
        self.tree = tree
        self.ami_secret = secrets.token_urlsafe(18)
        self._run = tree / "runs" / uuid.uuid4().hex[:12]
        self._asterisk: subprocess.Popen[bytes] | None = None
        self._sipps: dict[str, subprocess.Popen[bytes]] = {}
        self.times = 1  # how many times as long everything takes
        self._short_ring_s = short_ring_s
        self._settings = {"ring_s": ring_s, "short_ring_s": short_ring_s, "ami_write": ami_write}
        ports = _free_ports(4 + len(EXTENSIONS))
        self.ami_port, self.sip_port, self._ports = (
            ports[0],
            ports[1],
            dict(zip((OUTSIDE, SECOND_PHONE, *EXTENSIONS), ports[2:], strict=True)),
        )

    def __enter__(self) -> RealAsterisk:
        sweep_runs(self.tree)
        self._write_config()
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up_all()
        self.stop()
        end_processes(self._run, self.tree)
        shutil.rmtree(self._run, ignore_errors=True)

    def start(self) -> None:
        """Start Asterisk and wait until it takes calls; raises CannotHaveAsterisk with its last words."""
        self._asterisk = self._spawn("/usr/sbin/asterisk", "-f", "-C", f"{self._inside}/etc/asterisk.conf")
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if self._asterisk.poll() is not None or time.monotonic() > deadline:
                raise CannotHaveAsterisk(f"the real Asterisk did not start: {self.log()[-600:]}")
            time.sleep(0.02)

    def stop(self, *, at_once: bool = False) -> None:
        """End Asterisk; `at_once` kills it, so that it says goodbye to nobody."""
        _end(self._asterisk, at_once=at_once)
        self._asterisk = None

    def log(self) -> str:
        """What Asterisk wrote into its own log, then what it and sipp had to complain about."""
        files = (self._run / "log" / "messages", self._run / "output")
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())

    def slow_down(self, times: int) -> None:
        """Let everything from the next story on ring and talk so many times as long; 1 is as always."""
        if times == self.times:
            return
        self.times = times
        short_ring_s = self._short_ring_s * times
        queues = {**self._settings, "short_ring_s": short_ring_s}
        self._write("etc/queues.conf", fill(CONFIG / "queues.conf", **queues))
        self.command("queue reload all")
        self.command(f"dialplan set global SHORT_RING {short_ring_s}")

    def set_phone(self, extension: str, behaviour: Behaviour) -> None:
        """Let the phone of an extension (or OUTSIDE, the far end of the trunk) behave so from now on."""
        self.unplug(extension)
        scenario = self._write(
            f"sipp/{extension}-{uuid.uuid4().hex[:6]}.xml", behaviour.slower(self.times).scenario()
        )
        port = self._ports[extension]
        self._sipps[extension] = self._sipp(scenario, "-p", str(port))
        _wait_until_taken(port, self._sipps[extension])

    def unplug(self, extension: str) -> None:
        """Take the phone of an extension away."""
        _end(self._sipps.pop(extension, None), at_once=True)

    def hang_up_all(self) -> None:
        """Take every phone and caller away."""
        for name in list(self._sipps):
            self.unplug(name)

    def call(self, dialled: str, caller: Caller) -> subprocess.Popen[bytes]:
        """Let somebody call, from outside unless the caller's number is an extension's.

        The answer is the caller's process: it ends with 0 when the call was clean, from its side.
        """
        name = f"caller-{uuid.uuid4().hex[:6]}"
        scenario = self._write(f"sipp/{name}.xml", caller.slower(self.times).scenario())
        people = self._write(f"sipp/{name}.csv", caller.injection())
        calling = self._sipp(scenario, "-inf", people, "-s", dialled, "-m", "1", f"{ADDRESS}:{self.sip_port}")
        self._sipps[name] = calling
        return calling

    @property
    def _inside(self) -> str:
        return f"/runs/{self._run.name}"

    def _write(self, name: str, text: str) -> str:
        path = self._run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return f"{self._inside}/{name}"

    def _write_config(self) -> None:
        for folder in ("lib", "spool/voicemail", "run", "log", "cache", "etc", "sipp"):
            (self._run / folder).mkdir(parents=True, exist_ok=True)
        self._write("owner", describe_owner())
        for sound in SILENT_SOUNDS:
            self._write(f"data/sounds/en/{sound}.ulaw", "\x7f" * 160)
        (self._run / "data" / "documentation").symlink_to("/usr/share/asterisk/documentation")
        phones = "".join(
            fill(CONFIG / "phone.conf", extension=extension, name=name, contacts=self._contacts(extension))
            for extension, name in EXTENSIONS.items()
        )
        values = {
            "run": self._inside,
            "modules": _find_modules(self.tree),
            "ami_port": self.ami_port,
            "ami_user": self.ami_user,
            "ami_secret": self.ami_secret,
            "sip_port": self.sip_port,
            "outside_port": self._ports[OUTSIDE],
            "phones": phones,
            **self._settings,
        }
        for template in CONFIG.glob("*.conf"):
            if template.name != "phone.conf":
                self._write(f"etc/{template.name}", fill(template, **values))

    def _contacts(self, extension: str) -> str:
        phones = (extension, SECOND_PHONE) if SECOND_PHONE.startswith(extension) else (extension,)
        return "\n".join(f"contact = sip:{extension}@{ADDRESS}:{self._ports[phone]}" for phone in phones)

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._run / "output").open("ab") as output:
            started = subprocess.Popen(
                ["chroot", str(self.tree), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
            )
        with (self._run / "pids").open("a") as pids:
            pids.write(f"{started.pid}\n")
        return started

    def _sipp(self, scenario: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self._spawn(
            "/usr/bin/sipp", "-sf", scenario, "-i", ADDRESS, "-nostdin", "-aa", "-nr", *arguments
        )

    def _is_ready(self) -> bool:
        said = self.command("core waitfullybooted")
        return "fully booted" in said

    def command(self, text: str) -> str:
        """What Asterisk's own console answers to a command; empty while it is not up."""
        asked = subprocess.run(
            [
                "chroot",
                str(self.tree),
                "/usr/sbin/asterisk",
                "-C",
                f"{self._inside}/etc/asterisk.conf",
                "-rx",
                text,
            ],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=START_S,
            check=False,
        )
        return asked.stdout.decode("utf-8", "replace") if asked.returncode == 0 else ""


def _free_ports(count: int) -> list[int]:
    """Ports that are free for UDP and TCP at once; held together while they are chosen, so all differ."""
    held: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < count:
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            held += [udp, tcp]
            udp.bind((ADDRESS, 0))
            port = udp.getsockname()[1]
            try:
                tcp.bind((ADDRESS, port))
            except OSError:
                continue
            ports.append(port)
    finally:
        for holder in held:
            holder.close()
    return ports


def _wait_until_taken(port: int, sipp: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and sipp.poll() is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                return
        time.sleep(0.01)
    raise TimeoutError(f"sipp did not take port {port} (it ended with {sipp.poll()})")


def _end(process: subprocess.Popen[bytes] | None, *, at_once: bool) -> None:
    if process is None:
        return
    if process.poll() is None and not at_once:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            at_once = True
    if process.poll() is None:
        process.kill()
    process.wait()


def _find_modules(tree: Path) -> str:
    config = (tree / "etc/asterisk/asterisk.conf").read_text(encoding="utf-8")
    found = re.search(r"^astmoddir => (\S+)$", config, re.MULTILINE)
    if found is None:
        raise CannotHaveAsterisk("the tree's asterisk.conf names no module directory; delete the tree.")
    return found.group(1)
