"""The private PostgreSQL cluster: made, started and stopped from the programs that the system has installed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geo.errors import StoreError
from layers.programs import (
    SUPERUSER,
    Account,
    data_dir,
    explain,
    find_account,
    find_programs,
    hint_for,
    is_made,
    run_program,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from layers.settings import Settings

ROLES = ("onemap_owner", "onemap_writer", "onemap_reader")
# sun_path holds 107 bytes; PostgreSQL adds "/.s.PGSQL.65535.lock" to the folder.
SOCKET_DIR_LENGTH_MAX = 107 - len("/.s.PGSQL.65535.lock")
FREE_BYTES_MIN = 300 * 1024 * 1024
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
SERVER_LOG_BYTES_MAX = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running cluster listens; ``port`` names the socket and is open on loopback too."""

    pid: int
    socket_dir: Path
    port: int


@dataclass(frozen=True, slots=True)
class Status:
    """State of the private cluster.

    Attributes
    ----------
    state
        ``absent``, ``stopped``, ``running`` or ``unclean`` (stopped without a shutdown; the next start repairs it).
    data_dir
        Folder of the data files.
    version
        Major version of the data files, None while absent.
    address
        Where it listens, None unless running.
    """

    state: str
    data_dir: Path
    version: int | None
    address: Address | None


def ensure_running(settings: Settings, *, config: Mapping[str, str] | None = None) -> None:
    """Start the private cluster, making it first where there is none; a foreign database is left alone.

    Parameters
    ----------
    settings
        The installation.
    config
        Lines for PostgreSQL's configuration that win over ours.

    Raises
    ------
    StoreError
        The programs are missing, the folder is closed or full, or the server does not start.
    """
    if settings.is_private and read_address(settings) is None:
        start(settings, config=config)


def start(settings: Settings, *, config: Mapping[str, str] | None = None) -> Address:
    """Start the cluster and return its address; one that runs already is returned as it is."""
    _refuse_foreign(settings)
    account = find_account(settings)
    _make_folders(settings, account)
    with _lock(settings):
        running = read_address(settings)
        if running is not None:
            return running
        programs = find_programs(settings)
        _refuse_full_disk(settings)
        if not is_made(settings):
            _init(settings, account, programs)
        _refuse_stale_pid(settings)
        return _start_server(settings, account, programs, config or {})


def stop(settings: Settings) -> bool:
    """Stop the cluster; return whether it was running.

    Raises
    ------
    StoreError
        It does not stop within a minute.
    """
    _refuse_foreign(settings)
    if read_address(settings) is None:
        return False
    account = find_account(settings)
    with _lock(settings):
        command = [str(find_programs(settings) / "pg_ctl"), "-D", str(data_dir(settings)), "-m", "fast", "-w"]
        done = run_program([*command, "-t", str(STOP_TIMEOUT_S), "stop"], settings, account)
        if done.returncode != 0 and read_address(settings) is not None:
            raise StoreError(f"The private database did not stop: {_last_line(done.stderr or done.stdout)}")
    return True


def read_status(settings: Settings) -> Status:
    """Return whether the private cluster exists and runs."""
    _refuse_foreign(settings)
    folder = data_dir(settings)
    if not is_made(settings):
        return Status("absent", folder, None, None)
    version = int((folder / "PG_VERSION").read_text(encoding="ascii"))
    address = read_address(settings)
    if address is not None:
        return Status("running", folder, version, address)
    return Status("unclean" if (folder / "postmaster.pid").exists() else "stopped", folder, version, None)


def find_address(settings: Settings) -> Address:
    """Return where the running cluster listens.

    Raises
    ------
    StoreError
        It does not run.
    """
    address = read_address(settings)
    if address is None:
        raise StoreError("The private database is not running.", hint="Start it with `onemap db start`.")
    return address


def admin_conninfo(settings: Settings, *, database: str) -> str:
    """Return a libpq address of the running cluster as its superuser."""
    address = find_address(settings)
    return f"host='{address.socket_dir}' port={address.port} user={SUPERUSER} dbname={database} connect_timeout=5"


def read_address(settings: Settings) -> Address | None:
    """Return where the cluster listens, or None when it does not run.

    ``postmaster.pid`` outlives a crash, and after a restart of the machine its number may belong to any process;
    so the process must be a PostgreSQL server whose working folder is ours.
    """
    lines = _read_pid_file(settings)
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None
    pid = int(lines[0])
    if not _is_postmaster(pid, data_dir(settings)):
        return None
    return Address(pid, Path(lines[4]), int(lines[3]))


def _read_pid_file(settings: Settings) -> list[str]:
    try:
        return (data_dir(settings) / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        is_made(settings)
        return []


def _is_postmaster(pid: int, folder: Path) -> bool:
    try:
        program = Path(f"/proc/{pid}/comm").read_text(encoding="ascii", errors="replace").strip()
        if program not in {"postgres", "postmaster"}:
            return False
        return Path(f"/proc/{pid}/cwd").resolve() == folder.resolve()
    except PermissionError:
        # another user's server: only root and the user itself may look; being there is enough to leave it alone
        return True
    except OSError:
        return False


def _refuse_foreign(settings: Settings) -> None:
    if not settings.is_private:
        raise StoreError(
            "DATABASE_URL names a database of your own, which onemap neither starts nor stops.",
            hint="Unset DATABASE_URL to use the private database.",
        )


def _make_folders(settings: Settings, account: Account) -> None:
    """Make the home and PostgreSQL's folder in it; the latter belongs to its user alone."""
    try:
        settings.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        settings.pg_dir.mkdir(mode=0o700, exist_ok=True)
        if account.uid is not None and settings.pg_dir.stat().st_uid == 0:
            os.chown(settings.pg_dir, account.uid, account.gid or 0)
    except OSError as error:
        raise StoreError(
            f"The folder {settings.home} cannot be made: {error.strerror}.",
            hint="Set ONEMAP_HOME to a folder you may write to.",
        ) from None
    if account.uid is not None:
        _open_passage(settings, account)


def _open_passage(settings: Settings, account: Account) -> None:
    """Let the stepped-down user pass through a closed home, by its group and no further."""
    if _may_pass(settings.home, account):
        return
    if settings.home.stat().st_uid == 0 and _may_pass(settings.home.parent, account):
        os.chown(settings.home, -1, account.gid or 0)
        settings.home.chmod((settings.home.stat().st_mode & 0o7777) | 0o010)
        return
    raise StoreError(
        f"PostgreSQL runs as the user {account.name}, who may not pass through {settings.home.parent}.",
        hint="Set ONEMAP_HOME to a folder outside, for example /var/lib/onemap.",
    )


def _may_pass(folder: Path, account: Account) -> bool:
    done = subprocess.run(  # noqa: S603
        ["/usr/bin/test", "-x", folder], user=account.uid, group=account.gid, extra_groups=[], cwd="/", check=False
    )
    return done.returncode == 0


def _refuse_full_disk(settings: Settings) -> None:
    free = shutil.disk_usage(settings.pg_dir).free
    if free < FREE_BYTES_MIN:
        raise StoreError(
            f"The disk that holds {settings.home} has {free // 1024**2} MiB free,"
            f" needed are {FREE_BYTES_MIN // 1024**2}.",
            hint="Free space there, or set ONEMAP_HOME to a folder on another disk. Nothing was changed.",
        )


def _refuse_stale_pid(settings: Settings) -> None:
    """Remove a pid file whose process is gone or is something else; refuse one of a server we cannot use."""
    lines = _read_pid_file(settings)
    if not lines:
        return
    pid = int(lines[0]) if lines[0].strip().isdigit() else 0
    if pid and _is_postmaster(pid, data_dir(settings)):
        raise StoreError(
            f"Another PostgreSQL server (process {pid}) holds the private database and is not ready.",
            hint="Wait until it has started or stopped, then repeat; `onemap db status` shows it.",
        )
    (data_dir(settings) / "postmaster.pid").unlink(missing_ok=True)


def _init(settings: Settings, account: Account, programs: Path) -> None:
    """Make the data files beside their place and move them there when whole."""
    for left_over in settings.pg_dir.glob("data.new-*"):
        shutil.rmtree(left_over)
    if data_dir(settings).exists():
        raise StoreError(
            f"The folder {data_dir(settings)} exists but holds no database.",
            hint="Move it away, or set ONEMAP_HOME to another folder.",
        )
    new = settings.pg_dir / f"data.new-{os.getpid()}"
    command = [str(programs / "initdb"), "-D", str(new), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C.UTF-8"]
    command += ["--data-checksums", "--auth-local=peer", "--auth-host=scram-sha-256"]
    done = run_program(command, settings, account)
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise StoreError(f"The private database cannot be made: {explain(done.stderr)}", hint=hint_for(done.stderr))
    with (new / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\ninclude_if_exists = 'onemap.conf'  # written by onemap at every start\n")
    new.rename(data_dir(settings))


def _start_server(settings: Settings, account: Account, programs: Path, config: Mapping[str, str]) -> Address:
    folder = find_socket_dir(settings)
    _make_socket_dir(folder, account)
    _write_config(settings, account, config)
    log = settings.pg_dir / "server.log"
    if log.exists() and log.stat().st_size > SERVER_LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    text = ""
    for attempt in range(5):
        seen = log.stat().st_size if log.exists() else 0
        port = _choose_port(settings, fresh=attempt > 0)
        command = [str(programs / "pg_ctl"), "-D", str(data_dir(settings)), "-l", str(log), "-w"]
        command += ["-t", str(START_TIMEOUT_S)]
        done = run_program([*command, "-o", f"-p {port} -k '{folder}'", "start"], settings, account)
        address = read_address(settings)
        if done.returncode == 0 and address is not None:
            _save_port(settings, account, port)
            return address
        text = (log.read_bytes()[seen:] if log.exists() else b"").decode("utf-8", "replace") or done.stderr
        if "still in use" in text:
            time.sleep(1.0)  # children of a killed server need a moment to notice
        elif "could not bind" not in text and "could not create any TCP/IP sockets" not in text:
            break
    raise StoreError(f"The private database does not start: {explain(text)}", hint=hint_for(text))


def find_socket_dir(settings: Settings) -> Path:
    """Return the folder of the socket: beside the data where the path is short enough, else one under /tmp."""
    folder = settings.pg_dir.resolve() / "run"
    if len(os.fsencode(folder)) <= SOCKET_DIR_LENGTH_MAX and "'" not in str(folder):
        return folder
    digest = hashlib.sha256(os.fsencode(settings.pg_dir.resolve())).hexdigest()[:12]
    return Path("/tmp") / f"onemap-{os.geteuid()}-{digest}"  # noqa: S108 - its owner is checked before use


def _make_socket_dir(folder: Path, account: Account) -> None:
    owner = os.geteuid() if account.uid is None else account.uid
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account.uid is not None:
            os.chown(folder, account.uid, account.gid or 0, follow_symlinks=False)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != owner:
        raise StoreError(f"The socket folder {folder} belongs to another user.", hint="Remove it, then repeat.")
    # no server runs here any more; PostgreSQL would keep away from locks whose process number lives on as another's
    for left_over in folder.glob(".s.PGSQL.*"):
        left_over.unlink(missing_ok=True)


def _choose_port(settings: Settings, *, fresh: bool) -> int:
    """Return the port used last while it is free, else one the system has free."""
    saved = settings.pg_dir / "port"
    wanted = int(saved.read_text(encoding="ascii")) if saved.is_file() and not fresh else 0
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise StoreError("No port on 127.0.0.1 is free for the private database.")


def _save_port(settings: Settings, account: Account, port: int) -> None:
    _write(settings.pg_dir / "port", f"{port}\n", account)


def _write_config(settings: Settings, account: Account, config: Mapping[str, str]) -> None:
    folder = data_dir(settings)
    lines = [f"{key} = '{value}'" for key, value in (tune() | dict(config)).items()]
    _write(folder / "onemap.conf", "\n".join(lines) + "\n", account)
    hba = [
        "local all all peer map=onemap",
        "host all all 127.0.0.1/32 scram-sha-256",
        "host all all ::1/128 scram-sha-256",
    ]
    _write(folder / "pg_hba.conf", "\n".join(hba) + "\n", account)
    caller = pwd.getpwuid(os.geteuid()).pw_name
    users = dict.fromkeys((caller, account.name))
    names = [f'onemap "{user}" {role}' for user in users for role in (SUPERUSER, *ROLES)]
    _write(folder / "pg_ident.conf", "\n".join(names) + "\n", account)


def tune() -> dict[str, str]:
    """Return PostgreSQL settings fit for this machine: a quarter of its memory at most, two gigabytes at most."""
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    cores = os.cpu_count() or 1
    return {
        "listen_addresses": "127.0.0.1",
        "password_encryption": "scram-sha-256",
        "max_connections": "100",
        "shared_buffers": f"{max(32, min(memory_mib // 8, 2048))}MB",
        "effective_cache_size": f"{max(64, memory_mib // 2)}MB",
        "work_mem": f"{max(4, min(memory_mib // 500, 64))}MB",
        "maintenance_work_mem": f"{max(32, min(memory_mib // 32, 1024))}MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "wal_compression": "on",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "100",
        "jit": "off",  # compiles for longer than most of our statements run
        "max_parallel_workers_per_gather": str(max(0, min(cores - 1, 4))),
        "max_parallel_maintenance_workers": str(max(0, min(cores - 1, 4))),
        "client_connection_check_interval": "1s",  # client gone: its query is cancelled
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "warning",
        "log_line_prefix": "%m [%p] %u@%d ",
    }


def _write(path: Path, text: str, account: Account) -> None:
    """Replace a file of PostgreSQL's user in one step."""
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(new, flags, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(text)
        if account.uid is not None:
            os.fchown(file.fileno(), account.uid, account.gid or 0)
    new.replace(path)


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """Let one process at a time make, start or stop the cluster."""
    with (settings.home / ".cluster.lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
