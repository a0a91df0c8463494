"""``onemap serve``: the web server."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from api.cli.context import pass_settings, prepare_database, read_settings, say
from geo.errors import Forbidden, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from layers.settings import Settings

ANNOUNCE_TIMEOUT_S = 120
STOP_TIMEOUT_S = 10
EXIT_INTERRUPTED = 130
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# how the server's processes are told which hosts to answer to; without it, any
HOSTS_KEY = "ONEMAP_SERVE_HOSTS"


def make_app() -> FastAPI:
    """Return the web application of this process's environment; each worker calls it once."""
    from api.app import create_app

    hosts = frozenset(os.environ.get(HOSTS_KEY, "").split())
    return create_app(read_settings(), warm=True, hosts=hosts or None)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that answer.")
@click.option("--allow-open", is_flag=True, help="Allow an address that other machines can reach.")
@pass_settings
def serve(settings: Settings, *, host: str, port: int, workers: int, allow_open: bool) -> None:
    """Serve the map, the tiles and the interface for programs.

    There are no roles yet: whoever reaches the address sees everything. So it listens on this machine only, and answers
    only to this machine's own names, unless --allow-open says that something in front of it keeps strangers out.
    """
    refuse_open_host(host, allow_open=allow_open)
    refuse_busy_port(host, port)
    prepare_database(settings)
    run_server(host, port, workers=workers, hosts=None if allow_open else (*LOOPBACK, host))


def run_server(host: str, port: int, *, workers: int = 1, hosts: Sequence[str] | None = LOOPBACK) -> None:
    """Serve until interrupted; the address is printed once the map answers.

    Parameters
    ----------
    host, port
        Where to listen.
    workers
        Processes that answer.
    hosts
        What a request's Host may be, without the port; None means anything.
    """
    import uvicorn

    tell_hosts(hosts)
    if os.geteuid() == 0:
        say("Warning: serving as root. A user of its own is safer: whoever breaks the server owns the machine.")
    threading.Thread(target=announce, args=(host, port), daemon=True).start()
    # uvicorn lets every request in flight finish and then hands the signal on
    with suppress(KeyboardInterrupt):
        uvicorn.run(
            "api.cli.serve:make_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
    say("Stopped serving. The private database keeps running; `onemap db stop` stops it.")
    raise click.exceptions.Exit(EXIT_INTERRUPTED)


def tell_hosts(hosts: Sequence[str] | None) -> None:
    """Leave word for the processes that will answer, which make the application by themselves."""
    if hosts is None:
        os.environ.pop(HOSTS_KEY, None)
    else:
        os.environ[HOSTS_KEY] = " ".join(name.lower() for name in hosts)


def announce(host: str, port: int) -> None:
    """Print the address as soon as it answers."""
    name = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    url = f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never ask a proxy for ourselves
    end = time.monotonic() + ANNOUNCE_TIMEOUT_S
    while time.monotonic() < end:
        try:
            with opener.open(url, timeout=5):
                say(f"The map is at {url}   (Ctrl-C stops it)")
                return
        except urllib.error.HTTPError as error:
            say(f"The server answers at {url}, but with status {error.code}; `onemap check` finds what is wrong.")
            return
        except OSError:
            time.sleep(0.1)


def refuse_open_host(host: str, *, allow_open: bool) -> None:
    """Raise unless an address is this machine's own or the caller allows others.

    Raises
    ------
    RequestError
        It is no address.
    Forbidden
        Other machines could reach it.
    """
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise RequestError(
            f"--host {host!r} is not an address; expected one such as 127.0.0.1.", parameter="--host"
        ) from None
    if is_loopback:
        return
    if not allow_open:
        raise Forbidden(
            f"Serving on {host} would show everything to whoever reaches this machine: there are no roles yet.",
            hint="Leave --host out, or say --allow-open when something in front of it keeps strangers out.",
            parameter="--host",
        )
    say(f"Warning: serving on {host} without roles; whoever reaches it sees everything.")


def refuse_busy_port(host: str, port: int) -> None:
    """Raise unless a port can be listened on.

    Raises
    ------
    RequestError
        Another program has it, or it needs rights this user lacks.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = {
                errno.EADDRINUSE: "another program uses it",
                errno.EACCES: "ports below 1024 need more rights",
                errno.EADDRNOTAVAIL: "this machine has no such address",
            }.get(error.errno or 0, error.strerror)
            raise RequestError(
                f"Port {port} on {host} cannot be used: {reason}.",
                hint="Choose another with --port.",
                parameter="--port",
            ) from None


commands: list[click.Command] = [serve]
