"""Turn restrictions of an extract: kept where their streets meet, rejected with the reason elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import osmium
import pandas as pd
import pytest
import shapely
from osmium.osm.mutable import Node, Relation, Way

from layers.read import REASONS
from layers.read.osm import read_osm

if TYPE_CHECKING:
    from pathlib import Path

LON, LAT, STEP = 114.30, 30.59, 0.001
# a plus: way 1 from the west, way 2 on to the east, way 3 runs through from south to north, way 4 is no street
PLACES = {1: (-1, 0), 2: (0, 0), 3: (1, 0), 4: (0, 1), 5: (0, -1), 6: (1, 1)}
WAYS: dict[int, tuple[list[int], dict[str, str]]] = {
    1: ([1, 2], {"highway": "residential"}),
    2: ([2, 3], {"highway": "residential"}),
    3: ([5, 2, 4], {"highway": "residential"}),
    4: ([2, 6], {"railway": "rail"}),
}
NO_LEFT = {"type": "restriction", "restriction": "no_left_turn"}
FROM_WEST, VIA, TO_EAST = ("w", 1, "from"), ("n", 2, "via"), ("w", 2, "to")


def read(path: Path, tags: dict[str, str], *members: tuple[str, int, str]) -> tuple[pd.DataFrame, list[Any]]:
    """Return the turn bans kept and rejected of the plus with one relation."""
    with osmium.SimpleWriter(str(path / "plus.osm.pbf"), overwrite=True) as writer:
        for number, (x, y) in PLACES.items():
            writer.add_node(Node(id=number, location=(LON + x * STEP, LAT + y * STEP)))
        for number, (nodes, own) in WAYS.items():
            writer.add_way(Way(id=number, nodes=nodes, tags=own))
        writer.add_relation(Relation(id=7, members=list(members), tags=tags))
    found = [clean for layer, clean in read_osm(path / "plus.osm.pbf") if layer == "turn-bans"]
    frames = [clean.frame for clean in found]
    return pd.concat(frames, ignore_index=True), [reject for clean in found for reject in clean.rejected]


def test_a_sound_restriction_keeps_its_members_and_its_place(tmp_path: Path) -> None:
    frame, rejected = read(tmp_path, {**NO_LEFT, "except": "emergency;psv"}, FROM_WEST, VIA, TO_EAST)
    assert rejected == []
    (row,) = frame.to_dict("records")
    assert (row["source_id"], row["kind"], row["from_way"], row["via_node"], row["to_way"], row["except_for"]) == (
        "relation/7",
        "no_left_turn",
        "way/1",
        2,
        "way/2",
        "emergency;psv",
    )
    assert shapely.from_wkb(row["geom"]).distance(shapely.Point(LON, LAT)) < 1e-9


@pytest.mark.parametrize("word", ["restriction:motorcar", "restriction:motor_vehicle"])
def test_a_restriction_for_cars_binds(tmp_path: Path, word: str) -> None:
    frame, _ = read(tmp_path, {"type": "restriction", word: "only_straight_on"}, FROM_WEST, VIA, TO_EAST)
    assert frame["kind"].tolist() == ["only_straight_on"]


def test_no_entry_from_several_ways_is_several_bans(tmp_path: Path) -> None:
    tags = {"type": "restriction", "restriction": "no_entry"}
    frame, _ = read(tmp_path, tags, FROM_WEST, ("w", 2, "from"), VIA, TO_EAST)
    assert frame[["source_id", "from_way", "to_way"]].to_numpy().tolist() == [
        ["relation/7/1", "way/1", "way/2"],
        ["relation/7/2", "way/2", "way/2"],
    ]


BAD: list[tuple[str, dict[str, str], list[tuple[str, int, str]]]] = [
    ("turn-kind", {"type": "restriction", "restriction": "no_flying"}, [FROM_WEST, VIA, TO_EAST]),
    ("turn-kind", {"type": "restriction"}, [FROM_WEST, VIA, TO_EAST]),
    ("turn-members", NO_LEFT, [FROM_WEST, TO_EAST]),
    ("turn-members", NO_LEFT, [VIA, TO_EAST]),
    ("turn-members", NO_LEFT, [FROM_WEST, VIA]),
    ("turn-members", NO_LEFT, [FROM_WEST, ("w", 2, "from"), VIA, TO_EAST]),
    ("turn-via-way", NO_LEFT, [FROM_WEST, ("w", 3, "via"), TO_EAST]),
    ("turn-conditional", {"type": "restriction", "restriction:conditional": "no_left_turn @ (07:00-09:00)"},
     [FROM_WEST, VIA, TO_EAST]),
    ("turn-conditional", {**NO_LEFT, "hour_on": "07:00", "hour_off": "09:00"}, [FROM_WEST, VIA, TO_EAST]),
    ("turn-vehicles", {"type": "restriction", "restriction:hgv": "no_left_turn"}, [FROM_WEST, VIA, TO_EAST]),
    # a way that passes through leaves open which of its ends is meant; one that is no street has none
    ("turn-place", NO_LEFT, [FROM_WEST, VIA, ("w", 3, "to")]),
    ("turn-place", NO_LEFT, [FROM_WEST, VIA, ("w", 4, "to")]),
    ("turn-place", NO_LEFT, [FROM_WEST, VIA, ("w", 99, "to")]),
    ("turn-place", NO_LEFT, [FROM_WEST, ("n", 99, "via"), TO_EAST]),
    ("turn-place", NO_LEFT, [FROM_WEST, ("n", 3, "via"), TO_EAST]),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "tags", "members"), BAD)
def test_what_cannot_be_kept_says_why(
    tmp_path: Path, reason: str, tags: dict[str, str], members: list[tuple[str, int, str]]
) -> None:
    frame, (reject,) = read(tmp_path, tags, *members)
    assert frame.empty
    assert (reject.source_id, reject.reason_code) == ("relation/7", reason)
    assert reject.reason_code in REASONS
    assert "restriction" in reject.raw


@pytest.mark.real
def test_every_restriction_of_a_real_extract_is_kept_or_explained(real_data: Path) -> None:
    extract = real_data / "helsinki" / "Helsinki.osm.pbf"
    kept: set[int] = set()
    rejected: set[int] = set()
    for layer, clean in read_osm(extract):
        if layer == "turn-bans":
            kept |= set(clean.frame["line"].tolist())
            rejected |= {reject.line for reject in clean.rejected}
    relations = osmium.FileProcessor(str(extract), osmium.osm.RELATION)
    signed = {item.id for item in relations if dict(item.tags).get("type") == "restriction"}
    assert kept | rejected == signed
    assert not kept & rejected
    assert len(kept) > len(rejected)
