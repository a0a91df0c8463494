"""The sample city is deterministic, sound in its geometry, and measures like a real place."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

from data.sample_city import City, describe_city, make_city, make_million, write_city
from data.sample_city.__main__ import main
from data.sample_city.facilities import read_types
from data.sample_city.people import BANDS
from data.sample_city.plane import plane_to_degrees
from data.sample_city.streams import round_shares

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from data.sample_city.plan import Size

METRIC_CRS = "EPSG:4547"
LEVELS = ("city", "district", "subdistrict", "community", "grid")
SIZES: tuple[Size, ...] = ("S", "M")


@cache
def city_of(size: Size) -> City:
    """Make each city once for all tests."""
    return make_city(size)


def digest(city: City) -> str:
    """Hash every value of every layer."""
    found = hashlib.sha256()
    for name, frame in sorted({**city.layers, **city.reference}.items()):
        found.update(name.encode())
        for column in frame.columns:
            if column == "geometry":
                for part in shapely.to_wkb(frame[column].to_numpy()):
                    found.update(part)
            else:
                found.update("\x1f".join(map(str, frame[column])).encode())
    return found.hexdigest()


def test_two_builds_of_one_seed_are_the_same_bytes() -> None:
    assert digest(city_of("S")) == digest(make_city("S"))


def test_another_seed_gives_another_city() -> None:
    assert digest(city_of("S")) != digest(make_city("S", seed=7))


def test_unknown_size_is_refused() -> None:
    with pytest.raises(ValueError, match="must be S, M or L"):
        make_city("XL")  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "low", "high"), [("S", 17_500, 22_500), ("M", 380_000, 430_000)])
def test_people_of_a_size_stay_near_the_promise(size: Size, low: int, high: int) -> None:
    assert low <= describe_city(city_of(size)).people <= high


def test_size_m_has_five_to_ten_thousand_buildings() -> None:
    assert 5_000 <= len(city_of("M").layers["buildings"]) <= 10_000


def test_the_name_says_that_the_city_is_invented() -> None:
    areas = city_of("S").layers["areas"]
    name = areas.loc[areas["level"] == "city", "name"].item()
    assert "虚构" in name
    assert areas["code"].str.startswith("99").all()


@pytest.mark.parametrize("size", SIZES)
def test_source_ids_are_unique_and_references_hold(size: Size) -> None:
    layers = city_of(size).layers
    for name, column in {**dict.fromkeys(layers, "source_id"), "areas": "code", "population": "building_id"}.items():
        assert layers[name][column].is_unique, name
    assert set(layers["gates"]["compound_id"]) == set(layers["compounds"]["source_id"])
    assert set(layers["population"]["building_id"]) <= set(layers["buildings"]["source_id"])


def test_names_are_given_once_and_addresses_name_the_invented_city() -> None:
    layers = city_of("M").layers
    assert layers["compounds"]["name"].is_unique
    assert not layers["facilities"].duplicated(["type", "name"]).any()
    streets = set(layers["streets"]["name"].dropna())
    for name in ("facilities", "buildings"):
        parts = layers[name]["address"].str.extract(r"^云栖市（虚构）(\D+)\d+号$")[0]
        assert set(parts) <= streets, name


@pytest.mark.parametrize("size", SIZES)
def test_all_geometry_is_valid_and_inside_the_city(size: Size) -> None:
    city = city_of(size)
    areas = city.layers["areas"]
    whole = areas.loc[areas["level"] == "city"].geometry.item()
    shapely.prepare(whole)
    for name, frame in {**city.layers, **city.reference}.items():
        if name == "population":
            continue
        geometry = frame.geometry.to_numpy()
        assert shapely.is_valid(geometry).all(), name
        inside = shapely.covers(whole.buffer(2e-5), geometry) if name != "railway" else np.array([True])
        assert inside.all(), name


def test_coordinates_are_the_gauss_krueger_grid_of_the_anchor() -> None:
    x, y = np.meshgrid(np.linspace(-11_000, 11_000, 23), np.linspace(-11_000, 11_000, 23))
    degrees = plane_to_degrees(x, y).reshape(-1, 2)
    back = gpd.GeoSeries(shapely.points(degrees), crs="EPSG:4490").to_crs(METRIC_CRS)
    middle = gpd.GeoSeries(shapely.points([[114.62, 31.18]]), crs="EPSG:4490").to_crs(METRIC_CRS)
    assert np.abs(back.x.to_numpy() - middle.x.item() - x.ravel()).max() < 0.02
    assert np.abs(back.y.to_numpy() - middle.y.item() - y.ravel()).max() < 0.02


@pytest.mark.parametrize("size", SIZES)
def test_areas_form_a_tree_that_tiles_exactly(size: Size) -> None:
    areas = city_of(size).layers["areas"]
    assert set(areas["level"]) == set(LEVELS)
    for upper, lower in pairwise(LEVELS):
        parents = areas[areas["level"] == upper].set_index("code")
        children = areas[areas["level"] == lower]
        assert shapely.coverage_is_valid(children.geometry.to_numpy()), lower
        for code, group in children.groupby("parent_code"):
            joined = shapely.coverage_union_all(group.geometry.to_numpy())
            assert shapely.equals(joined, parents.geometry[code]), (lower, code)
        assert set(children["parent_code"]) == set(parents.index)


@pytest.mark.parametrize("size", SIZES)
def test_area_codes_have_twelve_or_fifteen_digits(size: Size) -> None:
    areas = city_of(size).layers["areas"]
    digits = areas["code"].str.len()
    assert (digits[areas["level"] == "grid"] == 15).all()
    assert (digits[areas["level"] != "grid"] == 12).all()
    assert areas["code"].str.isdigit().all()


@pytest.mark.parametrize("size", SIZES)
def test_most_grids_hold_300_to_500_households(size: Size) -> None:
    city = city_of(size)
    households = city.layers["buildings"]["households"].groupby(city.estates["grid"]).sum()
    lived_in = households[households > 0]
    assert ((lived_in >= 300) & (lived_in <= 500)).mean() > 0.5
    assert ((lived_in >= 200) & (lived_in <= 600)).mean() > 0.9
    assert 350 <= lived_in.median() <= 450


@pytest.mark.parametrize("size", SIZES)
def test_bands_partition_the_people_of_each_building(size: Size) -> None:
    layers = city_of(size).layers
    people = layers["population"]
    assert (people[list(BANDS)].sum(axis=1) == people["people"]).all()
    assert (people[list(BANDS)] >= 0).all(axis=None)
    old = people[["a60_64", "a65_79", "a80_up"]].sum(axis=1)
    assert (people["living_alone_60_up"] <= old).all()
    assert (people["new_employment"] <= people["a18_59"]).all()
    assert (people["dual_earner_households"] <= people["households"]).all()
    assert people["people"].sum() == layers["buildings"]["people"].sum()


@pytest.mark.parametrize("size", SIZES)
def test_every_facility_type_of_the_pack_is_present(size: Size) -> None:
    facilities = city_of(size).layers["facilities"]
    types = read_types()
    assert len(types) == 85
    assert set(facilities["type"]) == set(types)
    assert set(facilities["supply"]) <= {"public", "market", "contracted", "shared"}
    for code in ("EDU_PRIMARY", "GRN_PARK15", "SAF_SHELTER_E", "SPO_LARGE"):
        assert (facilities.loc[facilities["type"] == code].geom_type == "Polygon").all(), code


def metric(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Carry a layer to metres."""
    return frame.to_crs(METRIC_CRS)


def ends_of(streets: gpd.GeoDataFrame) -> NDArray[np.float64]:
    """Return both ends of each line, shape (n, 4)."""
    lines = streets.geometry.to_numpy()
    return np.hstack(
        [shapely.get_coordinates(shapely.get_point(lines, 0)), shapely.get_coordinates(shapely.get_point(lines, -1))]
    )


@pytest.mark.parametrize("size", SIZES)
def test_streets_hang_together_by_shared_ends(size: Size) -> None:
    streets = city_of(size).layers["streets"]
    ends = ends_of(streets[streets["foot"] != "no"])
    nodes, number = np.unique(np.vstack([ends[:, :2], ends[:, 2:]]), axis=0, return_inverse=True)
    a, b = number[: len(ends)], number[len(ends) :]
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(nodes), len(nodes))).tocsr()
    reached = np.isfinite(dijkstra(graph, directed=False, indices=0, unweighted=True))
    assert reached.mean() == 1.0


@pytest.mark.parametrize("size", SIZES)
def test_streets_meet_others_only_at_their_ends(size: Size) -> None:
    streets = city_of(size).layers["streets"]
    flat = streets[~streets["highway"].isin(["motorway", "motorway_link"])].geometry.to_numpy()
    tree = shapely.STRtree(flat)
    left, right = tree.query(flat, predicate="crosses")
    assert left.size == 0, [(shapely.to_wkt(flat[left[0]]), shapely.to_wkt(flat[right[0]]))]


@pytest.mark.parametrize("size", SIZES)
def test_river_and_railway_are_crossed_only_at_bridges_and_underpasses(size: Size) -> None:
    city = city_of(size)
    streets = city.layers["streets"]
    for name, column in (("water", "bridge"), ("railway", "tunnel")):
        barrier = shapely.union_all(city.reference[name].geometry.to_numpy())
        crossing = streets[shapely.intersects(streets.geometry.to_numpy(), barrier)]
        marked = crossing["bridge"] | crossing["tunnel"]
        assert marked.all(), (name, crossing.loc[~marked, "source_id"].tolist())
        on_foot = crossing[crossing["foot"] != "no"]
        assert on_foot[column].all()
        assert 1 <= on_foot["name"].nunique() <= 6


@pytest.mark.parametrize("size", SIZES)
def test_inner_paths_touch_their_wall_only_at_gates(size: Size) -> None:
    layers = city_of(size).layers
    compounds, streets = layers["compounds"], layers["streets"]
    walls = shapely.get_exterior_ring(compounds.geometry.to_numpy())
    line, wall = shapely.STRtree(walls).query(streets.geometry.to_numpy(), predicate="intersects")
    meeting = shapely.intersection(streets.geometry.to_numpy()[line], walls[wall])
    motorway = streets["foot"].to_numpy()[line] == "no"
    assert not motorway.any()
    assert (shapely.get_type_id(meeting) == 0).all()
    gates = layers["gates"]
    of_gate = dict(zip(compounds["source_id"], range(len(compounds)), strict=True))
    wanted = {
        (of_gate[compound], *shapely.get_coordinates(point)[0].tolist())
        for compound, point in zip(gates["compound_id"], gates.geometry, strict=True)
    }
    at = shapely.get_coordinates(meeting)
    assert {(int(w), *xy) for w, xy in zip(wall, at.tolist(), strict=True)} == wanted


@pytest.mark.parametrize("size", SIZES)
def test_each_gate_joins_one_inner_and_one_outer_path(size: Size) -> None:
    layers = city_of(size).layers
    streets = layers["streets"]
    ends = ends_of(streets)
    access: dict[tuple[float, float], list[bool]] = {}
    for row, is_inner in zip(ends, (streets["access"] == "private").to_numpy(), strict=True):
        for end in (tuple(row[:2]), tuple(row[2:])):
            access.setdefault(end, []).append(bool(is_inner))
    for point in shapely.get_coordinates(layers["gates"].geometry.to_numpy()):
        assert sorted(access[tuple(point)]) == [False, True]


@pytest.mark.parametrize("size", SIZES)
def test_homes_have_a_way_within_100_m_on_their_side_of_the_wall(size: Size) -> None:
    city = city_of(size)
    homes = metric(city.layers["buildings"])[(city.estates["kind"] != "none").to_numpy()]
    compound = city.estates.loc[homes.index, "compound"].to_numpy()
    streets = metric(city.layers["streets"])
    for is_gated in (True, False):
        usable = streets[((streets["access"] == "private") == is_gated) & (streets["foot"] != "no")]
        part = homes[(compound >= 0) == is_gated]
        tree = shapely.STRtree(usable.geometry.to_numpy())
        _, far = tree.query_nearest(part.geometry.to_numpy(), all_matches=False, return_distance=True)
        assert far.max() < 100.0


@pytest.mark.parametrize("size", SIZES)
def test_buildings_of_a_compound_stand_inside_its_wall(size: Size) -> None:
    city = city_of(size)
    walls = city.layers["compounds"].geometry.to_numpy()
    compound = city.estates["compound"].to_numpy()
    footprints = city.layers["buildings"].geometry.to_numpy()
    inside = compound >= 0
    assert shapely.contains(walls[compound[inside]], footprints[inside]).all()
    _, near = shapely.STRtree(walls).query(footprints[~inside], predicate="intersects")
    assert near.size == 0


@pytest.mark.parametrize("size", SIZES)
def test_buildings_keep_off_streets_and_each_other(size: Size) -> None:
    city = city_of(size)
    footprints = city.layers["buildings"].geometry.to_numpy()
    left, right = shapely.STRtree(footprints).query(footprints, predicate="intersects")
    assert (left < right).sum() <= 0.002 * len(footprints)
    streets = city.layers["streets"]
    flat = streets.loc[~streets["highway"].isin(["motorway", "motorway_link"])].geometry.to_numpy()
    _, hit = shapely.STRtree(footprints).query(flat, predicate="intersects")
    assert np.unique(hit).size <= 0.01 * len(footprints)


def walk_graph(streets: gpd.GeoDataFrame) -> tuple[NDArray[np.float64], Any, NDArray[np.int64]]:
    """Return node coordinates (metres), a graph of lengths (metres), and how many inner edges meet at each node."""
    usable = metric(streets[streets["foot"] != "no"])
    ends = ends_of(usable)
    both = np.vstack([ends[:, :2], ends[:, 2:]]).astype(np.float64)
    nodes, number = np.unique(np.round(both, 3), axis=0, return_inverse=True)
    a, b = number[: len(ends)], number[len(ends) :]
    graph = coo_matrix((usable.length.to_numpy(), (a, b)), shape=(len(nodes), len(nodes))).tocsr()
    inner = (usable["access"] == "private").to_numpy()
    count = np.bincount(np.concatenate([a[inner], b[inner]]), minlength=len(nodes))
    return nodes, graph, count.astype(np.int64)


def test_walls_make_people_walk_farther_than_open_streets() -> None:
    nodes, graph, inner = walk_graph(city_of("M").layers["streets"])
    rng = np.random.default_rng(1)
    detour = {}
    for name, usable in (("inside", inner >= 3), ("outside", inner == 0)):
        starts = rng.choice(np.flatnonzero(usable), 60, replace=False)
        walked = dijkstra(graph, directed=False, indices=starts, limit=3000.0)
        straight = np.hypot(*(nodes[starts][:, None, :] - nodes[None, :, :]).transpose(2, 0, 1))
        near = (straight > 150) & (straight < 450) & (inner == 0)[None, :] & np.isfinite(walked)
        detour[name] = float(np.median(walked[near] / straight[near]))
    assert 1.15 < detour["outside"] < 1.6
    assert 1.35 < detour["inside"] < 2.2
    assert detour["inside"] > detour["outside"] + 0.1


@pytest.mark.parametrize("size", SIZES)
def test_figures_are_those_of_a_real_place(size: Size) -> None:
    figures = describe_city(city_of(size))
    kinds = figures.by_kind
    assert 8_000 <= figures.people_per_km2 <= 20_000
    assert 8.0 <= figures.street_km_per_km2 <= 20.0  # GB/T 51328-2018 asks for 8 km/km2 at least
    assert 0.5 <= figures.gated_share <= 0.92
    assert 200 <= figures.gate_spacing_m <= 600
    assert 60 <= figures.to_gate_m <= 250
    assert 400 <= figures.wall_length_m <= 1_600
    ranges = {
        "danwei": (2.0, 6.0, 24, 60),
        "resettle": (1.4, 4.0, 60, 150),
        "new_tower": (0.8, 2.5, 80, 160),
        "new_garden": (1.6, 4.5, 24, 60),
    }
    for kind, (low_ha, high_ha, low_dwellings, high_dwellings) in ranges.items():
        if kind in kinds.index:
            assert low_ha <= kinds.loc[kind, "buildings_per_ha"] <= high_ha, kind
            assert low_dwellings <= kinds.loc[kind, "dwellings_per_building"] <= high_dwellings, kind
    assert 1.5 <= kinds.loc["courtyard", "dwellings_per_building"] <= 5


def test_ages_differ_by_estate() -> None:
    kinds = describe_city(city_of("M")).by_kind
    old = kinds["a60_64"] + kinds["a65_79"] + kinds["a80_up"]
    children = kinds[["a00_02", "a03_05", "a06_11"]].sum(axis=1)
    assert old["danwei"] > 0.28
    assert old["new_tower"] < 0.14
    assert children["new_tower"] > 2 * children["danwei"]
    assert kinds.loc["village", "a18_59"] > 0.72
    people = city_of("M").layers["population"].set_index("building_id")
    kind = city_of("M").estates.set_index("source_id")["kind"]
    by_kind = people.groupby(kind)[["floating", "new_employment", "people"]].sum()
    share = by_kind.div(by_kind["people"], axis=0)
    assert share.loc["village", "floating"] > 0.6
    assert share.loc["danwei", "floating"] < 0.2
    assert share.loc["village", "new_employment"] > 3 * share.loc["new_tower", "new_employment"]


def test_new_edge_has_fewer_places_per_child_than_the_old_parts() -> None:
    city = city_of("M")
    communities = city.layers["areas"].loc[lambda frame: frame["level"] == "community", ["code", "geometry"]]
    zone_of = city.estates.assign(code=city.estates["grid"].str[:12]).groupby("code")["zone"].first()
    wanted = city.layers["facilities"].loc[lambda frame: frame["type"] == "EDU_KINDER", ["capacity", "geometry"]]
    points = wanted.set_geometry(shapely.point_on_surface(wanted.geometry.to_numpy()), crs=wanted.crs)
    zone = gpd.sjoin(points, communities, predicate="within")["code"].map(zone_of)
    seats = wanted["capacity"].groupby(zone).sum()
    children = city.layers["population"].set_index("building_id")["a03_05"]
    cohort = children.groupby(city.estates.set_index("source_id")["zone"]).sum()
    assert seats["N"] / cohort["N"] < 0.75 * (seats["D"] / cohort["D"])


def test_incidents_have_rhythm_hot_places_and_repeats() -> None:
    incidents = city_of("M").layers["incidents"]
    at = pd.to_datetime(incidents["reported_at"])
    assert at.is_monotonic_increasing
    assert (at.max() - at.min()).days in range(175, 184)
    hours = at.dt.hour.value_counts(normalize=True)
    assert hours[9] > 4 * hours[3]
    days = at.dt.day_of_week.value_counts(normalize=True)
    assert days[0] > 1.2 * days[6]
    closed = pd.to_datetime(incidents["closed_at"])
    assert (closed.dropna() > at[closed.notna()]).all()
    assert set(incidents["severity"]) == {"1", "2", "3"}
    assert {label[:2] for label in incidents["class"]} >= {"01", "02", "03", "04", "05", "06", "12"}
    cells = metric(incidents).geometry
    per_cell = pd.Series(1, index=[cells.x // 200, cells.y // 200]).groupby(level=[0, 1]).sum()
    assert per_cell.nlargest(max(1, len(per_cell) // 50)).sum() > 0.1 * len(incidents)


@pytest.mark.long
def test_size_l_keeps_its_promises() -> None:
    city = make_city("L")
    assert 4_500_000 <= describe_city(city).people <= 5_500_000
    areas = city.layers["areas"]
    for level in LEVELS:
        assert shapely.coverage_is_valid(areas.loc[areas["level"] == level].geometry.to_numpy()), level
    for name in ("buildings", "facilities", "incidents", "streets", "compounds", "gates"):
        assert city.layers[name]["source_id"].is_unique, name
    assert set(city.layers["facilities"]["type"]) == set(read_types())


@pytest.mark.long
def test_a_million_buildings_hang_on_one_street_graph() -> None:
    made = make_million()
    layers = made.layers
    assert len(layers["buildings"]) == 1_000_000
    assert layers["buildings"]["source_id"].is_unique
    assert len(made.node_xy_m) == 425_104
    assert (layers["areas"]["level"] == "community").sum() == 500
    assert layers["facilities"]["type"].nunique() == 20
    assert (layers["population"][list(BANDS)].sum(axis=1) == layers["population"]["people"]).all()
    ends = ends_of(layers["streets"])
    assert len(np.unique(np.vstack([ends[:, :2], ends[:, 2:]]), axis=0)) == 425_104
    a, b = made.edge_nodes.T
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(made.node_xy_m),) * 2).tocsr()
    assert connected_components(graph, directed=False, return_labels=False) == 1


def test_shares_are_rounded_to_their_sum() -> None:
    expected = np.array([[0.4, 0.4, 0.4], [2.5, 0.0, 1.5]])
    rounded = round_shares(expected, np.array([0.9, 0.0]))
    assert rounded.sum(axis=1).tolist() == [2, 4]
    assert (np.abs(rounded - expected) < 1).all()


def test_written_files_read_back_the_same(tmp_path: Path) -> None:
    city = city_of("S")
    written = write_city(city, tmp_path / "city")
    assert set(written) == {*city.layers, *city.reference}
    back = gpd.read_parquet(written["streets"])
    assert back.crs == "EPSG:4326"
    assert (
        shapely.to_wkb(back.geometry.to_numpy()).tolist()
        == shapely.to_wkb(city.layers["streets"].geometry.to_numpy()).tolist()
    )
    assert pd.read_parquet(written["population"])["people"].sum() == city.layers["buildings"]["people"].sum()


def test_command_line_writes_a_city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "S", "--out", str(tmp_path)]) == 0
    assert "buildings\t" in capsys.readouterr().out
    assert (tmp_path / "buildings.parquet").exists()
