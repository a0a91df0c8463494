"""OpenStreetMap: an invented quarter whose layers are known, and both real extracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import osmium
import pandas as pd
import pytest
import shapely
from osmium.osm.mutable import Node, Relation, Way

from geo.errors import DataError, RequestError
from layers.read import osm_tags as rules
from layers.read.osm import CORE_LAYERS, REFERENCE_LAYERS, cut_at_nodes, read_osm
from layers.read.osm_rows import BARRIER_LAYERS

if TYPE_CHECKING:
    from pathlib import Path

    from layers.loading.clean import Reject, Repair

WEST, SOUTH, STEP = 114.30, 30.59, 0.001

# node id → column, row on a grid of 0.001°; tags
NODES: dict[int, tuple[float, float, dict[str, str]]] = {
    **{10 + n: (n, 0, {}) for n in range(5)},  # a street along the south, 10 to 14
    **{20 + n: (2, n, {}) for n in range(1, 5)},  # a street north from node 12: 21 to 24
    # a compound of 3 × 3 steps north-east, its gate at 33 on the street's side
    31: (2.5, 1, {}),
    32: (4.5, 1, {}),
    33: (2.5, 2, {"barrier": "gate", "foot": "yes", "opening_hours": "06:00-23:00"}),
    34: (4.5, 3, {}),
    35: (2.5, 3, {"entrance": "main"}),
    # a building inside it, its doors
    41: (3, 2, {"entrance": "garage"}),
    42: (3.4, 2, {"entrance": "staircase"}),
    43: (3.4, 2.4, {"entrance": "main"}),
    44: (3, 2.4, {}),
    # single things
    50: (0.5, 0.2, {"amenity": "pharmacy", "name": "大药房", "operator:type": "private", "opening_hours": "24/7"}),
    51: (1.0, 0.2, {"highway": "bus_stop", "name": "洪山站"}),
    52: (1.2, 0.2, {"natural": "tree"}),
    53: (0, 3, {"barrier": "lift_gate", "access": "private"}),
    54: (0.2, 0.2, {"building": "entrance"}),
    55: (0.3, 0.3, {"building": "kiosk"}),
    # a lake with an island: outer 61 to 64, inner 65 to 67
    **{60 + n: (xy[0], xy[1], {}) for n, xy in enumerate([(6, 0), (9, 0), (9, 3), (6, 3)], start=1)},
    **{64 + n: (xy[0], xy[1], {}) for n, xy in enumerate([(7, 1), (8, 1), (8, 2)], start=1)},
    # rails and a river far north, a district round everything
    71: (0, 6, {}),
    72: (9, 6, {}),
    73: (0, 7, {}),
    74: (9, 7, {}),
    **{80 + n: (xy[0], xy[1], {}) for n, xy in enumerate([(-1, -1), (10, -1), (10, 8), (-1, 8)], start=1)},
    **{84 + n: (xy[0], xy[1], {}) for n, xy in enumerate([(-1, -1), (5, -1), (5, 8), (-1, 8)], start=1)},
}
# way id → nodes, tags; node 999 is not in the extract
WAYS: dict[int, tuple[list[int], dict[str, str]]] = {
    100: ([10, 11, 12, 13, 14], {"highway": "residential", "name": "南街", "oneway": "yes", "maxspeed": "30"}),
    101: ([12, 21, 22, 23, 24], {"highway": "steps", "incline": "up", "wheelchair": "no", "foot": "yes"}),
    102: ([22, 33], {"highway": "service", "access": "private"}),
    103: ([10, 999, 12, 13], {"highway": "footway"}),
    104: ([10, 999], {"highway": "footway"}),
    105: ([10, 71], {"highway": "construction"}),
    106: ([10, 71], {"highway": "platform"}),
    107: ([11, 73], {"highway": "motorway"}),
    110: ([31, 32, 34, 35, 33, 31], {"landuse": "residential", "name": "东湖花园", "barrier": "wall"}),
    111: ([41, 42, 43, 44, 41], {"building": "apartments", "building:levels": "18", "building:flats": "72"}),
    112: ([61, 62, 63, 64, 61], {}),
    113: ([65, 66, 67, 65], {}),
    114: ([71, 72], {"railway": "rail"}),
    115: ([71, 72], {"railway": "subway", "tunnel": "yes"}),
    116: ([71, 72], {"railway": "rail", "bridge": "yes"}),
    117: ([73, 74], {"waterway": "river", "name": "沙湖港"}),
    118: ([73, 74], {"waterway": "river", "tunnel": "culvert"}),
    119: ([81, 82, 83, 84, 81], {}),
    120: ([61, 62, 999, 61], {"building": "yes"}),
    121: ([10, 11], {"building": "yes"}),
    122: ([85, 86, 87, 88, 85], {}),
    123: ([81, 82], {"boundary": "administrative", "admin_level": "6"}),
}
RELATIONS: dict[int, tuple[list[tuple[int, str]], dict[str, str]]] = {
    200: ([(112, "outer"), (113, "inner")], {"type": "multipolygon", "natural": "water", "name": "东湖"}),
    201: (
        [(119, "outer")],
        {"type": "boundary", "boundary": "administrative", "admin_level": "6", "name": "洪山区"},
    ),
    202: (
        [(122, "outer")],
        {"type": "boundary", "boundary": "administrative", "admin_level": "8", "name": "珞南街道"},
    ),
    203: ([(998, "outer")], {"type": "multipolygon", "building": "yes"}),
    204: ([(100, "")], {"type": "route", "route": "bus"}),
}


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the invented quarter as a .osm.pbf file."""
    path: Path = tmp_path_factory.mktemp("osm") / "quarter.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for number in sorted(NODES):
            column, row, tags = NODES[number]
            writer.add_node(Node(id=number, location=(WEST + column * STEP, SOUTH + row * STEP), tags=tags))
        for number, (nodes, tags) in sorted(WAYS.items()):
            writer.add_way(Way(id=number, nodes=nodes, tags=tags))
        for number, (members, tags) in sorted(RELATIONS.items()):
            writer.add_relation(Relation(id=number, members=[("w", ref, role) for ref, role in members], tags=tags))
    return path


class Layers:
    """All layers of an extract: one frame a layer, with rejects and repairs."""

    def __init__(self, path: Path, **options: Any) -> None:
        frames: dict[str, list[pd.DataFrame]] = {}
        self.rejected: dict[str, list[Reject]] = {}
        self.repairs: dict[str, list[Repair]] = {}
        for layer, clean in read_osm(path, **options):
            frames.setdefault(layer, []).append(clean.frame)
            self.rejected.setdefault(layer, []).extend(clean.rejected)
            self.repairs.setdefault(layer, []).extend(clean.repairs)
            assert clean.rows_read == len(clean.frame) + len(clean.rejected)
        self.frames = {layer: pd.concat(parts, ignore_index=True) for layer, parts in frames.items()}

    def row(self, layer: str, source_id: str) -> dict[str, Any]:
        """Return one row."""
        frame = self.frames[layer]
        (found,) = frame[frame["source_id"] == source_id].to_dict("records")
        return {str(name): value for name, value in found.items()}

    def ids(self, layer: str) -> list[str]:
        """Return the identities of a layer, sorted."""
        return sorted(self.frames[layer]["source_id"]) if layer in self.frames else []


@pytest.fixture(scope="module")
def quarter(extract: Path) -> Layers:
    return Layers(extract)


def test_streets_are_cut_where_they_meet(quarter: Layers) -> None:
    ends = {
        name: (quarter.row("streets", name)["node_a"], quarter.row("streets", name)["node_b"])
        for name in quarter.ids("streets")
    }
    # 10, 11, 12, 13 and 22 are shared; 33 is a gate; 14, 24 and 73 are loose ends
    assert ends == {
        "way/100/1": (10, 11),
        "way/100/2": (11, 12),
        "way/100/3": (12, 13),
        "way/100/4": (13, 14),
        "way/101/1": (12, 22),
        "way/101/2": (22, 24),
        "way/102": (22, 33),
        "way/103": (12, 13),
        "way/107": (11, 73),
    }


def test_street_columns(quarter: Layers) -> None:
    stairs = quarter.row("streets", "way/101/1")
    assert (stairs["steps"], stairs["incline"], stairs["wheelchair"], stairs["foot"]) == (True, "up", "no", "yes")
    assert stairs["line"] == 101
    street = quarter.row("streets", "way/100/2")
    assert (street["steps"], street["oneway"], street["maxspeed"]) == (False, "yes", "30")
    assert street["properties"]["name"] == "南街"
    line = shapely.from_wkb(street["geom"])
    assert np.allclose(shapely.get_coordinates(line), [[WEST + STEP, SOUTH], [WEST + 2 * STEP, SOUTH]])


def test_ways_that_leave_the_extract(quarter: Layers) -> None:
    assert [(r.line, r.reason_code) for r in quarter.rejected["streets"]] == [(104, "geometry-missing")]
    assert [(r.line, r.kind, r.detail) for r in quarter.repairs["streets"]] == [
        (103, "parts-dropped", "2 of 4 nodes are not in the extract")
    ]


def test_buildings_with_their_best_door(quarter: Layers) -> None:
    assert quarter.ids("buildings") == ["node/55", "way/111"]
    house = quarter.row("buildings", "way/111")
    assert (house["use"], house["floors"], house["dwellings"]) == ("apartments", 18.0, 72)
    door = shapely.from_wkb(house["entrance"])
    assert (door.x, door.y) == pytest.approx((WEST + 3.4 * STEP, SOUTH + 2.4 * STEP))
    assert shapely.from_wkb(house["geom"]).geom_type == "Polygon"
    assert {(r.source_id, r.reason_code) for r in quarter.rejected["buildings"]} == {
        ("way/120", "geometry-unreadable"),
        ("way/121", "geometry-unreadable"),
        ("relation/203", "geometry-unreadable"),
    }


def test_compound_and_its_gates(quarter: Layers) -> None:
    assert quarter.ids("compounds") == ["way/110"]
    assert quarter.row("compounds", "way/110")["name"] == "东湖花园"
    gate = quarter.row("gates", "node/33")
    assert (gate["compound_id"], gate["opens_to"], gate["hours"]) == ("way/110", "all", "06:00-23:00")
    assert quarter.row("gates", "node/35")["compound_id"] == "way/110"
    lone = quarter.row("gates", "node/53")
    assert (lone["compound_id"], lone["opens_to"]) == (None, "residents")
    assert quarter.ids("gates") == ["node/33", "node/35", "node/53"]


def test_areas_form_a_tree(quarter: Layers) -> None:
    assert quarter.ids("areas") == ["relation/201", "relation/202"]
    street_area = quarter.row("areas", "relation/202")
    assert (street_area["code"], street_area["name"], street_area["level"]) == ("relation/202", "珞南街道", "8")
    assert street_area["parent_code"] == "relation/201"
    assert quarter.row("areas", "relation/201")["parent_code"] is None


def test_facilities_are_recognised(quarter: Layers) -> None:
    shop = quarter.row("facilities", "node/50")
    assert (shop["type"], shop["name"], shop["supply"]) == ("MED_PHARMACY", "大药房", "market")
    assert shop["opening_hours"] == "24/7"
    assert shop["type_basis"]
    assert quarter.row("facilities", "node/51")["type"] == "TRA_BUS"
    assert "node/52" not in quarter.ids("facilities")


def test_reference_layers_and_barriers(quarter: Layers) -> None:
    assert quarter.ids("water") == ["relation/200", "way/117"]
    assert len(shapely.from_wkb(quarter.row("water", "relation/200")["geom"]).interiors) == 1
    assert quarter.row("water", "way/117")["kind"] == "river"
    assert quarter.ids("railway") == ["way/114"]
    assert quarter.ids("landuse") == ["way/110"]
    assert quarter.ids("transit") == ["node/51"]
    assert {"water", "railway"} == BARRIER_LAYERS


def test_box_cuts_and_layers_choose(extract: Path) -> None:
    box = (WEST + 2.9 * STEP, SOUTH + 1.9 * STEP, WEST + 3.5 * STEP, SOUTH + 2.5 * STEP)
    cut = Layers(extract, bbox=box)
    assert cut.ids("buildings") == ["way/111"]
    assert cut.ids("streets") == []
    assert cut.ids("compounds") == ["way/110"]
    assert cut.ids("facilities") == []
    only = Layers(extract, layers=["streets"])
    assert set(only.frames) == {"streets"}


def test_batches_are_bounded_and_add_up(extract: Path, quarter: Layers) -> None:
    small = Layers(extract, rows=2)
    for layer in (*CORE_LAYERS, *REFERENCE_LAYERS):
        assert small.ids(layer) == quarter.ids(layer)
    assert all(len(clean.frame) <= 6 for _, clean in read_osm(extract, rows=2))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bbox": (1.0, 2.0, 0.0, 3.0)}, "no box in degrees"),
        ({"bbox": (0.0, 0.0, 500_000.0, 1.0)}, "no box in degrees"),
        ({"layers": ["buildings", "dragons"]}, "no layer dragons"),
    ],
)
def test_bad_options(extract: Path, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(RequestError, match=expected) as fault:
        list(read_osm(extract, **options))
    assert fault.value.hint


def test_bad_extracts(tmp_path: Path, extract: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_osm(tmp_path / "nothing.osm.pbf"))
    table = tmp_path / "a.csv"
    table.write_text("id\n1\n")
    with pytest.raises(DataError, match="expected an OpenStreetMap extract"):
        list(read_osm(table))
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(extract.read_bytes()[:-200])
    with pytest.raises(DataError, match="cannot be read on"):
        list(read_osm(cut))
    noise = tmp_path / "noise.osm.pbf"
    noise.write_bytes(extract.read_bytes()[:40] + bytes(200))
    with pytest.raises(DataError, match="cannot be read on"):
        list(read_osm(noise))


def test_cutting_leaves_nothing_out() -> None:
    run = [(number, number / 10, 0.0) for number in range(1, 8)]
    pieces = cut_at_nodes(run, np.array([1, 3, 4, 7, 99]))
    assert [[node[0] for node in piece] for piece in pieces] == [[1, 2, 3], [3, 4], [4, 5, 6, 7]]
    assert cut_at_nodes(run, np.empty(0, dtype=np.int64)) == [run]
    assert cut_at_nodes(run[:2], np.array([1, 2])) == [run[:2]]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"foot": "yes", "access": "private"}, "all"),
        ({"access": "private"}, "residents"),
        ({"foot": "no"}, "residents"),
        ({"barrier": "gate"}, None),
    ],
)
def test_who_a_gate_lets_in(tags: dict[str, str], expected: str | None) -> None:
    assert rules.opens_to(tags) == expected


def test_address_lines() -> None:
    assert rules.join_address({"addr:full": "武汉市洪山区1号"}) == "武汉市洪山区1号"
    assert rules.join_address({"addr:street": "A", "addr:housenumber": "4", "addr:city": "B"}) == "A 4, B"
    assert rules.join_address({"addr:city": "B"}) is None


@pytest.mark.real
def test_helsinki(real_data: Path) -> None:
    city = Layers(real_data / "helsinki" / "Helsinki.osm.pbf")
    rows = {layer: len(frame) for layer, frame in city.frames.items()}
    whole = sum(1 for name in city.ids("buildings") if not name.startswith("node/"))
    assert whole + len(city.rejected["buildings"]) == 499  # 500 ways and relations carry the tag, one is an entrance
    assert rows["streets"] > 5_000
    assert rows["facilities"] > 700
    assert rows["railway"] > 100
    _check_network(city.frames["streets"])


@pytest.mark.real
def test_porto_alegre(real_data: Path) -> None:
    city = Layers(real_data / "portoalegre" / "poa_osm.pbf")
    rows = {layer: len(frame) for layer, frame in city.frames.items()}
    assert rows["streets"] > 29_000
    assert city.frames["streets"]["line"].nunique() + len(city.rejected["streets"]) == 15_701
    assert rows["buildings"] == 19
    assert rows["gates"] > 400
    _check_network(city.frames["streets"])


def _check_network(streets: pd.DataFrame) -> None:
    """Pieces meet at nodes only: no inner vertex of one is an end of another, and one node is one place."""
    lines = shapely.from_wkb(streets["geom"].tolist())
    first, last = shapely.get_point(lines, 0), shapely.get_point(lines, -1)
    ends = pd.DataFrame(
        {
            "node": [*streets["node_a"], *streets["node_b"]],
            "x": [*shapely.get_x(first), *shapely.get_x(last)],
            "y": [*shapely.get_y(first), *shapely.get_y(last)],
        }
    )
    places = ends.groupby("node")[["x", "y"]]
    assert (places.max() == places.min()).all(axis=None)
    assert streets["source_id"].is_unique
