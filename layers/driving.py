"""Carry streets and turn bans from the store into the network as a vehicle drives it.

Everything here is static between loads: it is compiled once per version of streets and turn bans and memory-mapped.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import lru_cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from psycopg import sql
from sqlalchemy import select

from geo.costs import WalkProfile
from geo.driving import GATE_CLASS, ROAD_COLUMNS, classify_roads, to_mm_s
from geo.driving_turns import Drive, TurnBans, TurnRules, empty_gate_arcs
from geo.joins import join_streets
from geo.search.graph import Graph
from geo.whatif.rules import ByVehicle
from layers.bundle import find_bundle, make_key, save_bundle
from layers.catalog import read_speeds
from layers.network import fetch_columns, fetch_join_m, fetch_stamps, fetch_streets
from layers.parts.within import pick_rows
from layers.tables import SCHEMA, reference_layer

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from geo.network import Network, Streets
    from layers.bundle import Arrays
    from layers.catalog import Profile
    from layers.network import Streetscape
    from layers.parts.within import Within

TURN_LAYER: Final = "turn-bans"
EMERGENCY: Final = "emergency"

ENGINE_FILES = ("driving.py", "driving_turns.py", "search/graph.py", "costs.py", "whatif/rules.py")
"""Modules of geo whose change makes compiled drives stale."""

# what the way says beyond the columns of its layer stands among the properties, as the file gave it
_ROAD_QUERY: Final = (
    "SELECT id, source, source_id, node_a, node_b, highway, access, steps, oneway, maxspeed, properties->>'junction', "
    "properties->>'motor_vehicle', properties->>'emergency', properties->>'oneway:emergency' "
    "FROM onemap.street WHERE valid_to IS NULL{} ORDER BY id"
)
_IDENTITY: Final = ("id", "source", "source_id", "node_a", "node_b")
_TURN_NAMES: Final = ("source", "kind", "from_way", "via_node", "to_way", "except_for")


@lru_cache(maxsize=1)
def hash_drive_engine() -> str:
    """Return a hash of the code and the speeds that drives are compiled with."""
    package = resources.files("geo")
    made = {name: package.joinpath(name).read_text(encoding="utf-8") for name in ENGINE_FILES}
    return make_key({**made, "speeds": resources.files("data").joinpath("speeds.csv").read_text(encoding="utf-8")})


def load_drive(
    connection: Connection, streetscape: Streetscape, profile: Profile, cache_dir: Path, *, within: Within | None = None
) -> tuple[Drive, str]:
    """Return the network as a vehicle drives it now, compiled at most once per version, and the name of its arrays.

    Parameters
    ----------
    connection
        An open connection; reads only.
    streetscape
        The compiled network.
    profile
        A profile with a vehicle.
    cache_dir
        Folder for compiled arrays.
    within
        The part the network was compiled for; None for all of it.
    """
    key = make_key(
        {
            "streets": streetscape.made_from,
            "turns": fetch_stamps(connection).get(TURN_LAYER),
            "vehicle": profile.vehicle,
            "engine": hash_drive_engine(),
        }
    )
    walker = WalkProfile(profile.code, profile.pace_m_s)
    arrays = find_bundle(cache_dir / "drive", key)
    if arrays is None:
        drive = _compile(connection, streetscape, profile, within)
        arrays = save_bundle(cache_dir / "drive", key, _pack(drive))
    return _unpack(arrays, streetscape, profile, walker), key


def open_gates(streetscape: Streetscape, profile: Profile) -> Network:
    """Return the network with every gate open to all where the vehicle passes them."""
    network = streetscape.network
    if profile.vehicle != EMERGENCY:
        return network
    return replace(network, gate_open_to_all=np.ones_like(network.gate_open_to_all))


def _pack(drive: Drive) -> Arrays:
    graph, bans = drive.graph, drive.bans
    return {
        "cost_ab": drive.cost_ab,
        "cost_ba": drive.cost_ba,
        **{name: getattr(graph, name) for name in ("first", "last", "arc_node", "arc_ms")},
        **{name: getattr(drive, name) for name in ("exit_a", "exit_b", "seed_a", "seed_b")},
        **{name: getattr(bans, name) for name in ("from_edge", "via_node", "to_edge")},
    }


def _unpack(arrays: Arrays, streetscape: Streetscape, profile: Profile, walker: WalkProfile) -> Drive:
    # plain views of the mapped files: compiled kernels know arrays, not their subclasses
    found = {name: np.asarray(array) for name, array in arrays.items()}
    network = open_gates(streetscape, profile)
    return Drive(
        network=network,
        profile=walker,
        graph=Graph(*(found.pop(name) for name in ("first", "last", "arc_node", "arc_ms"))),
        gates=empty_gate_arcs(network),
        bans=TurnBans(*(found.pop(name) for name in ("from_edge", "via_node", "to_edge"))),
        **found,
    )


def _compile(connection: Connection, streetscape: Streetscape, profile: Profile, within: Within | None) -> Drive:
    streets = fetch_streets(connection, streetscape.network.metric_crs, within=within)
    join_m = fetch_join_m(connection)
    if join_m is not None:
        streets, _ = join_streets(streets, tolerance_m=join_m)
    return load_vehicle(connection, streets, profile, within=within).lay_out(streetscape.network)


def load_vehicle(
    connection: Connection, streets: Streets, profile: Profile, *, within: Within | None = None
) -> ByVehicle:
    """Return how a vehicle drives the streets, whatever edits make of them.

    Parameters
    ----------
    connection
        An open connection that sees the state `streets` were read from; reads only.
    streets
        All streets that are loaded, joined where that is set, by id.
    profile
        A profile with a vehicle.
    within
        The part whose streets these are; None for all.
    """
    speeds = read_speeds(profile.vehicle)
    is_emergency = profile.vehicle == EMERGENCY
    identity, tags = _fetch_roads(connection, within)
    classify = partial(classify_roads, streets.street_id, speeds_kmh=speeds, is_emergency=is_emergency)
    return ByVehicle(
        profile=WalkProfile(profile.code, profile.pace_m_s),
        street_id=streets.street_id,
        line=streets.line,
        roads=classify(tags),
        unbarred=classify(tags.assign(access=None)),
        turns=match_turns(fetch_turns(connection), identity, is_emergency=is_emergency),
        gate_mm_s=to_mm_s(speeds[GATE_CLASS]),
        passes_gates=is_emergency,
    )


def _fetch_roads(connection: Connection, within: Within | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return identity and ends, and the columns that say how they are driven, of the streets in the order of ids."""
    tags = ("highway", "access", "steps", "oneway", "maxspeed", "junction", "motor_vehicle", "emergency")
    names = (*_IDENTITY, *tags, "oneway_emergency")
    query = sql.SQL(_ROAD_QUERY).format(pick_rows(within, "streets", "street", "id"))
    found = pd.DataFrame(fetch_columns(connection, query, names), dtype=object)
    return found[list(_IDENTITY)], found[list(ROAD_COLUMNS)]


def fetch_turns(connection: Connection) -> pd.DataFrame:
    """Return the turn restrictions that are loaded, none where there is no such layer."""
    table = connection.execute(
        select(reference_layer.c.table_name).where(reference_layer.c.name == TURN_LAYER)
    ).scalar()
    if table is None:
        return pd.DataFrame({name: np.empty(0, dtype=object) for name in _TURN_NAMES})
    # all of them, also for a part: those whose streets are not there find no place
    query = sql.SQL(
        "SELECT source, kind, from_way, via_node, to_way, except_for FROM {} WHERE valid_to IS NULL ORDER BY id"
    ).format(sql.Identifier(SCHEMA, table))
    return pd.DataFrame(fetch_columns(connection, query, _TURN_NAMES), dtype=object)


def match_turns(turns: pd.DataFrame, identity: pd.DataFrame, *, is_emergency: bool) -> TurnRules:
    """Return turn restrictions as rules between rows of streets.

    A restriction that spares emergency vehicles binds none of them. One whose way does not end at its node, or ends
    there twice, is left out: the loader lists it.

    Parameters
    ----------
    turns
        As :func:`fetch_turns` gives them.
    identity
        Columns source, source_id, node_a, node_b of the streets; pieces of a way are ``way/1/1``, ``way/1/2``.
    is_emergency
        Whether the vehicle is one of those a restriction may spare.
    """
    if is_emergency:
        spared = turns["except_for"].map(lambda text: isinstance(text, str) and EMERGENCY in text.split(";"))
        turns = turns[~spared.to_numpy(dtype=bool)]
    ends = _find_ends(turns, identity)
    rows: list[tuple[int, int, int, int, bool]] = []
    for turn in turns.itertuples(index=False):
        start = ends.get((turn.source, turn.from_way, turn.via_node), [])
        goal = ends.get((turn.source, turn.to_way, turn.via_node), [])
        if len(start) == len(goal) == 1:
            rows.append((*start[0], *goal[0], str(turn.kind).startswith("only_")))
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return TurnRules(table[:, 0], table[:, 1], table[:, 2], table[:, 3], table[:, 4].astype(bool))


def _find_ends(turns: pd.DataFrame, identity: pd.DataFrame) -> dict[tuple[Any, Any, Any], list[tuple[int, int]]]:
    """Return by source, way and node the rows of streets that end there, with the end."""
    way = identity["source_id"].astype("string").str.extract(r"^(way/\d+)", expand=False)
    wanted = {*turns["from_way"], *turns["to_way"]}
    nodes = set(turns["via_node"])
    mine = way.isin(wanted).to_numpy(dtype=bool)
    columns = (identity["source"][mine], way[mine], identity["node_a"][mine], identity["node_b"][mine])
    ends: dict[tuple[Any, Any, Any], list[tuple[int, int]]] = defaultdict(list)
    for row, source, name, *both in zip(np.flatnonzero(mine).tolist(), *columns, strict=True):
        for end, node in enumerate(both):
            if node in nodes:
                ends[source, name, node].append((row, end))
    return ends
