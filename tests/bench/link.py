"""Linking: the nearest open street of every building, with the metres to it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geo.costs import find_walkable
from geo.link import Ways, link_points
from geo.linking.barriers import Barriers
from geo.walls import OUTSIDE
from tests.bench.ground import SEED
from tests.bench.measure import Agreement, Case, Pair, Skip

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from geo.units import FloatArray, ObjectArray
    from tests.bench.ground import Ground

ASKED_OF_POSTGIS = 20_000
MAX_LINK_M = 300.0
TOLERANCE_MM = 1
KNN = (
    "SELECT b.row, n.metres FROM bench_door b CROSS JOIN LATERAL (SELECT s.geom <-> b.geom AS metres FROM bench_way s "
    "ORDER BY s.geom <-> b.geom LIMIT 1) n ORDER BY b.row"
)


def list_cases(size: str, open_ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a size."""
    return [
        Case("link", size, "PostGIS KNN (<->)", 100.0, lambda: against_postgis(open_ground())),
        Case("link", size, "shapely STRtree.query_nearest", 1.0, lambda: against_shapely(open_ground())),
    ]


def choose(ground: Ground) -> tuple[Any, ObjectArray, Ways, ObjectArray]:
    """Return starts outside compounds in the form the engine links fastest and as geometries, ways, and their lines."""
    if ground.study is None:
        raise Skip("no buildings on an invented grid")
    network = ground.walk.network
    outside = ground.homes.zone == OUTSIDE
    open_edge = find_walkable(network, ground.walk.profile) & (network.edge_zone == OUTSIDE)
    # walls and rivers are ours alone: the question every peer understands knows none
    ways = Ways(network, open_edge, Barriers(np.empty(0, dtype=object)), MAX_LINK_M)
    buildings = ground.study.buildings
    start = np.asarray(buildings.start, dtype=object)[outside]
    takes_places = "Places" in str(inspect.signature(link_points))
    fast = buildings.places.take(np.flatnonzero(outside)) if takes_places else start
    return fast, start, ways, network.edge_line[open_edge]


def find_ours(fast: Any, count: int, ways: Ways) -> Callable[[int], FloatArray]:
    """Return our side: metres off the street, infinite where none is within 300 m."""
    zone = np.full(count, OUTSIDE, dtype=np.int32)

    def ours(_turn: int) -> FloatArray:
        # ways of their own, so that the index is made every turn, as the peers make theirs
        links = link_points(fast, zone, ways=replace(ways))
        return np.where(links.is_linked, links.off_mm / 1000, np.inf)

    return ours


def compare(ours: FloatArray, truth: FloatArray) -> int:
    """Return how many distances differ by more than a millimetre; beyond the longest link there is none."""
    within = truth <= MAX_LINK_M
    both = within & np.isfinite(ours)
    far = np.abs(ours[both] - truth[both]) * 1000 > TOLERANCE_MM
    at_bound = np.abs(truth - MAX_LINK_M) * 1000 <= TOLERANCE_MM
    return int(far.sum() + ((within != np.isfinite(ours)) & ~at_bound).sum())


def against_postgis(ground: Ground) -> Pair:
    """Return PostGIS's nearest neighbour by index, for 20,000 buildings, counted up to all."""
    fast, start, ways, lines = choose(ground)
    assert ground.store is not None
    asked = np.sort(np.random.default_rng(SEED).permutation(start.shape[0])[:ASKED_OF_POSTGIS])
    with ground.store.connect() as connection:
        save_geometry(connection, "bench_way", lines)
        save_geometry(connection, "bench_door", start[asked])

    def peer(_turn: int) -> FloatArray:
        assert ground.store is not None
        with ground.store.connect() as connection, connection.cursor(binary=True) as cursor:
            rows = cursor.execute(KNN).fetchall()
        return np.array(rows, dtype=np.float64)[:, 1]

    def check(mine: FloatArray, theirs: FloatArray) -> Agreement:
        return Agreement(compare(mine[asked], theirs), asked.shape[0], None, "distance within 1 mm")

    return Pair(
        find_ours(fast, start.shape[0], ways),
        peer,
        check,
        timed=f"ours: {start.shape[0]:,} buildings, index and all; PostGIS: {asked.shape[0]:,} by index, counted up",
        peer_scale=start.shape[0] / asked.shape[0],
    )


def save_geometry(connection: psycopg.Connection[Any], table: str, geometry: ObjectArray) -> None:
    """Have geometries as an indexed table in metres."""
    connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute(f"CREATE TABLE {table} (row int4, geom geometry)")
    with connection.cursor().copy(f"COPY {table} FROM STDIN WITH BINARY") as copy:
        copy.set_types(["int4", "bytea"])
        for row in enumerate(shapely.to_wkb(geometry)):
            copy.write_row(row)
    connection.execute(f"CREATE INDEX ON {table} USING gist (geom)")
    connection.execute(f"VACUUM ANALYZE {table}")


def against_shapely(ground: Ground) -> Pair:
    """Return Shapely's tree, what a careful script would use."""
    fast, start, ways, lines = choose(ground)

    def peer(_turn: int) -> FloatArray:
        tree = shapely.STRtree(lines)
        (row, _), metres = tree.query_nearest(start, max_distance=MAX_LINK_M, return_distance=True, all_matches=False)
        found = np.full(start.shape[0], np.inf)
        found[row] = metres
        return found

    def check(mine: FloatArray, theirs: FloatArray) -> Agreement:
        return Agreement(compare(mine, theirs), start.shape[0], None, "distance within 1 mm")

    timed = f"{start.shape[0]:,} buildings, index and all; ours: edge and place along it too"
    return Pair(find_ours(fast, start.shape[0], ways), peer, check, timed=timed)
