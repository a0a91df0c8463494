"""Carry facilities from the store into arrays, with their entrances on the network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from psycopg import sql

from geo.errors import NotReady
from geo.link import Entrances, Links, Ways, link_sites
from geo.places import Places
from geo.units import Int32Array, IntArray, ObjectArray
from layers.bundle import find_bundle, make_key, save_bundle
from layers.copy_read import fetch_rows
from layers.network import Streetscape, fetch_stamps, project, project_xy
from layers.parts.within import pick_rows

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from layers.catalog import Pack
    from layers.parts.within import Within


@dataclass(frozen=True)
class Sites:
    """The facilities, in the order of store ids, so that a tie goes to the lowest id.

    Attributes
    ----------
    facility_id
        Store ids, ascending, shape (f,).
    type
        Pack codes; None where the type is uncertain, shape (f,).
    name
        Names or None, shape (f,).
    capacity
        Capacities, not a number where not given, shape (f,).
    geometry
        Points or outlines in the metric CRS, shape (f,).
    zone
        Compound number each lies in, -1 outside, shape (f,).
    """

    facility_id: IntArray
    type: ObjectArray
    name: ObjectArray
    capacity: np.ndarray[tuple[int], np.dtype[np.float64]]
    geometry: ObjectArray
    zone: Int32Array

    @cached_property
    def places(self) -> Places:
        """Return where they are, in the metric CRS."""
        return Places.of(self.geometry)

    def rows_of(self, code: str, pack: Pack) -> Int32Array:
        """Return the rows of the facilities that serve a type: those of it and those whose type counts for it.

        Parameters
        ----------
        code
            Pack code wanted, for example ``EDU_PRIMARY``; a nine-year school serves it too.
        pack
            The standards pack, whose column ``counts_for`` says so.
        """
        return np.flatnonzero(np.isin(self.type, list_serving(code, pack))).astype(np.int32)


def list_serving(code: str, pack: Pack) -> list[str]:
    """Return the types whose facilities serve a type: itself and those that count for it."""
    return [code, *(t.code for t in pack.types if code in t.counts_for.split("|"))]


def fetch_sites(connection: Connection, streetscape: Streetscape, *, within: Within | None = None) -> Sites:
    """Return the facilities as they are now.

    Parameters
    ----------
    connection
        An open connection; reads only.
    streetscape
        The compiled network they belong to.
    within
        The part whose facilities are wanted, the one the network was compiled for; None for all.

    Raises
    ------
    NotReady
        No facilities are loaded; a part may have none.
    """

    def build(low: sql.Composable, high: sql.Composable) -> sql.Composed:
        return sql.SQL(
            "SELECT id, type, name, capacity, ST_AsBinary(geom, 'NDR') AS place FROM onemap.facility "
            "WHERE valid_to IS NULL AND id >= {low} AND id < {high}{within} ORDER BY id"
        ).format(low=low, high=high, within=pick_rows(within, "facilities", "facility", "id"))

    found = fetch_rows(
        connection,
        build,
        ("id", "type", "name", "capacity", "geom"),
        bounds="SELECT min(id), max(id) FROM onemap.facility WHERE valid_to IS NULL",
    )
    if found.count == 0 and within is None:
        raise NotReady("no facilities are loaded", hint="onemap load facilities FILE")
    lonlat, _ = found.read_places("geom")
    metric_crs = streetscape.network.metric_crs
    places = Places(project_xy(lonlat.xy, metric_crs), lonlat.shape_row, project(lonlat.shape, metric_crs))
    return Sites(
        facility_id=found.id,
        type=found.read_words("type"),
        name=found.read_words("name"),
        capacity=found.read_floats("capacity"),
        geometry=places.make_geometry(),
        zone=streetscape.walls.find_zones_at(places.find_inner_points()),
    )


def load_entrances(
    connection: Connection, sites: Sites, streetscape: Streetscape, *, ways: Ways, kind: str, cache_dir: Path
) -> Entrances:
    """Return the entrances of all facilities for one kind of walker, computed at most once.

    Parameters
    ----------
    connection
        An open connection; reads only.
    sites, streetscape
        What to link, and to what.
    ways
        Edges the walker may use, barriers and distances.
    kind
        Name of the kind of walker: profiles that may use the same edges share it.
    cache_dir
        Folder for compiled arrays.
    """
    key = make_key(
        {
            "streets": streetscape.made_from,
            "facilities": fetch_stamps(connection).get("facilities"),
            "kind": kind,
            "max_link_m": ways.max_link_m,
            "outline_reach_m": ways.outline_reach_m,
        }
    )
    arrays = find_bundle(cache_dir / "entrances", key)
    if arrays is None:
        made = link_sites(sites.geometry, sites.zone, ways=ways, gate_point=streetscape.gate_point)
        links = made.links
        arrays = save_bundle(
            cache_dir / "entrances",
            key,
            {"facility": made.facility, "edge": links.edge, "place_mm": links.place_mm, "off_mm": links.off_mm},
        )
    links = Links(*(np.asarray(arrays[name]) for name in ("edge", "place_mm", "off_mm")))
    return Entrances(np.asarray(arrays["facility"]), links)
