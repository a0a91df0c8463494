"""The command line: ``onemap COMMAND``. Commands parse and sequence; the work is done in the packages."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import traceback
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from geo.errors import DataError, OneMapError
from layers.plain_text import escape_control

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_BUG = 1
EXIT_INPUT = 2
EXIT_INTERRUPTED = 130

# name -> module under api.cli, one line of help. Kept here so that `--help` imports nothing heavy.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Make a sample city, find its gaps and show them on the map."),
    "load": ("load", "Load a file into a layer: buildings, facilities, streets and more."),
    "layers": ("layers", "List what is loaded."),
    "quarantine": ("layers", "List or save the rows a load rejected, with reasons."),
    "gaps": ("gaps", "Find who lives farther than a walk from each kind of facility."),
    "scenario": ("scenarios", "Try out facilities, streets, gates and paths that are not there yet."),
    "circle": ("maps", "Draw what can be reached from one place within some minutes."),
    "map": ("maps", "Save one page with a map, to share."),
    "standards": ("standards", "Show the standards pack and check a city's changes to it."),
    "serve": ("serve", "Serve the map, the tiles and the interface for programs."),
    "db": ("db", "Start, stop, back up and restore the database."),
    "check": ("check", "Find what is wrong with this installation and say what to do."),
}

EPILOG = """\b
First steps:
  onemap demo                              everything at once, with an invented city
  onemap load streets streets.gpkg         your own streets ...
  onemap load buildings housing.shp        ... buildings, with people in them ...
  onemap load facilities points.csv        ... and facilities
  onemap gaps run                          who has what within a walk
  onemap serve                             look at it

\b
Settings come from the environment: DATABASE_URL, DATABASE_URL_READ, ONEMAP_HOME and others;
`onemap check` shows them. Exit codes: 0 done, 1 a bug, 2 bad input or data (nothing changed),
3 database not reachable, 4 not ready yet, 130 interrupted.
"""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order they are taught."""
        return [name for name, (module, _) in COMMANDS.items() if find_spec(f"api.cli.{module}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command, importing its module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"api.cli.{COMMANDS[cmd_name][0]}")
        commands: list[click.Command] = module.commands
        return next(command for command in commands if command.name == cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def read_version() -> str:
    """Return the version of the installed product."""
    try:
        return version("onemap")
    except PackageNotFoundError:
        return "not installed"


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, epilog=EPILOG
)
@click.version_option(read_version(), "--version", prog_name="onemap")
def cli() -> None:
    """Show who has no school, clinic or shelter within a 15-minute walk.

    Population, housing, facilities and incidents are loaded once into one database, tied to one street network;
    every screen, number and tile is a view of it.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code; every fault is explained on standard error."""
    _keep_interruptions_quiet()
    try:
        outcome = cli.main(args=list(arguments), prog_name="onemap", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return _tell_interruption()
    except click.ClickException as error:
        error.show()
        return EXIT_INPUT
    except Exception as error:  # noqa: BLE001 - the outer seam
        if is_interruption(error):
            return _tell_interruption()
        return _explain(error, as_json="--json" in arguments)
    return outcome if isinstance(outcome, int) else 0


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def is_interruption(error: BaseException | None) -> bool:
    """Return whether a fault only followed from Ctrl-C: a driver stopped in mid-talk fails when it is put away."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, KeyboardInterrupt):
            return True
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            waiting += [one.__cause__, one.__context__]
    return False


def _keep_interruptions_quiet() -> None:
    """Keep libraries from printing the traceback of what only followed from Ctrl-C."""
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_worth_telling)


def _is_worth_telling(record: logging.LogRecord) -> bool:
    return not (record.exc_info and is_interruption(record.exc_info[1]))


def _tell_interruption() -> int:
    click.echo("Interrupted; what was not finished was not stored.", err=True)
    return EXIT_INTERRUPTED


def _explain(error: Exception, *, as_json: bool) -> int:
    """Explain any fault of a command and return its exit code."""
    if isinstance(error, OneMapError):
        return _explain_ours(error, as_json=as_json)
    if isinstance(error, BrokenPipeError):
        # the reader of our output has gone (`onemap layers | head`): nothing left to say, and nowhere to say it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    from layers.engine import translate_error

    ours = translate_error(error, private=not os.environ.get("DATABASE_URL"))
    if ours is not None:
        return _explain_ours(ours, as_json=as_json)
    if isinstance(error, OSError) and error.errno in _DISK_FAULTS:
        place = f" at {error.filename}" if error.filename else ""
        message = f"Reading or writing a file failed{place}: {error.strerror}."
        hint = "Give another file or folder, or make room or rights there. Nothing was stored."
        return _explain_ours(DataError(message, hint=hint), as_json=as_json)
    traceback.print_exception(error)
    click.echo(
        "\nThis is a bug in onemap; nothing was stored by this command. Please report the lines above.", err=True
    )
    return EXIT_BUG


def _explain_ours(error: OneMapError, *, as_json: bool) -> int:
    if as_json:
        fault = {"title": error.title, "detail": error.message, "hint": error.hint, "parameter": error.parameter}
        click.echo(json.dumps({"error": fault, "exit_code": error.exit_code}, ensure_ascii=False), err=True)
        return error.exit_code
    # messages name what files and callers hold
    click.echo(escape_control(f"{error.title}: {error.message}", keep="\n"), err=True)
    if error.hint:
        click.echo(escape_control(f"  {error.hint}", keep="\n"), err=True)
    return error.exit_code


_DISK_FAULTS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EROFS, errno.EISDIR, errno.ENOTDIR}
    | {errno.ENAMETOOLONG, errno.EIO, errno.EEXIST, errno.EFBIG}
)

if __name__ == "__main__":
    main()
