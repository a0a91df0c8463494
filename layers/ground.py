"""Carry slopes and crossings from the store to the edges of the network.

Everything here is static between loads: it is compiled once per version of streets and elevation and memory-mapped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import shapely
from psycopg import sql

from geo.driving import find_along
from geo.slope import Ground, climb_inclines, measure_climb, parse_incline, place_samples
from geo.units import to_mm
from layers.bundle import find_bundle, make_key, save_bundle
from layers.elevation import LAYER, has_elevation, sample_heights
from layers.network import fetch_columns, fetch_stamps, from_wkb, project
from layers.parts.within import pick_rows

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from geo.network import Network
    from geo.units import BoolArray, FloatArray, IntArray, ObjectArray
    from layers.network import Streetscape
    from layers.parts.within import Within

ENGINE_FILES = ("slope.py", "driving.py")
"""Modules of geo whose change makes compiled ground stale."""

_NAMES: Final = (
    "id", "source", "source_id", "highway", "incline", "footway", "path", "cycleway", "crossing", "bridge", "tunnel",
    "geom",
)  # fmt: skip
# the few streets that are not simply level ways on the ground
_QUERY: Final = (
    "SELECT id, source, source_id, highway, incline, properties->>'footway', properties->>'path', "
    "properties->>'cycleway', properties->>'crossing', properties->>'bridge', properties->>'tunnel', ST_AsBinary(geom) "
    "FROM onemap.street WHERE valid_to IS NULL AND (incline ~ '[0-9]' OR highway = 'crossing' "
    "OR properties ?| ARRAY['crossing', 'bridge', 'tunnel'] OR properties->>'footway' = 'crossing' "
    "OR properties->>'path' = 'crossing' OR properties->>'cycleway' = 'crossing'){} ORDER BY id"
)
_CROSSING_WAYS: Final = ("footway", "path", "cycleway")
# what a way of its own must be for `crossing=…` to mean that it crosses and is not crossed
_FOOT_CLASSES: Final = frozenset({"footway", "path", "cycleway", "pedestrian", "steps"})
# as maps and as tables of yes and no write it
_NO: Final = frozenset({"no", "false", "0", ""})

Sampler = Callable[["FloatArray"], "FloatArray"]
"""Gives the heights at places in the metric CRS, not a number where unknown."""


@dataclass(frozen=True, slots=True)
class StreetGround:
    """Streets that slope, cross a road, or leave the ground; the others are level ways on it.

    Attributes
    ----------
    street_id
        Store id of each, ascending, shape (n,).
    line
        Their lines in the metric CRS, shape (n,).
    incline
        Grade in the direction of the line, not a number where not stated, shape (n,).
    is_off_ground
        True on bridges and in tunnels, shape (n,).
    crossing_mm
        Length of the whole marked crossing the street is part of, 0 elsewhere, shape (n,).
    """

    street_id: IntArray
    line: ObjectArray
    incline: FloatArray
    is_off_ground: BoolArray
    crossing_mm: IntArray


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
        streets = fetch_street_ground(connection, streetscape.network.metric_crs, within=within)
        sampler = make_sampler(connection, streetscape.network.metric_crs)
        ground = lay_ground(streetscape.network, streets, sampler)
        if ground.is_level:
            ground = Ground.level(0)
        arrays = save_bundle(
            cache_dir / "ground", key, {name: getattr(ground, name) for name in Ground.__dataclass_fields__}
        )
    ground = Ground(**{name: np.asarray(array) for name, array in arrays.items()})
    return (None, "level") if ground.up_ab_mm.size == 0 else (ground, key)


def make_sampler(connection: Connection, metric_crs: str) -> Sampler | None:
    """Return what gives heights, None where no elevation grid is loaded."""
    if not has_elevation(connection):
        return None
    return lambda xy: sample_heights(connection, xy, metric_crs=metric_crs)


def fetch_street_ground(connection: Connection, metric_crs: str, *, within: Within | None = None) -> StreetGround:
    """Return the streets that slope, cross a road, or leave the ground.

    Parameters
    ----------
    connection
        An open connection; reads only.
    metric_crs
        CRS of their lines.
    within
        The part to read; None for all streets.
    """
    query = sql.SQL(_QUERY).format(pick_rows(within, "streets", "street", "id"))
    streets = pd.DataFrame(fetch_columns(connection, query, _NAMES), dtype=object)
    line = project(from_wkb(streets["geom"].to_numpy(dtype=object)), metric_crs)
    crossing = number_crossings(streets)
    whole = np.bincount(crossing, weights=to_mm(shapely.length(line)), minlength=1).astype(np.int64)
    return StreetGround(
        street_id=streets["id"].to_numpy(dtype=np.int64),
        line=line,
        incline=streets["incline"].map(parse_incline).to_numpy(dtype=np.float64),
        is_off_ground=_is_off_ground(streets),
        crossing_mm=np.where(crossing > 0, whole[crossing], 0),
    )


def lay_ground(network: Network, streets: StreetGround, sampler: Sampler | None) -> Ground:
    """Return slopes and crossings of a network's edges; each follows from the edge and its street alone.

    Parameters
    ----------
    network
        A compiled network, or a few edges of one.
    streets
        The streets that are not simply level ways on the ground.
    sampler
        Gives heights; None where no elevation grid is loaded.
    """
    count = network.edge_count
    if count == 0:
        return Ground.level(0)
    row = np.searchsorted(streets.street_id, network.edge_street)
    is_known = row < streets.street_id.shape[0]
    is_known[is_known] = streets.street_id[row[is_known]] == network.edge_street[is_known]
    mine = np.flatnonzero(is_known & (network.edge_gate < 0))
    incline, crossing = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    is_straight = np.zeros(count, dtype=bool)
    incline[mine] = streets.incline[row[mine]]
    crossing[mine] = streets.crossing_mm[row[mine]]
    is_straight[mine] = streets.is_off_ground[row[mine]]
    sloped = np.flatnonzero(np.isfinite(incline))
    along = find_along(network, streets.street_id, streets.line, edges=sloped)
    up, down, grade = climb_inclines(network, incline, along=along)
    if sampler is not None:
        samples = place_samples(network, is_straight=is_straight)
        height = sampler(samples.xy)
        # the grid counts where it has a height at all, the tag elsewhere
        known = np.logical_or.reduceat(np.isfinite(height), samples.ptr[:-1])
        seen = measure_climb(samples, height, edge_mm=network.edge_mm)
        up, down = np.where(known, seen[0], up), np.where(known, seen[1], down)
        grade = np.where(known, seen[2], grade).astype(np.int32)
    return Ground(up, down, grade, crossing)


class GroundSource:
    """Lays the ground of networks that are edited: of streets as they are stored, and of new ones on the same hills.

    Reads the few streets that matter when it is first asked, and heights whenever it is asked.
    """

    def __init__(self, engine: Engine, metric_crs: str) -> None:
        self._engine = engine
        self._metric_crs = metric_crs
        self._lock = threading.Lock()
        self._streets: StreetGround | None = None

    def __call__(self, network: Network) -> Ground:
        """Return slopes and crossings of a network's edges, or of a few of them.

        Parameters
        ----------
        network
            The edges; those of streets the store does not have follow the elevation grid alone.
        """
        with self._engine.connect() as connection:
            with self._lock:
                if self._streets is None:
                    self._streets = fetch_street_ground(connection, self._metric_crs)
            return lay_ground(network, self._streets, make_sampler(connection, self._metric_crs))


def _is_off_ground(streets: pd.DataFrame) -> BoolArray:
    """Return which streets run on bridges or in tunnels, shape (n,)."""
    off = [streets[name].notna() & ~streets[name].isin(_NO) for name in ("bridge", "tunnel")]
    return np.asarray(off[0] | off[1], dtype=bool)


def number_crossings(streets: pd.DataFrame) -> IntArray:
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
