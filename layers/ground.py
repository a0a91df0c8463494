"""Carry slopes and crossings from the store to the edges of the network.

Everything here is static between loads: it is compiled once per version of streets and elevation and memory-mapped.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from psycopg import sql
from sqlalchemy import text

from geo.driving import find_along
from geo.joins import join_streets
from geo.slope import Ground, climb_inclines, measure_climb, parse_incline, place_samples
from layers.bundle import find_bundle, make_key, save_bundle
from layers.elevation import LAYER, has_elevation, sample_heights
from layers.network import fetch_columns, fetch_join_m, fetch_stamps, fetch_streets
from layers.part_within import pick_rows

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from geo.network import Network
    from geo.units import BoolArray, FloatArray, IntArray
    from layers.network import Streetscape
    from layers.part_within import Within

ENGINE_FILES = ("slope.py", "driving.py")
"""Modules of geo whose change makes compiled ground stale."""

_NAMES: Final = (
    "id", "source", "source_id", "highway", "incline", "footway", "path", "cycleway", "crossing", "bridge", "tunnel",
)  # fmt: skip
_QUERY: Final = (
    "SELECT id, source, source_id, highway, incline, properties->>'footway', properties->>'path', "
    "properties->>'cycleway', properties->>'crossing', properties->>'bridge', properties->>'tunnel' "
    "FROM onemap.street WHERE valid_to IS NULL{} ORDER BY id"
)
_CROSSING_WAYS: Final = ("footway", "path", "cycleway")
# what a way of its own must be for `crossing=…` to mean that it crosses and is not crossed
_FOOT_CLASSES: Final = frozenset({"footway", "path", "cycleway", "pedestrian", "steps"})
# as maps and as tables of yes and no write it
_NO: Final = frozenset({"no", "false", "0", ""})
# a quick look: most cities have neither, and then nothing is compiled
_HAS_TAGS: Final = text(
    "SELECT EXISTS (SELECT 1 FROM onemap.street WHERE valid_to IS NULL AND (incline ~ '[0-9]' OR highway = 'crossing' "
    "OR properties ?| ARRAY['crossing'] OR properties->>'footway' = 'crossing' OR properties->>'path' = 'crossing' "
    "OR properties->>'cycleway' = 'crossing'))"
)


@lru_cache(maxsize=1)
def hash_ground_engine() -> str:
    """Return a hash of the code that ground is compiled with."""
    package = resources.files("geo")
    return make_key({name: package.joinpath(name).read_text(encoding="utf-8") for name in ENGINE_FILES})


def load_ground(
    connection: Connection, streetscape: Streetscape, cache_dir: Path, *, within: Within | None = None
) -> tuple[Ground | None, str]:
    """Return slopes and crossings of the network, compiled at most once per version, and the name of their arrays.

    Where all is level and nothing is crossed the ground is None and its name ``level``: nothing is known that would
    change a walk.

    Parameters
    ----------
    connection
        An open connection; reads only.
    streetscape
        The compiled network.
    cache_dir
        Folder for compiled arrays.
    within
        The part the network was compiled for; None for all of it.
    """
    made_from = {"streets": streetscape.made_from, "elevation": fetch_stamps(connection).get(LAYER)}
    key = make_key({**made_from, "engine": hash_ground_engine()})
    arrays = find_bundle(cache_dir / "ground", key)
    if arrays is None:
        ground = _compile(connection, streetscape.network, within)
        arrays = save_bundle(
            cache_dir / "ground", key, {name: getattr(ground, name) for name in Ground.__dataclass_fields__}
        )
    ground = Ground(**{name: np.asarray(array) for name, array in arrays.items()})
    return (None, "level") if ground.up_ab_mm.size == 0 else (ground, key)


def _compile(connection: Connection, network: Network, within: Within | None) -> Ground:
    """Return the ground of every edge; of no edge at all where it is level and nothing is crossed."""
    has_grid = has_elevation(connection)
    if not has_grid and not connection.execute(_HAS_TAGS).scalar_one():
        return Ground.level(0)
    query = sql.SQL(_QUERY).format(pick_rows(within, "streets", "street", "id"))
    streets = pd.DataFrame(fetch_columns(connection, query, _NAMES), dtype=object)
    row = np.minimum(
        np.searchsorted(streets["id"].to_numpy(dtype=np.int64), network.edge_street), max(len(streets) - 1, 0)
    )
    is_street = network.edge_gate < 0
    up, down, grade = _climb_inclines(connection, network, streets, row, within)
    if has_grid:
        is_straight = is_street & _is_off_ground(streets)[row]
        samples = place_samples(network, is_straight=is_straight)
        height = sample_heights(connection, samples.xy, metric_crs=network.metric_crs)
        # the grid counts where it has a height at all, the tag elsewhere
        known = np.logical_or.reduceat(np.isfinite(height), samples.ptr[:-1])
        seen = measure_climb(samples, height, edge_mm=network.edge_mm)
        up, down = np.where(known, seen[0], up), np.where(known, seen[1], down)
        grade = np.where(known, seen[2], grade)
    crossing = np.where(is_street, measure_crossings(streets)[row], 0)
    whole = np.bincount(crossing, weights=network.edge_mm).astype(np.int64)
    ground = Ground(up, down, grade.astype(np.int32), np.where(crossing > 0, whole[crossing], 0))
    return Ground.level(0) if ground.is_level else ground


def _climb_inclines(
    connection: Connection, network: Network, streets: pd.DataFrame, row: IntArray, within: Within | None
) -> tuple[IntArray, IntArray, IntArray]:
    incline: FloatArray = streets["incline"].map(parse_incline).to_numpy(dtype=np.float64)
    if not np.isfinite(incline).any():
        level = Ground.level(network.edge_count)
        return level.up_ab_mm, level.up_ba_mm, level.grade.astype(np.int64)
    lines = fetch_streets(connection, network.metric_crs, within=within)
    join_m = fetch_join_m(connection)
    if join_m is not None:
        lines, _ = join_streets(lines, tolerance_m=join_m)
    along = find_along(network, lines.street_id, lines.line)
    up, down, grade = climb_inclines(network, incline[row], along=along)
    return up, down, grade.astype(np.int64)


def _is_off_ground(streets: pd.DataFrame) -> BoolArray:
    """Return which streets run on bridges or in tunnels, shape (n,)."""
    off = [streets[name].notna() & ~streets[name].isin(_NO) for name in ("bridge", "tunnel")]
    return np.asarray(off[0] | off[1], dtype=bool)


def measure_crossings(streets: pd.DataFrame) -> IntArray:
    """Return the number of the marked crossing each street is part of, from 1, and 0 for those that cross nothing.

    A crossing is a way of its own (``footway=crossing``); its pieces are one crossing. Crossing points on a road are
    not counted: who walks along the road does not cross there.

    Parameters
    ----------
    streets
        Columns source, source_id, highway, footway, path, cycleway, crossing, shape (n,).
    """
    marked = streets["crossing"].notna() & ~streets["crossing"].isin(_NO)
    on_foot = streets["highway"].isin(_FOOT_CLASSES) | streets["highway"].isna()
    crosses = (streets["highway"] == "crossing") | (marked & on_foot)
    for name in _CROSSING_WAYS:
        crosses |= streets[name] == "crossing"
    is_way = crosses.to_numpy(dtype=bool)
    number = np.zeros(len(streets), dtype=np.int64)
    if is_way.any():
        mine = streets.loc[is_way, ["source", "source_id"]].astype("string")
        whole = mine["source_id"].str.replace(r"^(way/\d+)/\d+$", r"\1", regex=True)
        number[is_way] = pd.factorize(mine["source"] + "\n" + whole)[0] + 1
    return number
