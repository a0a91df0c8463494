"""The PostgreSQL programs the system has installed, and the user they run as."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layers.settings import Settings

SUPERUSER = "postgres"
VERSION_MIN = 14
INSTALL_HINT = (
    "Install them, on Debian: apt-get install postgresql-15 postgresql-15-postgis-3 (`./onemap` does it where it may),"
    " or set DATABASE_URL to a database of your own."
)


@dataclass(frozen=True, slots=True)
class Account:
    """The system user PostgreSQL runs as; ``uid`` None means the caller."""

    name: str
    uid: int | None
    gid: int | None


def data_dir(settings: Settings) -> Path:
    """Return the folder of the data files."""
    return settings.pg_dir / "data"


def is_made(settings: Settings) -> bool:
    """Return whether the cluster has been made; a half-made one never gets this name."""
    try:
        return (data_dir(settings) / "PG_VERSION").is_file()
    except PermissionError:
        raise StoreError(
            f"The folder {settings.pg_dir} belongs to another user.",
            hint="Run as the user who made it, or set ONEMAP_HOME to a folder of your own.",
        ) from None


def find_account(settings: Settings) -> Account:
    """Return the user PostgreSQL runs as: the caller, or for root the owner of the folder, else ``postgres``.

    Raises
    ------
    StoreError
        The caller is root and there is no user to step down to.
    """
    if os.geteuid() != 0:
        return Account(pwd.getpwuid(os.geteuid()).pw_name, None, None)
    with suppress(FileNotFoundError, NotADirectoryError):
        owner = settings.pg_dir.stat().st_uid
        if owner != 0:
            entry = pwd.getpwuid(owner)
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    try:
        entry = pwd.getpwnam(SUPERUSER)
    except KeyError:
        raise StoreError(
            "PostgreSQL refuses to run as root and there is no system user postgres to step down to.",
            hint="Install PostgreSQL from the distribution's packages, which make that user, or run as another user.",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def find_programs(settings: Settings) -> Path:
    """Return the folder of the PostgreSQL programs that fit the data files and have PostGIS beside them.

    Raises
    ------
    StoreError
        None is installed, or none of the version the data files were made with.
    """
    needed = None
    if is_made(settings):
        needed = int((data_dir(settings) / "PG_VERSION").read_text(encoding="ascii"))
    found: dict[int, Path] = {}
    for folder in _list_program_folders(settings):
        version = _read_version(folder)
        if version is not None:
            found.setdefault(version, folder)
    if needed is not None:
        if needed not in found:
            raise StoreError(
                f"The private database was made by PostgreSQL {needed}, which is not installed"
                f" (found: {', '.join(map(str, sorted(found))) or 'none'}).",
                hint=f"Install postgresql-{needed} and its PostGIS, or move to the new version by"
                " `onemap db backup` there and `onemap db restore` here.",
            )
        return found[needed]
    usable = {version: folder for version, folder in found.items() if version >= VERSION_MIN}
    with_postgis = {version: folder for version, folder in usable.items() if has_postgis(folder)}
    if with_postgis:
        return with_postgis[max(with_postgis)]
    missing = "PostGIS for PostgreSQL" if usable else "The programs of PostgreSQL 14 or newer"
    raise StoreError(
        f"{missing} are not installed." if not usable else f"{missing} is not installed.", hint=INSTALL_HINT
    )


def has_postgis(programs: Path) -> bool:
    """Return whether the extension PostGIS is installed beside a server."""
    done = subprocess.run([programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)  # noqa: S603
    return (Path(done.stdout.strip() or "/nowhere") / "extension" / "postgis.control").is_file()


def _list_program_folders(settings: Settings) -> list[Path]:
    if settings.pg_bin is not None:
        return [settings.pg_bin]
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += sorted(Path("/usr").glob("pgsql-*/bin"), reverse=True)
    initdb = shutil.which("initdb")
    if initdb is not None:
        folders.append(Path(initdb).resolve().parent)
    return folders


def _read_version(folder: Path) -> int | None:
    if not all(os.access(folder / name, os.X_OK) for name in ("initdb", "pg_ctl", "postgres", "pg_config")):
        return None
    done = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    match = re.search(r"(\d+)(?:\.|devel|beta|rc)", done.stdout)
    return int(match.group(1)) if match else None


def run_program(command: Sequence[str], settings: Settings, account: Account) -> subprocess.CompletedProcess[str]:
    """Run a PostgreSQL program as its user, in its folder, with nothing of the caller's environment."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(settings.pg_dir), "TZ": "UTC"}
    return subprocess.run(  # noqa: S603
        list(command),
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
        cwd=settings.pg_dir,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,  # Ctrl-C in the terminal is for us, not for the server
        umask=0o077,
    )


def explain(text: str) -> str:
    """Return the line of PostgreSQL's output that names the cause."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any("contains errors" in line for line in lines):  # then the line before it names the setting
        lines = [line.replace("LOG:", "FATAL:", 1) for line in lines]
    for mark in ("FATAL:", "PANIC:", "ERROR:", "error:", "could not"):
        for line in lines:
            if mark in line:
                return line.split(mark, 1)[1].strip() if mark != "could not" else line
    return lines[-1] if lines else "it said nothing"


def hint_for(text: str) -> str:
    """Return the next step after PostgreSQL's complaint."""
    if "No space left" in text or "Disk quota" in text:
        return "The disk is full: free space there, or set ONEMAP_HOME to a folder on another disk."
    if "Permission denied" in text:
        return "The folder is closed to PostgreSQL's user; set ONEMAP_HOME to another folder."
    return "The file pg/server.log under ONEMAP_HOME says more."
