"""``onemap demo``: an invented city, from nothing to a map that answers."""

from __future__ import annotations

import hashlib
import tempfile
import time
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from api.cli.context import open_engine, pass_settings, say
from api.cli.progress import show_progress
from api.cli.serve import refuse_busy_port, run_server
from geo.errors import Conflict, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from sqlalchemy import Engine

    from layers.settings import Settings

SOURCE = "sample-city"
STATE_KEY = "demo"
HOST = "127.0.0.1"
PORT = 8000
PORTS_TRIED = 20
# what no walk from a door to a street crosses
BARRIERS = frozenset({"water", "railway"})
# areas first, so that everything after them finds its place
ORDER = ("areas", "compounds", "gates", "streets", "buildings", "population", "facilities", "incidents")


@click.command()
@click.option(
    "--size",
    type=click.Choice(["S", "M", "L"]),
    default="S",
    show_default=True,
    help="About 20,000, 400,000 or 5 million people.",
)
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="Port to serve on.")
@click.option("--no-serve", is_flag=True, help="Stop when everything is stored.")
@click.pass_context
@pass_settings
def demo(
    settings: Settings, context: click.Context, *, size: Literal["S", "M", "L"], port: int, no_serve: bool
) -> None:
    """Make a sample city, find its gaps and show them on the map.

    The city is invented, and its names say so. What was made before is not made again: the second start takes seconds.

    \b
    Examples:
      onemap demo                          a neighbourhood, in about a minute
      onemap demo --size M                 a very large community across three subdistricts
      ONEMAP_HOME=/tmp/try onemap demo     apart from your own data
    """
    if not no_serve:
        chosen = context.get_parameter_source("port") is not ParameterSource.DEFAULT
        port = choose_port(port, exactly=chosen)
    with open_engine(settings, role="owner") as engine:
        make_demo(engine, settings, size)
    if not no_serve:
        run_server(HOST, port)


def make_demo(engine: Engine, settings: Settings, size: Literal["S", "M", "L"]) -> None:
    """Have the sample city of a size and a gap run in the store; what is there already stays."""
    wanted: dict[str, Any] = {"size": size, "recipe": hash_recipe()}
    state = read_state(engine)
    if {key: state.get(key) for key in wanted} != wanted:
        refuse_other_data(engine, state)
        load_city(engine, settings, size)
        state = {**wanted, "run": None}
        save_state(engine, state)
    if state["run"] is None or not has_run(engine, int(state["run"])):
        state["run"] = run_all_types(engine, settings, size)
        save_state(engine, state)
        draw_first_circle(engine, settings)
    else:
        say(f"The sample city {size} and its gap run are there already.")


def load_city(engine: Engine, settings: Settings, size: Literal["S", "M", "L"]) -> None:
    """Make the city and load every layer of it, in place of a sample city loaded before."""
    from data.sample_city import make_city, write_city
    from layers.load import load_layer
    from layers.loading.options import LoadOptions
    from layers.loading.reference import load_reference

    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=settings.cache_dir) as folder:
        with tell_time(f"Making the sample city, size {size}"):
            files: Mapping[str, Path] = write_city(make_city(size), Path(folder))
        for layer in ORDER:
            with tell_time(f"Loading {layer}"):
                load_layer(engine, layer, files[layer], LoadOptions(source=SOURCE, datum="wgs84", mode="replace"))
        for name in sorted(files.keys() - set(ORDER)):
            options = LoadOptions(source=SOURCE, datum="wgs84", mode="replace", is_barrier=name in BARRIERS)
            with tell_time(f"Loading {name}"):
                load_reference(engine, name, files[name], options)


def run_all_types(engine: Engine, settings: Settings, size: str) -> int:
    """Judge every testable type and return the run's id."""
    from layers.run import run_gaps
    from layers.runs.result import GapRequest

    with tell_time("Walking from every building to every kind of facility"), show_progress("Gap run") as progress:
        return run_gaps(engine, settings, GapRequest(name=f"demo {size}"), progress).id


def draw_first_circle(engine: Engine, settings: Settings) -> None:
    """Draw one circle, so that what it needs is compiled before the first click on the map."""
    from sqlalchemy import text

    from api.study_keeper import StudyKeeper

    question = """
        SELECT ST_X(place), ST_Y(place) FROM (
            SELECT ST_PointOnSurface(b.geom) AS place FROM onemap.run_reach AS r
            JOIN onemap.building AS b ON b.id >> 7 = r.slice
            WHERE onemap.int_at(r.reach_ms, (b.id & 127)::integer) >= -1 LIMIT 1) AS linked
    """
    with engine.connect() as connection:
        lon, lat = connection.execute(text(question)).one()
    with tell_time("Drawing the first circle"):
        StudyKeeper(settings, engine).find_circles(lon=lon, lat=lat, minutes=(15.0,), profile="adult")


def hash_recipe() -> str:
    """Return a digest of everything the sample city is made of."""
    digest = hashlib.sha256()
    for name, content in sorted(_walk(resources.files("data").joinpath("sample_city"), "")):
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _walk(folder: Traversable, place: str) -> Iterator[tuple[str, bytes]]:
    for found in folder.iterdir():
        if found.is_dir() and found.name != "__pycache__":
            yield from _walk(found, f"{place}{found.name}/")
        elif found.is_file():
            yield f"{place}{found.name}", found.read_bytes()


def read_state(engine: Engine) -> dict[str, Any]:
    """Return what the last demo left in the store."""
    from sqlalchemy import select

    from layers.tables import setting

    with engine.connect() as connection:
        value = connection.execute(select(setting.c.value).where(setting.c.key == STATE_KEY)).scalar_one_or_none()
    return dict(value) if isinstance(value, dict) else {}


def save_state(engine: Engine, state: Mapping[str, Any]) -> None:
    """Keep what is made, for the next start."""
    from sqlalchemy import func
    from sqlalchemy.dialects.postgresql import insert

    from layers.tables import setting

    statement = insert(setting).values(key=STATE_KEY, value=dict(state))
    changed = {"value": statement.excluded.value, "changed_at": func.now()}
    with engine.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changed))


def has_run(engine: Engine, run_id: int) -> bool:
    """Return whether a gap run is stored."""
    from sqlalchemy import select

    from layers.tables import run

    with engine.connect() as connection:
        return connection.execute(select(run.c.id).where(run.c.id == run_id)).scalar_one_or_none() is not None


def refuse_other_data(engine: Engine, state: Mapping[str, Any]) -> None:
    """Raise when the store holds data of somebody's own: an invented city would mix with them.

    Raises
    ------
    Conflict
        Something was loaded that is not the sample city.
    """
    from sqlalchemy import select

    from layers.tables import load

    with engine.connect() as connection:
        question = select(load.c.source).where(load.c.source != SOURCE).distinct().order_by(load.c.source)
        others = connection.execute(question).scalars().all()
    if others and not state:
        raise Conflict(
            f"This store holds data of your own ({', '.join(others[:5])}); the invented city would mix with them.",
            hint="Keep it apart: ONEMAP_HOME=/another/folder onemap demo (and no DATABASE_URL).",
        )


def choose_port(port: int, *, exactly: bool) -> int:
    """Return the port to serve on; where nobody asked for one, the next that is free.

    Raises
    ------
    RequestError
        The port that was asked for, or every one that was tried, is taken.
    """
    last = port if exactly else port + PORTS_TRIED
    for candidate in range(port, last + 1):
        try:
            refuse_busy_port(HOST, candidate)
        except RequestError:
            if candidate == last:
                raise
        else:
            if candidate != port:
                say(f"Port {port} is taken; using {candidate}.")
            return candidate
    return port


@contextmanager
def tell_time(title: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    say(f"{title} ...")
    began = time.monotonic()
    yield
    say(f"  done in {time.monotonic() - began:.1f} s")


commands: list[click.Command] = [demo]
