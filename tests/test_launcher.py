"""The launcher `./onemap`, on machines made of stand-in programs: what it asks for, does, and leaves alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# what every Debian has; anything else a test puts there itself
BASICS = (
    *("sh", "cat", "chmod", "cp", "cut", "dirname", "env", "find", "flock", "grep", "head", "id", "mkdir", "mktemp"),
    *("readlink", "rm", "sed", "sha256sum", "sort", "tail", "tee", "test", "touch", "true"),
)
# with it nothing is asked about PostgreSQL, which the machine that runs the tests may have or not
OWN_DATABASE = {"DATABASE_URL": "postgresql://somewhere/city"}


@dataclass(frozen=True)
class Machine:
    """A clone and a folder of programs; ``log`` holds every stand-in that was called."""

    clone: Path
    programs: Path
    log: Path

    def put(self, name: str, script: str = "exit 0", *, folder: Path | None = None) -> Path:
        """Put a stand-in program there that notes its call first."""
        path = (folder or self.programs) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{script}\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    def put_python(self, *, can_venv: bool = True) -> None:
        """Put a Python 3.11 there whose virtual environments hold stand-ins too."""
        parts = self.programs.parent / "parts"
        self.put("installed-onemap", 'echo "onemap $* in $PWD"', folder=parts)
        install = f"""case "$*" in *pip*--editable*)
            cp {parts}/installed-onemap "$(dirname "$0")/onemap"
            mkdir -p "$CLONE/maps/static" && touch "$CLONE/maps/static/index.html" ;;
        esac"""
        self.put("venv-python", install, folder=parts)
        body = f"""case "$*" in
            *ensurepip*) exit {0 if can_venv else 1} ;;
            *"-m venv"*) for last; do :; done; mkdir -p "$last/bin" && cp {parts}/venv-python "$last/bin/python" ;;
        esac"""
        self.put("python3.11", body)

    def run(
        self, *arguments: str, cwd: Path | None = None, extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the launcher on this machine as a plain user."""
        environment = {
            "PATH": str(self.programs),
            "HOME": str(self.clone),
            "CLONE": str(self.clone),
            **(OWN_DATABASE if extra is None else extra),
        }
        return subprocess.run(
            [str(self.clone / "onemap"), *arguments],
            cwd=cwd or self.clone,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """Return the calls so far and forget them."""
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        self.log.unlink(missing_ok=True)
        return text.splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with a clone, the basic programs, no Python and no right to install."""
    clone, programs = tmp_path / "clone of mine", tmp_path / "programs"
    (clone / "maps" / "web").mkdir(parents=True)
    (clone / "maps" / "web" / "main.ts").write_text("1", encoding="utf-8")
    programs.mkdir()
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock", "pyproject.toml"):
        (clone / name).write_text(name, encoding="utf-8")
    shutil.copy(ROOT / "onemap", clone / "onemap")
    for name in BASICS:
        found = shutil.which(name)
        if found is not None:
            (programs / name).symlink_to(found)
    made = Machine(clone, programs, tmp_path / "log")
    made.put("id", 'case "$1" in -un) echo li ;; *) echo 1000 ;; esac')
    made.put("apt-get")
    made.log.unlink(missing_ok=True)
    return made


def test_without_the_right_to_install_it_says_exactly_what_to_run(machine: Machine) -> None:
    done = machine.run("demo", extra={})
    assert done.returncode == 2
    assert "sudo apt-get update" in done.stderr
    assert "python3 python3-venv" in done.stderr
    assert "Nothing was changed" in done.stderr
    assert "apt-get" not in " ".join(machine.calls())
    assert not (machine.clone / ".venv").exists()


def test_only_what_is_missing_is_asked_for(machine: Machine) -> None:
    machine.put_python(can_venv=False)
    done = machine.run("demo")
    line = next(line for line in done.stderr.splitlines() if "apt-get install" in line)
    assert line.split("--no-install-recommends ")[1] == "python3-venv"
    assert "createcluster" not in done.stderr


def test_sudo_is_used_where_it_asks_nothing(machine: Machine) -> None:
    machine.put("sudo", 'shift; exec "$@"')
    done = machine.run("demo")
    calls = [call for call in machine.calls() if call.startswith("apt-get")]
    assert "update" in calls[0], done.stderr
    assert calls[1].endswith("install -y --no-install-recommends python3 python3-venv")
    assert "installing with apt-get: python3 python3-venv" in done.stderr


def test_a_failing_package_manager_stops_it_with_its_words(machine: Machine) -> None:
    machine.put("sudo", 'shift; exec "$@"')
    machine.put("apt-get", "echo 'no route to the mirror' >&2; exit 100")
    done = machine.run("demo")
    assert done.returncode == 2
    assert "no route to the mirror" in done.stderr


def test_first_use_installs_and_hands_over(machine: Machine, tmp_path: Path) -> None:
    machine.put_python()
    done = machine.run("gaps", "run", "--name", "my run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"onemap gaps run --name my run in {tmp_path}\n"
    calls = [call for call in machine.calls() if call.startswith("venv-python")]
    assert "--require-hashes" in calls[0]
    assert calls[0].endswith("requirements.lock")
    assert "--no-deps --no-build-isolation --editable" in calls[1]
    assert len(calls) == 2


def test_the_second_start_runs_nothing_but_the_command(machine: Machine) -> None:
    machine.put_python()
    machine.run("layers")
    machine.calls()
    done = machine.run("layers")
    assert done.stdout.startswith("onemap layers")
    assert machine.calls() == ["installed-onemap layers"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("changed", "packages"),
    [
        ("requirements.lock", True),
        ("requirements-bench.lock", True),
        ("pyproject.toml", True),
        ("maps/web/main.ts", False),
    ],
)
def test_a_change_is_installed_once(machine: Machine, changed: str, packages: bool) -> None:
    machine.put_python()
    machine.run("layers")
    machine.calls()
    (machine.clone / changed).write_text("changed", encoding="utf-8")
    machine.run("layers")
    calls = " ".join(machine.calls())
    assert ("--require-hashes" in calls) == packages
    assert "--editable" in calls
    machine.run("layers")
    assert machine.calls() == ["installed-onemap layers"]


def test_the_tests_need_more_and_runtime_is_part_of_it(machine: Machine) -> None:
    machine.put_python()
    machine.put("chromium")
    machine.run("layers")
    machine.calls()
    machine.run("test", "-k", "reach", extra={**OWN_DATABASE, "ONEMAP_TEST_DATABASE_URL": "postgresql://x/y_test"})
    calls = [call for call in machine.calls() if call.startswith("venv-python")]
    if calls:  # without the fonts it stops before
        assert any(call.endswith("requirements-dev.lock") for call in calls)
        assert calls[-1] == "venv-python -m tests.house -k reach"
        machine.run("layers")
        assert machine.calls() == ["installed-onemap layers"]


def test_the_benchmarks_need_the_tests_and_their_peers(machine: Machine) -> None:
    machine.put_python()
    machine.run("bench", "--json", "nearest")
    calls = [call for call in machine.calls() if call.startswith("venv-python")]
    locks = [call.rsplit("/", 1)[1] for call in calls if "--require-hashes" in call]
    assert locks == ["requirements-dev.lock", "requirements-bench.lock"]
    assert calls[-1] == "venv-python -m tests.bench --json nearest"
    machine.run("bench")
    assert machine.calls()[1:] == ["venv-python -m tests.bench"]
    machine.run("layers")
    assert machine.calls() == ["installed-onemap layers"]


def test_a_peer_that_cannot_be_installed_is_left_out(machine: Machine) -> None:
    machine.put_python()
    pins = "numpy==2.0 \\\n    --hash=sha256:1\npandana==0.8 ; python_version < '3.12' \\\n    --hash=sha256:2\n"
    (machine.clone / "requirements-bench.lock").write_text(pins, encoding="utf-8")
    extra = 'bench = [\n  "igraph>=1.0",\n  "pandana>=0.8",\n]\n'
    (machine.clone / "pyproject.toml").write_text(extra, encoding="utf-8")
    python = machine.programs.parent / "parts" / "venv-python"
    refuse = 'case "$*" in *requirements-bench.lock | *" pandana") exit 1 ;; esac\n'
    lines = python.read_text(encoding="utf-8").split("\n", 2)
    python.write_text("\n".join([*lines[:2], refuse + lines[2]]), encoding="utf-8")
    done = machine.run("bench")
    assert done.returncode == 0, done.stderr
    assert "pandana cannot be installed here; it is left out" in done.stderr
    assert "igraph cannot" not in done.stderr
    calls = [call for call in machine.calls() if "-c /" in call]
    assert [call.rsplit(" ", 1)[1] for call in calls] == ["igraph", "pandana"]
    machine.run("bench")
    assert machine.calls()[1:] == ["venv-python -m tests.bench"]


def test_an_interrupted_installation_is_taken_up_again(machine: Machine) -> None:
    machine.put_python()
    machine.run("layers")
    (machine.clone / ".venv" / ".onemap-python").unlink()
    machine.calls()
    machine.run("layers")
    assert "--require-hashes" in " ".join(machine.calls())


def test_a_broken_environment_is_made_anew(machine: Machine) -> None:
    machine.put_python()
    machine.put("python", "exit 1", folder=machine.clone / ".venv" / "bin")
    done = machine.run("layers")
    assert "broken; making it anew" in done.stderr
    assert done.stdout.startswith("onemap layers")


def test_another_place_for_the_environment(machine: Machine, tmp_path: Path) -> None:
    machine.put_python()
    machine.run("layers", extra={**OWN_DATABASE, "ONEMAP_VENV": str(tmp_path / "elsewhere")})
    assert (tmp_path / "elsewhere" / "bin" / "onemap").exists()
    assert not (machine.clone / ".venv").exists()


def test_exit_codes_pass_through(machine: Machine) -> None:
    machine.put_python()
    machine.run("layers")
    program = machine.clone / ".venv" / "bin" / "onemap"
    program.write_text("#!/bin/sh\nexit 4\n", encoding="utf-8")
    assert machine.run("gaps", "list").returncode == 4


def test_it_is_plain_shell() -> None:
    assert os.access(ROOT / "onemap", os.X_OK)
    assert (ROOT / "onemap").read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", ROOT / "onemap"], check=True)
