"""pgRouting in the bench's own database."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import numpy as np
import psycopg

from tests.bench.ground import BOUND_S
from tests.bench.measure import Skip

if TYPE_CHECKING:
    from geo.units import FloatArray, Int32Array, IntArray
    from tests.bench.ground import Ground

EDGES = "SELECT id, source, target, cost, -1.0::float8 AS reverse_cost FROM bench_edge"
QUERY: LiteralString = (
    "SELECT * FROM pgr_drivingDistance(%(edges)s, %(nodes)s::bigint[], %(bound)s::float8, "
    "directed => true, equicost => %(equicost)s)"
)
START = ("from_v", "start_vid")
"""What pgRouting calls the facility a row belongs to: before and since 3.6."""


def make_edge_table(ground: Ground) -> None:
    """Have the open arcs as a table with seconds.

    Raises
    ------
    Skip
        pgRouting is not installed beside PostgreSQL.
    """
    assert ground.store is not None
    admin = admin_address(ground)
    with psycopg.connect(admin, autocommit=True) as connection:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pgrouting CASCADE")
        except psycopg.Error as error:
            raise Skip("pgRouting is not installed (Debian: postgresql-15-pgrouting)") from error
    tail, head, ms = ground.arcs
    with ground.store.connect() as connection:
        (have,) = connection.execute("SELECT to_regclass('bench_edge') IS NOT NULL").fetchone() or (False,)
        if have:
            (rows,) = connection.execute("SELECT count(*) FROM bench_edge").fetchone() or (0,)
            if rows == tail.shape[0]:
                return
        connection.execute("DROP TABLE IF EXISTS bench_edge")
        connection.execute("CREATE TABLE bench_edge (id int8, source int8, target int8, cost float8)")
        with connection.cursor().copy("COPY bench_edge FROM STDIN") as copy:
            numbers = zip(range(1, tail.shape[0] + 1), tail.tolist(), head.tolist(), (ms / 1000).tolist(), strict=True)
            for row in numbers:
                copy.write_row(row)
        connection.execute("ANALYZE bench_edge")


def admin_address(ground: Ground) -> str:
    """Return the address of a size's database as its superuser."""
    from layers import cluster

    assert ground.store is not None
    return cluster.admin_conninfo(ground.store.settings, database=ground.store.settings.database)


def fetch_routing(ground: Ground, nodes: Int32Array, *, seconds: int) -> FloatArray:
    """Return pgRouting's milliseconds from the nearest of the nodes to every node, infinite beyond the bound.

    Raises
    ------
    Skip
        It takes longer than so many seconds.
    """
    found = np.full(ground.graph.node_count, np.inf)
    _, node, ms = _ask(ground, nodes, seconds, equicost=True)
    found[node] = np.minimum(found[node], ms)
    return found


def fetch_balls(ground: Ground, nodes: Int32Array, *, seconds: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Return start, node and milliseconds of everything within the bound of each of the nodes.

    Raises
    ------
    Skip
        It takes longer than so many seconds.
    """
    return _ask(ground, nodes, seconds, equicost=False)


def _ask(ground: Ground, nodes: Int32Array, seconds: int, *, equicost: bool) -> tuple[IntArray, IntArray, FloatArray]:
    assert ground.store is not None
    parameters = {"edges": EDGES, "nodes": nodes.tolist(), "bound": float(BOUND_S), "equicost": equicost}
    with ground.store.connect() as connection, connection.cursor(binary=True) as cursor:
        connection.execute(f"SET statement_timeout = '{seconds}s'")
        try:
            rows = cursor.execute(QUERY, parameters).fetchall()
        except psycopg.errors.QueryCanceled as error:
            raise Skip(f"pgRouting took over {seconds} s for {nodes.shape[0]} facilities") from error
        names = [column.name for column in cursor.description or ()]
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    start = next(name for name in START if name in names)
    found = [table[:, names.index(name)] for name in (start, "node", "agg_cost")]
    return found[0].astype(np.int64), found[1].astype(np.int64), found[2] * 1000
