"""Edits of a scenario as people ask for them — degrees, store ids, type codes — and as the engine takes them.

An edit is a JSON object with its ``op``; the shapes of all of them are those of the HTTP interface. Facilities that a
scenario adds are known in later edits as -1, -2 … in the order they were added, ways it draws alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.geometry import shape

from geo.errors import RequestError
from geo.network import NO_WHEELCHAIR, STEPS
from geo.whatif import edits as engine
from layers.network import project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geo.network import Network
    from geo.whatif.edits import Edit
    from layers.catalog import Pack
    from layers.sites import Sites

RawEdit = dict[str, Any]

EDITS_MAX = engine.MAX_EDITS
"""Edits in one scenario, all batches together."""

NAME_MAX = 200
VERTICES_MAX = 2_000
"""Corners of one line or ring."""

PATH_MAX_M = 20_000.0
"""A longer path is no way that somebody draws."""

SITE_MAX_M = 5_000.0
"""A wider site is no facility."""

FAR_M = 50_000.0
"""A place farther than this from all streets is a slip."""

STAIRS = STEPS | NO_WHEELCHAIR
"""Flags of a path with steps: wheels do not get along it."""

FACILITY_OPS = frozenset({"move_facility", "close_facility", "resize_facility"})
STREET_OPS = frozenset({"close_street", "open_street"})
GATE_OPS = frozenset({"close_gate", "open_gate"})


@dataclass(frozen=True)
class Ground:
    """What edits are read against.

    Attributes
    ----------
    pack
        The standards pack: which type counts for which.
    judged
        Codes of the types the base run judged.
    sites, network
        Facilities and streets of the base.
    find_street_max
        Gives the largest store id of all streets; paths are numbered behind it.
    """

    pack: Pack
    judged: frozenset[str]
    sites: Sites
    network: Network
    find_street_max: Callable[[], int]

    @cached_property
    def street_ids(self) -> frozenset[int]:
        """Return the store ids of all streets that have an edge."""
        return frozenset(np.unique(self.network.edge_street).tolist()) - {0}

    @cached_property
    def gate_ids(self) -> frozenset[int]:
        """Return the store ids of the gates of enforced compounds."""
        return frozenset(self.network.gate_id.tolist())

    @cached_property
    def extent_m(self) -> shapely.Polygon:
        """Return the box of the streets, metric CRS."""
        x, y = self.network.node_x_mm, self.network.node_y_mm
        return shapely.box(x.min() / 1000, y.min() / 1000, x.max() / 1000, y.max() / 1000)

    def find_served(self, code: str) -> frozenset[str]:
        """Return the judged types that a facility of a type serves: its own and those it counts for."""
        also = self.pack[code].counts_for.split("|")
        return frozenset(code_ for code_ in (code, *also) if code_ in self.judged)


@dataclass
class _Reader:
    """Reads one list of edits, in order."""

    ground: Ground
    columns: Sequence[str]
    offset: int
    added: int = 0
    drawn: int = 0
    closed: set[int] = field(default_factory=set)

    def read(self, number: int, raw: RawEdit) -> Edit:
        """Return one edit as the engine takes it."""
        op = raw["op"]
        name = f"edits[{number - self.offset}]"
        if op == "draw_path":
            self.drawn += 1
            return engine.PathDrawn(self._read_path(name, raw), STAIRS if raw.get("steps") else 0)
        if op == "add_facility":
            return self._read_added(name, raw)
        if op in FACILITY_OPS:
            return self._read_facility(name, raw)
        if op in STREET_OPS:
            street = self._read_street(name, raw["street_id"])
            return engine.StreetClosed(street) if op == "close_street" else engine.StreetOpened(street)
        if op in GATE_OPS:
            gate = _known(name, "gate_id", raw["gate_id"], self.ground.gate_ids, "gate of a walled compound")
            return engine.GateClosed(gate) if op == "close_gate" else engine.GateOpened(gate, _opens_to_all(raw))
        raise RequestError(f"Reading {name}: found op {op!r:.60}", parameter=f"{name}.op")

    def _read_added(self, name: str, raw: RawEdit) -> Edit:
        ground, code = self.ground, raw["type"]
        if code not in {kind.code for kind in ground.pack.types}:
            raise RequestError(
                f"Reading {name}: there is no facility type {code[:80]!r}",
                hint="`onemap standards` lists the types.",
                parameter=f"{name}.type",
            )
        served = ground.find_served(code)
        if not served:
            raise RequestError(
                f"Reading {name}: the base run did not judge type {code}, it judged {', '.join(sorted(ground.judged))}",
                hint="Base the scenario on a run that judged this type.",
                parameter=f"{name}.type",
            )
        self.added += 1
        serves = tuple(number for number, column in enumerate(self.columns) if column in served)
        return engine.FacilityAdded(self._read_site(name, raw), serves, raw.get("capacity"))

    def _read_facility(self, name: str, raw: RawEdit) -> Edit:
        row = self._find_facility(name, raw["facility_id"])
        if row in self.closed:
            raise RequestError(
                f"Reading {name}: an edit before it closes facility {raw['facility_id']}",
                parameter=f"{name}.facility_id",
            )
        if raw["op"] == "move_facility":
            return engine.FacilityMoved(row, self._read_site(name, raw))
        if raw["op"] == "close_facility":
            self.closed.add(row)
            return engine.FacilityClosed(row)
        return engine.FacilityResized(row, float(raw["capacity"]))

    def _find_facility(self, name: str, facility_id: int) -> int:
        ids = self.ground.sites.facility_id
        if facility_id < 0:
            if -facility_id > self.added:
                raise RequestError(
                    f"Reading {name}: found facility {facility_id}, but the edits before it add {self.added}",
                    hint="-1 is the first facility that the scenario adds, -2 the second.",
                    parameter=f"{name}.facility_id",
                )
            return int(ids.shape[0]) - facility_id - 1
        row = int(np.searchsorted(ids, facility_id))
        if row == ids.shape[0] or ids[row] != facility_id:
            raise RequestError(
                f"Reading {name}: there is no facility {facility_id}",
                hint="/ogc/collections/facilities/items lists the facilities.",
                parameter=f"{name}.facility_id",
            )
        return row

    def _read_street(self, name: str, street_id: int) -> int:
        if street_id < 0:
            if -street_id > self.drawn:
                raise RequestError(
                    f"Reading {name}: found street {street_id}, but the edits before it draw {self.drawn} paths",
                    hint="-1 is the first path that the scenario draws, -2 the second.",
                    parameter=f"{name}.street_id",
                )
            return self.ground.find_street_max() - street_id
        return _known(name, "street_id", street_id, self.ground.street_ids, "street")

    def _read_site(self, name: str, raw: RawEdit) -> shapely.Geometry:
        site = self._read_geometry(name, raw)
        west, south, east, north = site.bounds
        if max(east - west, north - south) > SITE_MAX_M:
            raise RequestError(
                f"Reading {name}: the site is {max(east - west, north - south):,.0f} m wide, expected at most "
                f"{SITE_MAX_M:,.0f} m",
                parameter=f"{name}.geometry",
            )
        return site

    def _read_path(self, name: str, raw: RawEdit) -> shapely.Geometry:
        path = self._read_geometry(name, raw)
        if not 0 < path.length <= PATH_MAX_M:
            raise RequestError(
                f"Reading {name}: the path is {path.length:,.1f} m long, expected above 0 and at most "
                f"{PATH_MAX_M:,.0f} m",
                parameter=f"{name}.geometry",
            )
        return path

    def _read_geometry(self, name: str, raw: RawEdit) -> shapely.Geometry:
        geometry = shapely.force_2d(shape(raw["geometry"]))
        if not geometry.is_valid:
            raise RequestError(
                f"Reading {name}: the outline is not valid: {shapely.is_valid_reason(geometry)[:120]}",
                parameter=f"{name}.geometry",
            )
        metric = project(np.array([geometry], dtype=object), self.ground.network.metric_crs)[0]
        # `not <=` also refuses what the projection cannot tell
        if not shapely.distance(metric, self.ground.extent_m) <= FAR_M:
            raise RequestError(
                f"Reading {name}: the place lies more than {FAR_M / 1000:g} km from all streets",
                hint="Coordinates are longitude and latitude in degrees (EPSG:4326), longitude first.",
                parameter=f"{name}.geometry",
            )
        return metric


def _opens_to_all(raw: RawEdit) -> bool:
    return bool(raw.get("opens_to", "all") == "all")


def _known(name: str, field: str, value: int, known: frozenset[int], what: str) -> int:
    if value not in known:
        raise RequestError(f"Reading {name}: there is no {what} {value}", parameter=f"{name}.{field}")
    return value


def read_edits(ground: Ground, edits: Sequence[RawEdit], *, columns: Sequence[str], offset: int = 0) -> list[Edit]:
    """Return edits as the engine takes them.

    Parameters
    ----------
    ground
        What they are read against.
    edits
        All edits in effect, in order.
    columns
        Type of each column of the engine.
    offset
        Edits before those that were just asked for; faults count from there.

    Raises
    ------
    RequestError
        An edit names what does not exist, or its geometry cannot be used; ``parameter`` names it as
        ``edits[3].geometry``.
    """
    if len(edits) > EDITS_MAX:
        raise RequestError(
            f"Reading {len(edits)} edits: a scenario holds at most {EDITS_MAX}",
            hint="Split them over several scenarios.",
            parameter="edits",
        )
    reader = _Reader(ground, columns, offset)
    return [reader.read(number, raw) for number, raw in enumerate(edits)]
