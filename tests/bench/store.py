"""A database of the bench's own, beside the user's: made and filled once, kept between benches."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from data.sample_city import make_city, make_million, write_city, write_layers
from geo.errors import OneMapError
from layers import cluster
from layers.engine import libpq_parameters, make_engine
from layers.load import load_layer
from layers.loading.options import LoadOptions
from layers.loading.reference import load_osm, load_reference
from layers.migrate import migrate, with_database
from layers.settings import Settings
from tests.bench.measure import Skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

ROOT = Path(__file__).resolve().parent.parent.parent
ORDER = ("areas", "compounds", "gates", "streets", "buildings", "population", "facilities")
BARRIERS = ("water", "railway")
# a bench may lose its database, not wait for the disk of the day
CONFIG = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "jit": "off",
}
FILL_VERSION = 1
"""Raised when what is loaded into the databases changes."""

CAMBRIDGE = {
    "MED_CHC": "HEALTH_HealthClinics",
    "GRN_PARK15": "RECREATION_OpenSpace",
    "GRN_PARK5": "RECREATION_Playgrounds",
    "EDU_PRIMARY": "LANDMARK_PublicSchools",
    "EDU_JUNIOR": "LANDMARK_PrivateSchools",
    "CUL_STATION": "LANDMARK_PublicLibraries",
    "SPO_OUTDOOR": "RECREATION_AthleticFacilities",
    "TRA_METRO": "TRANS_SubwayStations",
    "TRA_BUS": "TRANS_BusShelters",
}
"""Files of the Cambridge folder by the type their rows are given here."""


@dataclass(frozen=True)
class Store:
    """One filled database."""

    settings: Settings
    engine: Engine
    files: Path

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a bare connection of the owner that commits at once."""
        with psycopg.connect(**libpq_parameters(self.settings, role="owner"), autocommit=True) as connection:  # type: ignore[arg-type]
            yield connection


def say(text: str) -> None:
    """Tell on standard error what goes on."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def find_folder() -> Path:
    """Return the folder of what the bench keeps, below ONEMAP_HOME."""
    # a database of the user's own is left alone: the bench has its private one
    environ = {key: value for key, value in os.environ.items() if not key.startswith("DATABASE_URL")}
    return Settings.from_environment(environ).home / "bench"


def find_real_data() -> Path:
    """Return the folder of real data.

    Raises
    ------
    Skip
        It is not there.
    """
    folder = Path(os.environ.get("ONEMAP_REAL_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        raise Skip(f"no real data in {folder.name}; set ONEMAP_REAL_DATA")
    return folder


def hash_recipe(size: str) -> str:
    """Return a digest of the recipe of a sample city."""
    return _hash(size, sorted(Path(str(resources.files("data"))).glob("sample_city/*.py")))


def hash_makers(size: str) -> str:
    """Return a digest of the tables and of the recipe that fills them: another one means another database."""
    layers = Path(str(resources.files("layers")))
    tables = [*sorted(layers.glob("*tables.py")), *sorted(layers.glob("migrations/versions/*.py"))]
    return _hash(f"{size} {FILL_VERSION} {hash_recipe(size)}", tables)


def _hash(text: str, sources: list[Path]) -> str:
    digest = hashlib.sha256(text.encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:10]


def list_files(size: str, folder: Path) -> dict[str, Path]:
    """Return the sample city's files by layer, made where they are not there yet."""
    wanted = folder / f"{size}-{hash_recipe(size)}"
    if not wanted.is_dir():
        say(f"making the {size} set (once) ...")
        part = folder / f"{wanted.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        if size == "million":
            write_layers(make_million().layers, part)
        else:
            write_city(make_city(size), part)  # type: ignore[arg-type]
        part.rename(wanted)
    return {path.stem: path for path in sorted(wanted.glob("*.parquet"))}


def open_server() -> Settings:
    """Return settings of the bench's own running cluster.

    Raises
    ------
    Skip
        PostgreSQL is not installed or does not start.
    """
    settings = Settings(home=find_folder())
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        cluster.ensure_running(settings, config=CONFIG)
    except (OneMapError, OSError) as error:
        raise Skip(f"no database: {error}") from error
    return settings


def close_server() -> None:
    """Stop the bench's cluster where it runs."""
    settings = Settings(home=find_folder())
    if settings.home.is_dir() and cluster.read_address(settings) is not None:
        cluster.stop(settings)


def open_store(size: str) -> Store:
    """Return the database of a size, filled where it is not yet.

    Parameters
    ----------
    size
        ``real-cambridge``, ``real-helsinki``, a size of the sample city, or ``million``.

    Raises
    ------
    Skip
        There is no database or no data to fill it.
    """
    folder = find_folder()
    folder.mkdir(parents=True, exist_ok=True)
    fill = choose_filler(size, folder / "files")
    server = open_server()
    name = f"bench_{size.replace('-', '_').lower()}_{hash_makers(size)}"
    settings = replace(with_database(server, name), reader_timeout_s=3600.0, writer_timeout_s=0)
    done = folder / "files" / f"{name}.filled"
    with lock(folder):
        if not done.exists():
            drop_databases(server, f"bench_{size.replace('-', '_').lower()}_")
            migrate(settings)
            began = time.monotonic()
            fill_database(settings, fill)
            done.parent.mkdir(exist_ok=True)
            done.write_text(f"{time.monotonic() - began:.0f} s\n", encoding="ascii")
            say(f"filled the database {size} in {time.monotonic() - began:.0f} s")
    return Store(settings, make_engine(settings, role="owner"), folder / "files")


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep other benches waiting."""
    with (folder / "lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill_database(settings: Settings, fill: Callable[[Engine], None]) -> None:
    """Fill an empty database and tidy it up."""
    engine = make_engine(settings, role="owner")
    fill(engine)
    # temporary tables of the loads go with their connections
    engine.dispose()
    parameters = libpq_parameters(settings, role="owner")
    with psycopg.connect(**parameters, autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute("VACUUM ANALYZE")


def make_database(name: str) -> Settings:
    """Return settings of an empty database with this version's tables, made anew."""
    server = open_server()
    drop_databases(server, name)
    settings = replace(with_database(server, name), writer_timeout_s=0)
    migrate(settings)
    return settings


def drop_databases(server: Settings, beginning: str) -> None:
    """Drop the bench's databases whose names begin so."""
    with psycopg.connect(cluster.admin_conninfo(server, database="postgres"), autocommit=True) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (beginning,))
        for (name,) in rows.fetchall():
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            (server.home / "files" / f"{name}.filled").unlink(missing_ok=True)


def choose_filler(size: str, folder: Path) -> Callable[[Engine], None]:
    """Return what fills a database of that size; data that are not there are told now."""
    if size == "real-cambridge":
        real = find_real_data() / "cambridge_ma"
        if not real.is_dir():
            raise Skip("no cambridge_ma in ONEMAP_REAL_DATA")
        return lambda engine: fill_cambridge(engine, real)
    if size == "real-helsinki":
        extract = find_real_data() / "helsinki" / "Helsinki.osm.pbf"
        if not extract.is_file():
            raise Skip("no helsinki in ONEMAP_REAL_DATA")
        return lambda engine: fill_helsinki(engine, extract)
    return lambda engine: fill_sample(engine, list_files(size, folder))


def fill_sample(engine: Engine, files: dict[str, Path]) -> None:
    """Load a sample city without its incidents."""
    for layer in ORDER:
        if layer in files:
            say(f"loading {layer} (once) ...")
            load_layer(engine, layer, files[layer], LoadOptions(source="bench", datum="wgs84"))
    for name in BARRIERS:
        if name in files:
            load_reference(engine, name, files[name], LoadOptions(source="bench", datum="wgs84", is_barrier=True))


def fill_helsinki(engine: Engine, extract: Path) -> None:
    """Load the centre of Helsinki."""
    load_osm(engine, extract, LoadOptions())


def fill_cambridge(engine: Engine, real: Path) -> None:
    """Load the sidewalks, parcels and public places of Cambridge, Massachusetts."""
    options = LoadOptions(id_from_geometry=True)
    load_layer(engine, "streets", real / "sidewalk_centerlines_decoded.gpkg", options)
    parcels = replace(options, datum="wgs84")
    load_layer(engine, "buildings", real / "ASSESSING_ParcelsFY2014.topojson", parcels)
    for code, name in CAMBRIDGE.items():
        path = real / f"{name}.geojson"
        if path.is_file():
            load_layer(engine, "facilities", path, replace(parcels, constants={"type": code}, source=name.lower()))


def main(sizes: list[str]) -> None:
    """Fill the databases of some sizes; what cannot be filled is told."""
    for size in sizes:
        try:
            open_store(size).engine.dispose()
        except Skip as reason:
            say(f"no database {size}: {reason}")


if __name__ == "__main__":
    main(sys.argv[1:])
