"""A run computed on a Dask cluster: parts are tasks, whoever is free takes the next, a lost worker's part is repeated.

Dask is an optional extra and no cluster code of our own. What travels is plain: settings without passwords, boxes and
arrays. Every worker opens its own connection to the database and reads the one state the run began with.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyproj

from geo.errors import Conflict, NotReady, RequestError
from layers import cluster
from layers.bundle import make_key
from layers.catalog import read_pack, read_profiles
from layers.parts.run import FolderState, PartTask, run_in_parts, run_part
from layers.runs.key import hash_code
from layers.runs.store import describe_engine, find_code_version
from layers.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from distributed import Client
    from sqlalchemy import Engine

    from layers.parts.compute import PartResult
    from layers.runs.result import GapRequest, RunSummary

INSTALL_HINT = "pip install 'onemap[dask]'"
LOCAL = "local"
SCHEMES = ("tcp://", "tls://", "ws://", "wss://", "ucx://")
CONNECT_TIMEOUT_S = 10
WORKER_TIMEOUT_S = 30
MAX_LOCAL_WORKERS = 256


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """One part as it is sent to a worker.

    Attributes
    ----------
    part
        What to compute; its settings name no foreign database, for the address may hold a password.
    has_own_database
        Whether the worker is to take the database of its own environment.
    city_file
        Name and content of the table that overrides the pack, if there is one.
    code
        The code that must run there.
    """

    part: PartTask
    has_own_database: bool
    city_file: tuple[str, bytes] | None
    code: dict[str, str]


def read_target(address: str) -> int | None:
    """Return how many workers to start on this machine, None for a cluster that runs elsewhere.

    Parameters
    ----------
    address
        ``local``, ``local:4`` or the address of a scheduler such as ``tcp://10.0.0.7:8786``.

    Raises
    ------
    RequestError
        It is none of these.
    """
    if address.startswith(SCHEMES):
        return None
    word, _, count = address.partition(":")
    workers = int(count) if count.isascii() and count.isdigit() else (os.cpu_count() or 1 if address == LOCAL else 0)
    if word != LOCAL or not 1 <= workers <= MAX_LOCAL_WORKERS:
        raise RequestError(
            f"finding a Dask cluster at {address[:80]!r}: expected local, local:N with N from 1 to "
            f"{MAX_LOCAL_WORKERS}, or the address of a scheduler",
            hint="for example --dask local:4 or --dask tcp://10.0.0.7:8786",
            parameter="dask",
        )
    return workers


@lru_cache(maxsize=1)
def describe_code() -> dict[str, str]:
    """Return what decides the bytes of an answer: our sources and the libraries that compute."""
    return {
        **describe_engine(),
        "onemap": find_code_version(),
        "sources": hash_code()[:16],
        "tables": make_key({"pack": repr(read_pack()), "profiles": repr(read_profiles())}),
        "proj": pyproj.proj_version_str,
        "machine": platform.machine(),
    }


def check_code(expected: Mapping[str, str], found: Mapping[str, str], place: str) -> None:
    """Refuse a worker that runs other code, for its figures might differ.

    Parameters
    ----------
    expected, found
        As :func:`describe_code` gives them here and there.
    place
        Where `found` comes from.

    Raises
    ------
    Conflict
        They differ.
    """
    other = [
        f"{name} {found.get(name, 'none')} instead of {value}"
        for name, value in expected.items()
        if found.get(name) != value
    ]
    if other:
        raise Conflict(
            f"computing on Dask: the worker {place} runs other code: {'; '.join(other)}",
            hint="install the same version of onemap and its libraries on every machine",
        )


def run_remote(task: RemoteTask) -> PartResult:
    """Return one part computed on a worker; safe to repeat, for it only reads.

    Parameters
    ----------
    task
        What to compute.

    Raises
    ------
    Conflict
        This worker runs other code, or sees another state of the store.
    NotReady
        This worker does not know the database.
    """
    place = socket.gethostname()
    check_code(task.code, describe_code(), place)
    settings = task.part.settings
    if isinstance(task.part.state, FolderState):
        pass
    elif task.has_own_database:
        own = Settings.from_environment(os.environ)
        if own.database_url is None:
            raise NotReady(
                f"computing on Dask: the worker on {place} has no DATABASE_URL",
                hint="set it in the environment of every worker; it is not sent, because it may hold a password",
            )
        settings = replace(settings, database_url=own.database_url, database_url_read=own.database_url_read)
    elif cluster.read_address(settings) is None:
        raise NotReady(
            f"computing on Dask: the worker on {place} cannot see the private database under ONEMAP_HOME",
            hint="workers on other machines need a database they can reach: set DATABASE_URL here and there",
        )
    with tempfile.TemporaryDirectory(prefix="onemap-dask-") as folder:
        if task.city_file is not None:
            name, content = task.city_file
            path = Path(folder) / name
            path.write_bytes(content)
            settings = replace(settings, city_file=path)
        return run_part(replace(task.part, settings=settings))


@contextmanager
def open_client(address: str, settings: Settings) -> Iterator[Client]:
    """Lend a client of the cluster at an address; workers of this machine live as long as it is lent.

    Parameters
    ----------
    address
        As in :func:`read_target`.
    settings
        The database, for workers of this machine.

    Raises
    ------
    NotReady
        Dask is not installed, the scheduler does not answer, or it has no workers.
    RequestError
        The address cannot be read.
    """
    workers = read_target(address)
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise NotReady(
            f"computing on Dask: the package {error.name or 'distributed'} is not installed", hint=INSTALL_HINT
        ) from error
    if workers is None:
        with _connect(Client, address) as client:
            yield client
        return
    own = {"DATABASE_URL": settings.database_url, "DATABASE_URL_READ": settings.database_url_read}
    with (
        tempfile.TemporaryDirectory(prefix="onemap-dask-") as folder,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # no pages; what is left of the HTTP server listens on a free port of this machine alone
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            worker_dashboard_address=None,
            local_directory=folder,
            silence_logs=logging.CRITICAL,
            env={name: value for name, value in own.items() if value},
        ) as here,
        Client(here) as client,
    ):
        yield client


async def _greet(address: str) -> None:
    """Make sure that a Dask scheduler answers: its client waits for ever for a server that keeps silent."""
    from distributed.core import connect

    comm = await asyncio.wait_for(connect(address, timeout=CONNECT_TIMEOUT_S), CONNECT_TIMEOUT_S)
    comm.abort()


@contextmanager
def _connect(kind: type[Client], address: str) -> Iterator[Client]:
    try:
        asyncio.run(_greet(address))
        client = kind(address, timeout=CONNECT_TIMEOUT_S)
    except (OSError, ValueError, ImportError) as error:
        raise NotReady(
            f"computing on Dask: the scheduler at {address[:80]} did not answer within {CONNECT_TIMEOUT_S} s",
            hint="check the address and that `dask scheduler` runs there; --dask local uses this machine",
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_TIMEOUT_S)
        except TimeoutError as error:
            raise NotReady(
                f"computing on Dask: the scheduler at {address[:80]} has had no workers for {WORKER_TIMEOUT_S} s",
                hint=f"start some: dask worker {address[:80]}",
            ) from error
        yield client


def check_workers(client: Client) -> int:
    """Return how many parts the cluster computes at the same time, after comparing the code of all its workers.

    Parameters
    ----------
    client
        An open client.

    Raises
    ------
    Conflict
        A worker runs other code.
    """
    for place, found in client.run(describe_code, on_error="return").items():
        if isinstance(found, BaseException):
            raise Conflict(
                f"computing on Dask: the worker {place} runs other code or none: {type(found).__name__}",
                hint="install the same version of onemap and its libraries on every machine",
            ) from found
        check_code(describe_code(), found, place)
    threads: dict[str, int] = client.nthreads()
    return max(sum(threads.values()), 1)


def compute_on(client: Client, settings: Settings) -> Callable[[Sequence[PartTask]], Iterator[tuple[int, PartResult]]]:
    """Return a function that computes parts on a cluster; see :data:`layers.parts.run.Compute`.

    Parameters
    ----------
    client
        An open client.
    settings
        The database.
    """

    def compute(tasks: Sequence[PartTask]) -> Iterator[tuple[int, PartResult]]:
        from distributed import KilledWorker, as_completed

        bare = replace(settings, database_url=None, database_url_read=None)
        code = describe_code()
        city = settings.city_file
        city_file = None if city is None else (city.name, city.read_bytes())
        remote = [RemoteTask(replace(task, settings=bare), not settings.is_private, city_file, code) for task in tasks]
        futures = client.map(run_remote, remote, pure=False)
        number = {future.key: place for place, future in enumerate(futures)}
        try:
            for future in as_completed(futures):
                yield number[future.key], future.result()
                future.release()
        except KilledWorker as error:
            raise NotReady(
                "computing on Dask: workers died again and again while they computed the same part",
                hint="give each worker more memory, or cut into more parts: --parts N",
            ) from error
        finally:
            client.cancel(futures)

    return compute


def run_on_dask(  # noqa: PLR0913 - where, what, how many, by whom, and who watches
    engine: Engine,
    settings: Settings,
    request: GapRequest,
    *,
    address: str,
    parts: int | None = None,
    progress: Callable[[float, str], None] | None = None,
    may_repeat: bool = True,
) -> RunSummary:
    """Compute a gap run on a Dask cluster and store its result, equal to the last bit to that of one machine.

    Parameters
    ----------
    engine
        The database, as a role that may write.
    settings
        The database, link distances and the city file.
    request
        What to judge.
    address
        ``local``, ``local:N`` or the address of a scheduler.
    parts
        Into how many parts to cut; None chooses by buildings and workers.
    progress
        Called with the share done and what is being done.
    may_repeat
        Whether a stored result of the same question may be shared.

    Raises
    ------
    NotReady
        Dask is not installed, the cluster cannot be reached, or nothing is loaded.
    Conflict
        A worker runs other code or saw another state of the store.
    """
    with open_client(address, settings) as client:
        workers = check_workers(client)
        return run_in_parts(
            engine,
            settings,
            request,
            parts=parts,
            compute=compute_on(client, settings),
            workers=workers,
            progress=progress,
            may_repeat=may_repeat,
        )
