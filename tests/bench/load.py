"""Loading buildings: a file into the store, checked, linked to its source and versioned, beside bare copies.

Every side ends with the same rows in a table of the same columns, keys, indexes and references, committed in the same
cluster (which waits for no disk, for any side). What only ours does is in its time: the file is read, every value and
geometry checked and hashed, footprints measured, the load recorded, people put on buildings, versions raised.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import shapely
from psycopg import sql

from layers.engine import make_engine
from layers.load import load_layer
from layers.loading.options import LoadOptions
from layers.tables import SCHEMA, building
from tests.bench.measure import Agreement, Case, Pair, Skip
from tests.bench.peers import need
from tests.bench.store import Store, find_folder, list_files, make_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.ground import Ground

CHUNK_BYTES = 1 << 20
FAR_DEG = 1e-9
"""Coordinates may differ by a tenth of a millimetre: what seven decimals and a bit more hold."""

OURS = "file read, checked, copied, indexed, people put on buildings, published"


def list_cases(size: str, _open_ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a size."""
    return [
        Case("load", size, "\\copy of a prepared binary file", round(1 / 1.2, 2), lambda: against_copy(size)),
        Case("load", size, "geopandas.to_postgis", 7.0, lambda: against_geopandas(size)),
    ]


class Loader:
    """An empty database and the buildings of a sample city."""

    def __init__(self, size: str) -> None:
        if size.startswith("real") or size == "grid":
            raise Skip("measured with the sample city's buildings")
        self.file = list_files(size, find_folder() / "files")["buildings"]
        settings = make_database("bench_load")
        self.store = Store(settings, make_engine(settings, role="owner"), find_folder())
        self.folder = tempfile.TemporaryDirectory(prefix="onemap-bench-", ignore_cleanup_errors=True)

    def empty(self, _turn: int) -> None:
        """Have no buildings in the store."""
        with self.store.connect() as connection:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> 'alembic_version'"
            tables = [sql.Identifier(SCHEMA, name) for (name,) in connection.execute(query, (SCHEMA,))]
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(tables)))

    def load(self, _turn: int) -> Any:
        """Load the file."""
        return load_layer(self.store.engine, "buildings", self.file, LoadOptions(source="bench", datum="wgs84"))

    def compare(self) -> Agreement:
        """Return how many stored footprints are not those of the file."""
        gpd = need("geopandas")
        frame = gpd.read_parquet(self.file).sort_values("source_id")
        with self.store.connect() as connection, connection.cursor(binary=True) as cursor:
            query = (
                f'SELECT ST_AsBinary(geom) FROM {SCHEMA}.building WHERE valid_to IS NULL ORDER BY source_id COLLATE "C"'  # noqa: S608
            )
            rows = cursor.execute(query).fetchall()
        stored = shapely.from_wkb([bytes(row[0]) for row in rows])
        if stored.shape[0] != len(frame):
            return Agreement(abs(stored.shape[0] - len(frame)), len(frame), None, "one row a building")
        far = np.abs(shapely.bounds(stored) - shapely.bounds(frame.geometry.to_numpy())) > FAR_DEG
        return Agreement(int(far.any(axis=1).sum()), len(frame), None, "every footprint where the file has it")


def against_copy(size: str) -> Pair:
    """Return a bare copy of a binary file, made beforehand of the stored rows, into a table of the same definition."""
    loader = Loader(size)
    loader.empty(0)
    loader.load(0)
    path = Path(loader.folder.name) / "buildings.pgcopy"
    names = [column.name for column in building.columns if column.computed is None]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    table = sql.Identifier(SCHEMA, "building")
    with loader.store.connect() as connection:
        make_copy_table(connection)
        query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT WITH BINARY").format(columns, table)
        with path.open("wb") as file, connection.cursor().copy(query) as copy:
            for block in copy:
                file.write(block)

    def peer(_turn: int) -> None:
        with loader.store.connect() as connection:
            connection.execute("TRUNCATE public.bench_copy")
            query = sql.SQL("COPY public.bench_copy ({}) FROM STDIN WITH BINARY").format(columns)
            with path.open("rb") as file, connection.cursor().copy(query) as copy:
                while block := file.read(CHUNK_BYTES):
                    copy.write(block)

    def check(_ours: Any, _peer: Any) -> Agreement:
        return loader.compare()

    return Pair(
        loader.load,
        peer,
        check,
        timed=f"ours: {OURS}; peer: copy into a table of the same columns, keys, indexes and references",
        before=loader.empty,
        turns=3,
    )


def make_copy_table(connection: psycopg.Connection[Any]) -> None:
    """Make a table as the layer's own: columns, keys, indexes and the reference to the load that brought a row."""
    for statement in (
        "DROP TABLE IF EXISTS public.bench_copy, public.bench_copy_load",
        "CREATE TABLE public.bench_copy (LIKE {schema}.building INCLUDING ALL)",
        "CREATE TABLE public.bench_copy_load (LIKE {schema}.load INCLUDING ALL)",
        "INSERT INTO public.bench_copy_load OVERRIDING SYSTEM VALUE SELECT * FROM {schema}.load",
        "ALTER TABLE public.bench_copy ADD FOREIGN KEY (load_id) REFERENCES public.bench_copy_load (id)",
    ):
        connection.execute(sql.SQL(statement).format(schema=sql.Identifier(SCHEMA)))


def against_geopandas(size: str) -> Pair:
    """Return GeoPandas reading the file and writing it into a table with the same indexes."""
    loader = Loader(size)
    gpd = need("geopandas")

    def peer(_turn: int) -> None:
        frame = gpd.read_parquet(loader.file)
        # makes the index of places by itself
        frame.to_postgis("bench_frame", loader.store.engine, schema="public", if_exists="replace")
        with loader.store.connect() as connection:
            connection.execute(
                "ALTER TABLE public.bench_frame ADD id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,"
                " ADD UNIQUE (source_id)"
            )

    return Pair(
        loader.load,
        peer,
        lambda _ours, _peer: loader.compare(),
        timed=f"ours: {OURS}; peer: file read, written, its keys made",
        before=loader.empty,
        turns=3,
    )
