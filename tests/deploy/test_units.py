"""The units: sound, sheltered, running what `make run` runs, and each with its own keys only."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nutshellpbx.ops.supervise import Program, programs_of
from nutshellpbx.vault.keys import ROLE_PURPOSES
from tests.deploy.units import OURS, UNITS, Unit, make_root, read_unit

PYTHON = "/opt/nutshellpbx/current/bin/python"
HIGHEST = {**dict.fromkeys(OURS, 1.5), "nginx": 3.0}
PROGRAMS = {
    program.name: program
    for program in programs_of(
        folder=Path("/run/nutshellpbx"), web_port=8000, push_port=8001, embedded_redis=True
    )
}

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"),
    reason="systemd-analyze is not on this machine (apt-get install systemd)",
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up root with the units installed."""
    root = tmp_path_factory.mktemp("box")
    make_root(root, programs=[PYTHON, "/usr/bin/redis-server", "/usr/sbin/nginx"])
    return root


def analyze(verb: str, box: Path, *units: str) -> str:
    """What systemd-analyze says of units in the made-up root; fails when it is not content."""
    offline = ["--offline=true"] if verb == "security" else []
    done = subprocess.run(
        ["systemd-analyze", verb, *offline, f"--root={box}", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout + done.stderr


def program_of(unit: str) -> Program:
    return PROGRAMS[unit.removeprefix("nutshellpbx-")]


# ---------------------------------------------------------------------------------- as systemd sees them
@needs_systemd
def test_systemd_finds_no_fault_with_any_unit(box: Path) -> None:
    files = [
        str(path) for path in sorted((box / "etc/systemd/system").glob("nutshellpbx*.*")) if path.is_file()
    ]
    said = analyze(
        "verify", box, *(each for each in files if each.endswith((".service", ".target"))), "nginx.service"
    )
    assert said.strip() == ""


@needs_systemd
@pytest.mark.parametrize("unit", sorted(HIGHEST))
def test_exposure_stays_below_the_bar(unit: str, box: Path) -> None:
    said = analyze("security", box, f"{unit}.service")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found and float(found[1]) <= HIGHEST[unit], said


@needs_systemd
def test_users_and_folders_are_declared_in_systemd_s_own_words(box: Path) -> None:
    for tool in ("systemd-sysusers", "systemd-tmpfiles"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not on this machine (apt-get install systemd)")
    subprocess.run(
        ["systemd-sysusers", f"--root={box}", UNITS / "nutshellpbx.sysusers"], check=True, capture_output=True
    )
    rows = [line.split(":") for line in (box / "etc/passwd").read_text().splitlines()]
    group = re.search(r"^nutshellpbx:[^:]*:(\d+):", (box / "etc/group").read_text(), re.MULTILINE)
    assert group
    assert {row[0] for row in rows if row[3] == group[1]} >= set(OURS)
    assert all(row[6].endswith("nologin") for row in rows if row[0] in OURS)


# -------------------------------------------------------------------------------- one truth with `make run`
def test_every_process_of_make_run_has_its_unit_and_no_unit_is_without_one() -> None:
    assert {unit.removeprefix("nutshellpbx-") for unit in OURS} == set(PROGRAMS)


@pytest.mark.parametrize("unit", OURS)
def test_a_unit_runs_what_make_run_runs(unit: str) -> None:
    own, expected = read_unit(unit), list(program_of(unit).argv)
    if unit == "nutshellpbx-redis":
        expected[0] = "/usr/bin/redis-server"
        # On a box each process has a user of its own; they meet in a group.
        expected[expected.index("--unixsocketperm") + 1] = "770"
    else:
        expected[0] = PYTHON
        assert own.environment["NUTSHELLPBX_ROLE"] == program_of(unit).env["NUTSHELLPBX_ROLE"]
    assert own.argv == expected


def test_web_and_push_trust_one_proxy_and_it_is_this_machine() -> None:
    for unit in ("nutshellpbx-web", "nutshellpbx-push"):
        argv = read_unit(unit).argv
        assert argv[argv.index("--forwarded-allow-ips") + 1] == "127.0.0.1"
        assert argv[argv.index("--host") + 1] == "127.0.0.1"


# ---------------------------------------------------------------------------------- keys, users, limits
@pytest.mark.parametrize("unit", OURS)
def test_a_unit_gets_the_keys_of_its_own_purposes_and_no_others(unit: str) -> None:
    own = read_unit(unit)
    role = own.environment.get("NUTSHELLPBX_ROLE", "")
    given = dict(line.split(":", 1) for line in own.all("LoadCredential"))
    folders = {name: path for name, path in given.items() if not name.endswith(".key")}
    assert set(folders) == set(ROLE_PURPOSES.get(role, ()))
    assert set(folders.values()) <= {f"/etc/nutshellpbx/keys/{role}"}
    secret = "secret.key" in given
    assert secret == (role == "web"), "what signs sessions is the web process's alone"
    assert (own.environment.get("NUTSHELLPBX_SECRET_KEY_FILE") == "%d/secret.key") == secret
    marker = own.environment.get("NUTSHELLPBX_MARKER_KEY") == "%d/marker.key"
    assert ("marker.key" in given) == marker == (role in {"web", "worker", "listen"})


def test_each_unit_has_a_user_of_its_own_and_all_share_one_group() -> None:
    users = [read_unit(unit).last("User") for unit in OURS]
    assert users == OURS
    assert {read_unit(unit).last("Group") for unit in OURS} == {"nutshellpbx"}
    declared = (UNITS / "nutshellpbx.sysusers").read_text()
    assert re.findall(r"^u +(\S+) +-:nutshellpbx ", declared, re.MULTILINE) == sorted(
        users, key=declared.index
    )


def test_the_database_s_folder_hands_its_group_on_and_key_folders_are_closed() -> None:
    rows = [
        line.split() for line in (UNITS / "nutshellpbx.tmpfiles").read_text().splitlines() if line[:1] == "d"
    ]
    modes = {row[1]: tuple(row[2:5]) for row in rows}
    assert modes["/var/lib/nutshellpbx"] == ("2770", "root", "nutshellpbx")
    assert {read_unit(unit).last("UMask") for unit in OURS} == {"0007"}
    for role, purposes in ROLE_PURPOSES.items():
        if purposes:
            assert modes[f"/etc/nutshellpbx/keys/{role}"] == ("0700", "root", "root")


@pytest.mark.parametrize("unit", [*OURS, "nginx"])
def test_every_unit_comes_back_by_itself_and_is_bounded(unit: str) -> None:
    own = Unit(UNITS / "nginx.service.d/nutshellpbx.conf") if unit == "nginx" else read_unit(unit)
    assert own.last("Restart") == "always"
    for name in ("RestartSec", "StartLimitIntervalSec", "StartLimitBurst", "MemoryMax", "TasksMax"):
        assert own.last(name), name
    assert own.last("LimitCORE") == "0"
    assert any("time-set.target" in line for line in own.all("After"))


@pytest.mark.parametrize("unit", ["nutshellpbx-web", "nutshellpbx-push"])
def test_web_and_push_may_talk_to_this_machine_only(unit: str) -> None:
    own = read_unit(unit)
    assert (own.all("IPAddressDeny"), own.all("IPAddressAllow")) == (["any"], ["localhost"])


def test_the_target_starts_every_unit_and_stops_them_with_it() -> None:
    wanted = " ".join(Unit(UNITS / "nutshellpbx.target").all("Wants")).split()
    assert set(wanted) == {f"{unit}.service" for unit in OURS} | {"nginx.service"}
    assert {read_unit(unit).last("PartOf") for unit in OURS} == {"nutshellpbx.target"}
