"""Facilities of every type of the standards pack, dense in the old centre and thin on the new edge."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.sample_city import facility_rules as rules
from data.sample_city.blocks import HALF_M
from data.sample_city.ground import polygons_of_boxes
from data.sample_city.labels import address_facilities, name_facilities
from data.sample_city.ledger import Site
from data.sample_city.streams import Purpose, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from data.sample_city.ledger import Ledger
    from data.sample_city.plan import Plan

CRS = "EPSG:4326"


def read_types() -> dict[str, str]:
    """Return the facility types of the standards pack and whether each is a point or an area."""
    text = resources.files("data").joinpath("standards.csv").read_text(encoding="utf-8-sig")
    rows = csv.DictReader(text.splitlines())
    return {row["code"]: row["kind"] for row in rows if row["kind"] in ("point", "area")}


@dataclass(slots=True)
class _Found:
    """Facilities while they are gathered: places on the board, boxes for polygons."""

    plan: Plan
    pieces: list[pd.DataFrame] = field(default_factory=list)

    def add(self, code: str, u: Any, v: Any, boxes: NDArray[np.float64] | None = None) -> None:
        """Add facilities at points, or on boxes (u0, v0, u1, v1) whose entrance is the point."""
        frame = pd.DataFrame({"type": code, "u": np.asarray(u, dtype=float), "v": np.asarray(v, dtype=float)})
        frame[["u0", "v0", "u1", "v1"]] = np.nan if boxes is None else boxes
        self.pieces.append(frame)

    def has(self, code: str) -> bool:
        """Return whether a type has a facility already."""
        return any(len(piece) and piece["type"].iloc[0] == code for piece in self.pieces)


def zones_at(plan: Plan, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the zone group (position in `GROUPS`) of board points."""
    columns, rows = np.array(plan.columns), np.array(plan.rows)
    i = np.clip(np.searchsorted(columns, u, "right") - 1, 0, len(columns) - 2)
    j = np.clip(np.searchsorted(rows, v, "right") - 1, 0, len(rows) - 2)
    letters = {letter: number for number, letter in enumerate(rules.GROUPS)}
    table = np.array([letters.get(cell.zone, 4) for cell in plan.cells])
    return np.asarray(table[j * (len(columns) - 1) + i], dtype=np.int64)


def make_facilities(plan: Plan, ledger: Ledger, public: pd.DataFrame, areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the facilities layer.

    Parameters
    ----------
    public
        Public street pieces on the board, for what stands beside streets, and for addresses.
    areas
        The areas layer, for names.
    """
    types = read_types()
    found = _Found(plan)
    specials, sites = ledger.specials.frame(), ledger.sites.frame()
    _add_grounds(found, types, specials)
    _add_shops_and_hubs(found, sites)
    _add_in_estates(found, sites, ledger.parcels.frame())
    _add_beside_streets(found, public)
    _add_metro(found)
    _add_missing(found, types, specials, sites)
    table = pd.concat(found.pieces, ignore_index=True).sort_values("type", kind="stable", ignore_index=True)
    points = shapely.points(plan.board.to_degrees(table["u"].to_numpy(), table["v"].to_numpy()))
    table["name"] = name_facilities(table, points, [rules.TRAITS[code].title for code in table["type"]], areas)
    table["address"] = address_facilities(table, public)
    return _finish(plan, table, points)


def _rng(found: _Found, code: str, turn: int = 0) -> np.random.Generator:
    """Return the stream of one facility type."""
    return stream(found.plan.seed, Purpose.FACILITIES, *code.encode(), turn)


def _boxes(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the boxes of a table as an array."""
    return np.asarray(table[["u0", "v0", "u1", "v1"]].to_numpy(dtype=np.float64))


def _add_grounds(found: _Found, types: dict[str, str], specials: pd.DataFrame) -> None:
    """Add facilities that have land of their own, and those that share it."""
    for code, rows in specials.groupby("code", sort=True):
        is_area = types[str(code)] == "area" or code in rules.AS_POLYGON
        middle_u, middle_v = (rows["u0"] + rows["u1"]) / 2.0, (rows["v0"] + rows["v1"]) / 2.0
        if is_area:
            found.add(str(code), rows["gate_u"], rows["gate_v"], _boxes(rows))
        else:
            found.add(str(code), 0.7 * rows["gate_u"] + 0.3 * middle_u, 0.7 * rows["gate_v"] + 0.3 * middle_v)
    for code, (grounds, share) in rules.SHELTERS.items():
        rows = specials[specials["code"].isin(grounds)]
        rows = rows[_rng(found, code).random(len(rows)) < share]
        found.add(code, rows["gate_u"], rows["gate_v"], _boxes(rows))
    for code, (hosts, where) in rules.COURTS_IN_PARKS.items():
        rows = specials[specials["code"].isin(hosts)]
        rows = rows[_rng(found, code, 8).random(len(rows)) < rows["code"].map(hosts).to_numpy(dtype=float)]
        box = _boxes(rows)
        size = box[:, 2:] - box[:, :2]
        part = np.hstack([box[:, :2] + size * where[:2], box[:, :2] + size * where[2:]])
        found.add(code, part[:, 0], part[:, 1], part)
    for host, guests in (("ADM_STREET", rules.WITH_STREET_OFFICE), ("MED_HOSPITAL", rules.EXTRA_AT_HOSPITAL)):
        rows = specials[specials["code"] == host]
        for turn, (code, share) in enumerate(guests.items()):
            kept = rows[_rng(found, code, 1).random(len(rows)) < share]
            weight = 0.6 - 0.06 * turn
            found.add(
                code,
                weight * kept["gate_u"] + (1.0 - weight) * (kept["u0"] + kept["u1"]) / 2.0,
                weight * kept["gate_v"] + (1.0 - weight) * (kept["v0"] + kept["v1"]) / 2.0,
            )


def _pick_spread(
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    every_m: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return rows so that each square of the given side holds one at most; squares start at a random place."""
    usable = np.flatnonzero(every_m > 0)
    step = every_m[usable]
    shift = rng.random(2) * 1000.0
    a = np.floor((u[usable] + shift[0]) / step).astype(np.int64)
    b = np.floor((v[usable] + shift[1]) / step).astype(np.int64)
    order = np.lexsort((rng.random(len(usable)), b, a, step))
    keys = np.stack([a[order], b[order], step[order].astype(np.int64)], axis=1)
    first = np.ones(len(order), dtype=bool)
    first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    return np.sort(usable[order[first]])


def _add_shops_and_hubs(found: _Found, sites: pd.DataFrame) -> None:
    """Add what is in shops and ground floors: each type spread for itself, hubs together."""
    shops = sites[sites["site"] == int(Site.SHOP)].reset_index(drop=True)
    u, v = shops["u"].to_numpy(), shops["v"].to_numpy()
    group = zones_at(found.plan, u, v)
    for code, spread in rules.AT_SITES.items():
        rows = _pick_spread(u, v, np.array(spread.every_m, dtype=float)[group], _rng(found, code, 2))
        found.add(code, u[rows], v[rows])
    hubs = _pick_spread(u, v, np.array(rules.HUB_EVERY_M)[group], _rng(found, "HUB"))
    for turn, (code, shares) in enumerate(rules.HUB_TYPES.items()):
        rng = _rng(found, code, 3)
        kept = hubs[rng.random(len(hubs)) < np.array(shares)[group[hubs]]]
        # rooms of one house: a few steps apart, so that no two facilities are one point
        found.add(code, u[kept] + 0.7 * (turn % 4) - 1.0, v[kept] + 0.7 * (turn // 4) - 1.0)


def _add_in_estates(found: _Found, sites: pd.DataFrame, parcels: pd.DataFrame) -> None:
    """Add what is inside estates: bins, sheds, lockers, property offices, greens with playgrounds."""
    for code, (site, share) in rules.IN_ESTATES.items():
        rows = sites[sites["site"] == int(site)]
        rows = rows[_rng(found, code, 4).random(len(rows)) < share]
        shift = {"TRA_EBIKE": 2.4, "MED_AED": 1.6}.get(code, 0.0)
        found.add(code, rows["u"] + shift, rows["v"])
    greens = parcels[(parcels["use"] == "garden") & (parcels["u1"] - parcels["u0"] > 14)]
    middle_u = (greens["u0"] + greens["u1"]) / 2.0
    found.add("GRN_BLOCK", middle_u, greens["v0"], _boxes(greens))
    grounds = greens.assign(u1=greens["u0"] + 0.35 * (greens["u1"] - greens["u0"]))
    found.add("SPO_KIDSOLD", grounds["u0"], grounds["v0"], _boxes(grounds))
    for code, (share, start, end) in rules.COURTS_IN_ESTATES.items():
        rows = greens[_rng(found, code, 9).random(len(greens)) < share]
        wide = rows["u1"] - rows["u0"]
        rows = rows.assign(u1=rows["u0"] + end * wide, u0=rows["u0"] + start * wide)
        found.add(code, rows["u0"], rows["v0"], _boxes(rows))


def _add_beside_streets(found: _Found, public: pd.DataFrame) -> None:
    """Add what stands beside public streets, off the carriageway."""
    length = (public["ub"] - public["ua"]) + (public["vb"] - public["va"])
    usable = public[(length >= 24) & ~public["bridge"] & ~public["tunnel"]]
    for code, (classes, every_m) in rules.BESIDE_STREETS.items():
        rows = usable[usable["highway"].isin(classes)]
        rng = _rng(found, code, 5)
        share = 0.2 + 0.6 * rng.random(len(rows))
        side = np.where(rng.random(len(rows)) < 0.5, 1.0, -1.0)
        off = side * rows["highway"].map({key: 0.72 * half for key, half in HALF_M.items()}).to_numpy(dtype=float)
        is_flat = (rows["ub"] > rows["ua"]).to_numpy()
        u = rows["ua"] + share * (rows["ub"] - rows["ua"]) + np.where(is_flat, 0.0, off)
        v = rows["va"] + share * (rows["vb"] - rows["va"]) + np.where(is_flat, off, 0.0)
        at_u = np.clip(u.to_numpy(dtype=float), 1.0, found.plan.width_m - 1.0)
        at_v = np.clip(v.to_numpy(dtype=float), 1.0, found.plan.height_m - 1.0)
        picked = _pick_spread(at_u, at_v, np.array(every_m)[zones_at(found.plan, at_u, at_v)], rng)
        found.add(code, at_u[picked], at_v[picked])


def metro_stations(plan: Plan) -> list[tuple[float, float, int]]:
    """Return metro stations as (u, v, line): along every fourth arterial each way, at its crossings."""
    stations: list[tuple[float, float, int]] = []
    skip_columns, skip_rows = (plan.rail_column, plan.rail_column + 1), (plan.river_row, plan.river_row + 1)
    columns = [i for i in range(1, len(plan.columns) - 1) if i not in skip_columns]
    rows = [j for j in range(1, len(plan.rows) - 1) if j not in skip_rows]
    line = 1
    for i in columns[1::4]:
        stations.extend((plan.columns[i] + 24.0, plan.rows[j] - 26.0, line) for j in rows)
        line += 1
    for j in rows[1::4]:
        stations.extend((plan.columns[i] - 24.0, plan.rows[j] + 26.0, line) for i in columns)
        line += 1
    if not stations:
        stations.append((plan.columns[-2] + 22.0, plan.rows[-2] + 22.0, 1))
    return stations


def _add_metro(found: _Found) -> None:
    """Add the entrances of metro stations."""
    stations = metro_stations(found.plan)
    found.add("TRA_METRO", [station[0] for station in stations], [station[1] for station in stations])


def _add_missing(found: _Found, types: dict[str, str], specials: pd.DataFrame, sites: pd.DataFrame) -> None:
    """Add one facility of each type that has none yet: areas on the largest green, points in a shop."""
    size = (specials["u1"] - specials["u0"]) * (specials["v1"] - specials["v0"])
    green = specials[specials["code"].str.startswith(("GRN_", "SPO_", "EDU_"))]
    ground = green.loc[[size.loc[green.index].idxmax()]]
    shops = sites[sites["site"] == int(Site.SHOP)]
    for code, kind in types.items():
        if found.has(code):
            continue
        if kind == "area":
            found.add(code, ground["gate_u"], ground["gate_v"], _boxes(ground))
        else:
            row = shops.iloc[[int(_rng(found, code, 6).integers(len(shops)))]]
            found.add(code, row["u"], row["v"])


def _finish(plan: Plan, table: pd.DataFrame, points: NDArray[Any]) -> gpd.GeoDataFrame:
    """Return the facilities layer with capacities, supply and hours."""
    geometry = points.copy()
    is_area = table["u0"].notna().to_numpy()
    geometry[is_area] = polygons_of_boxes(plan.board, table[is_area])
    group = zones_at(plan, table["u"].to_numpy(), table["v"].to_numpy())
    rng = stream(plan.seed, Purpose.FACILITIES, 7)
    draws = rng.random((len(table), 2))
    traits = [rules.TRAITS[code] for code in table["type"]]
    land = ((table["u1"] - table["u0"]) * (table["v1"] - table["v0"])).to_numpy()
    capacity = [
        _capacity(str(code), trait, (float(draw), float(area)), is_new=bool(zone == 3))
        for code, trait, draw, area, zone in zip(table["type"], traits, draws[:, 0], land, group, strict=True)
    ]
    supply = {"p": "public", "m": "market", "c": "contracted", "s": "shared"}
    letters = [trait.supply[int(draw * len(trait.supply))] for trait, draw in zip(traits, draws[:, 1], strict=True)]
    hours = [
        rules.AFTER_SCHOOL if letter == "s" else trait.hours for trait, letter in zip(traits, letters, strict=True)
    ]
    frame = pd.DataFrame(
        {
            "source_id": [f"fac-{number:06d}" for number in range(1, len(table) + 1)],
            "type": table["type"].to_numpy(dtype=object),
            "name": table["name"].to_numpy(dtype=object),
            "capacity": capacity,
            "supply": [supply[letter] for letter in letters],
            "opening_hours": hours,
            "address": table["address"].to_numpy(dtype=object),
        }
    )
    return gpd.GeoDataFrame(frame, geometry=geometry, crs=CRS)


def _capacity(code: str, trait: rules.Traits, drawn: tuple[float, float], *, is_new: bool) -> float:
    """Return the capacity of a facility; parks and shelters follow from their land."""
    draw, area_m2 = drawn
    low, high = trait.capacity
    if code.startswith(("GRN_", "SAF_SHELTER")) and not np.isnan(area_m2):
        share = rules.PARK_SHARE.get(code, 0.55)
        return float(round(area_m2 * share / 10.0) * 10)
    value = low + (high - low) * draw
    if is_new and high > low:
        value *= rules.NEW_EDGE_CAPACITY
    return float(round(value / 5.0) * 5) if value > 30 else float(round(value))
