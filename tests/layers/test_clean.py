"""Cleaning: every kind of broken row is rejected or repaired with its reason, and no row is ever lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geo.datum import parse_datum, wgs84_to_bd09, wgs84_to_gcj02
from geo.errors import MissingColumn
from layers.loading.clean import clean_batch
from layers.read import open_source
from layers.read.columns import guess_columns
from tests.layers.cleaning import DOOR, HOME, REQUIRED, SHAPES, STREET, WGS84, clean_one, clean_rows, make_batch

if TYPE_CHECKING:
    from pathlib import Path


def _line_with_nan() -> Any:
    with np.errstate(invalid="ignore"):
        return shapely.LineString([(114, 30), (114, np.nan)])


BOWTIE = shapely.Polygon([(114.30, 30.59), (114.31, 30.60), (114.31, 30.59), (114.30, 30.60)])
FLAT = shapely.Polygon([(114.30, 30.59), (114.31, 30.59), (114.32, 30.59)])
FAR = 1e300
# layer, geometry, declared datum, expected reason
BAD_GEOMETRY: dict[str, tuple[str, Any, str, str]] = {
    "nan": ("gates", shapely.Point(np.nan, 30.0), "wgs84", "coordinate-not-finite"),
    "infinity": ("gates", shapely.Point(np.inf, 30.0), "wgs84", "coordinate-not-finite"),
    "nan in a line": ("streets", _line_with_nan(), "wgs84", "coordinate-not-finite"),
    "1e300": ("gates", shapely.Point(FAR, FAR), "wgs84", "coordinate-out-of-range"),
    "1e300 in a grid": ("gates", shapely.Point(FAR, 3.4e6), "EPSG:4547", "coordinate-out-of-range"),
    "longitude 200": ("gates", shapely.Point(200, 30), "wgs84", "coordinate-out-of-range"),
    "latitude 95": ("gates", shapely.Point(114, 95), "wgs84", "coordinate-out-of-range"),
    "swapped axes": ("gates", shapely.Point(30.59, 114.3), "wgs84", "coordinate-swapped"),
    "swapped polygon": ("buildings", shapely.box(30.5, 114.3, 30.6, 114.4), "wgs84", "coordinate-swapped"),
    "metres as degrees": ("gates", shapely.Point(528_000, 3_386_000), "wgs84", "coordinate-metres-as-degrees"),
    "zoned metres as degrees": ("gates", shapely.Point(38_528_000, 3_386_000), "gcj02", "coordinate-metres-as-degrees"),
    "degrees as metres": ("gates", shapely.Point(114.3, 30.6), "EPSG:4547", "coordinate-out-of-range"),
    "swapped grid": ("gates", shapely.Point(3_386_000, 528_000), "EPSG:4547", "coordinate-out-of-range"),
    "grid of another zone": ("gates", shapely.Point(38_528_000, 3_386_000), "EPSG:4547", "coordinate-out-of-range"),
    "gcj02 outside china": ("gates", shapely.Point(2.35, 48.86), "gcj02", "coordinate-out-of-range"),
    "zero": ("gates", shapely.Point(0, 0), "wgs84", "coordinate-zero"),
    "zero vertex": ("buildings", shapely.Polygon([(0, 0), (114.3, 30.5), (114.4, 30.5)]), "wgs84", "coordinate-zero"),
    "empty point": ("gates", shapely.Point(), "wgs84", "geometry-empty"),
    "empty polygon": ("buildings", shapely.Polygon(), "wgs84", "geometry-empty"),
    "empty collection": ("buildings", shapely.GeometryCollection(), "wgs84", "geometry-empty"),
    "line as point": ("gates", STREET, "wgs84", "geometry-kind"),
    "polygon as point": ("incidents", HOME, "wgs84", "geometry-kind"),
    "point as street": ("streets", DOOR, "wgs84", "geometry-kind"),
    "polygon as street": ("streets", HOME, "wgs84", "geometry-kind"),
    "point as area": ("areas", DOOR, "wgs84", "geometry-kind"),
    "open line as building": ("buildings", STREET, "wgs84", "geometry-kind"),
    "two points as gate": ("gates", shapely.MultiPoint([(114, 30), (115, 31)]), "wgs84", "geometry-kind"),
    "flat polygon": ("buildings", FLAT, "wgs84", "geometry-unrepairable"),
    "line of one place": ("streets", shapely.LineString([(114, 30), (114, 30)]), "wgs84", "line-too-short"),
}


@pytest.mark.parametrize("kind", BAD_GEOMETRY)
def test_bad_geometry_is_rejected(kind: str) -> None:
    layer, shape, datum, code = BAD_GEOMETRY[kind]
    out = clean_one(layer, shape, datum)
    assert [reject.reason_code for reject in out.rejected] == [code]
    assert len(out.frame) == 0


def test_missing_geometry_and_what_the_reader_found() -> None:
    batch = make_batch([{"source_id": "1"}, {"source_id": "2"}], [None, None])
    batch.geometry_faults = {0: ("coordinate-missing", "no lon"), 1: ("geometry-missing", "none")}
    out = clean_batch(batch, "gates", columns={"source_id": "source_id"}, datum=WGS84)
    assert [r.reason_code for r in out.rejected] == ["coordinate-missing", "geometry-missing"]
    with pytest.raises(MissingColumn, match="no geometry") as fault:
        clean_rows("gates", [{"source_id": "1"}], None)
    assert "--map" in fault.value.hint
    with pytest.raises(MissingColumn, match="building_id or area_code"):
        clean_rows("population", [{"people": 1}], None)


def test_metres_carry_a_hint_about_their_grid() -> None:
    out = clean_one("gates", shapely.Point(38_528_000, 3_386_000))
    assert "use --datum EPSG:4526" in out.rejected[0].detail


REPAIRED: dict[str, tuple[str, Any, str]] = {
    "bow tie": ("buildings", BOWTIE, "made-valid"),
    "height": ("gates", shapely.Point(114.3, 30.59, 21.0), "z-dropped"),
    "repeated points": ("streets", shapely.LineString([(114, 30), (114, 30), (114.1, 30)]), "points-removed"),
    "closed line": ("buildings", shapely.LineString(HOME.exterior.coords), "line-to-polygon"),
    "collection": ("buildings", shapely.GeometryCollection([HOME, DOOR]), "parts-dropped"),
    "two lines": (
        "streets",
        shapely.MultiLineString([[(114, 30), (114.1, 30)], [(114.2, 30), (114.3, 30)]]),
        "multi-split",
    ),
}


@pytest.mark.parametrize("kind", REPAIRED)
def test_repairs_are_logged_with_their_effect(kind: str) -> None:
    layer, shape, code = REPAIRED[kind]
    out = clean_one(layer, shape)
    assert not out.rejected
    assert [repair.kind for repair in out.repairs] == [code]
    made = shapely.from_wkb(out.frame["geom"].tolist())
    assert shapely.is_valid(made).all()
    assert not shapely.has_z(made).any()


def test_effect_of_a_repair_tells_the_areas() -> None:
    detail = clean_one("buildings", BOWTIE).repairs[0].detail
    assert detail.startswith("Self-intersection")
    before, after = (float(part.split("area ")[1].split()[0]) for part in detail.split(" → "))
    assert before == pytest.approx(0.0, abs=1.0)
    assert after == pytest.approx(530_000, rel=0.02)


def test_streets_split_and_join() -> None:
    parted = shapely.MultiLineString([[(114, 30), (114.1, 30)], [(114.2, 30), (114.3, 30)]])
    joined = shapely.MultiLineString([[(114, 30), (114.1, 30)], [(114.1, 30), (114.3, 30)]])
    rows: list[dict[str, object]] = [{"source_id": name, "highway": "path", "extra": 1} for name in "abc"]
    out = clean_rows("streets", rows, [parted, joined, STREET])
    assert out.frame["source_id"].tolist() == ["a/1", "a/2", "b", "c"]
    assert out.frame["line"].tolist() == [2, 2, 3, 4]
    assert set(shapely.get_type_id(shapely.from_wkb(out.frame["geom"].tolist()))) == {1}
    assert out.frame["properties"].tolist() == [{"extra": 1}] * 4


def test_datum_is_applied_before_storing() -> None:
    for name, shift in (("gcj02", wgs84_to_gcj02), ("bd09", wgs84_to_bd09)):
        x, y = shift(114.30, 30.59)
        out = clean_one("gates", shapely.Point(float(x), float(y)), name)
        made = shapely.from_wkb(out.frame["geom"].iloc[0])
        assert (made.x, made.y) == pytest.approx((114.30, 30.59), abs=1e-7)
    x, y = wgs84_to_gcj02(114.30, 30.59)
    out = clean_one("buildings", HOME, "gcj02", entrance=f"{float(x)} {float(y)}")
    door = shapely.from_wkb(out.frame["entrance"].iloc[0])
    assert (door.x, door.y) == pytest.approx((114.30, 30.59), abs=1e-7)


def test_zoned_grid_under_the_name_cgcs2000() -> None:
    out = clean_one("gates", shapely.Point(38_528_748.0, 3_385_480.0), "cgcs2000")
    made = shapely.from_wkb(out.frame["geom"].iloc[0])
    assert (made.x, made.y) == pytest.approx((114.3, 30.59), abs=0.01)


def test_population_is_named_by_its_place() -> None:
    rows: list[dict[str, object]] = [
        {"building_id": "b1", "area_code": "c1", "people": 1},
        {"building_id": None, "area_code": "c1", "people": 1},
        {"building_id": None, "area_code": None, "people": 1},
        {"building_id": None, "area_code": None, "people": 1},
    ]
    out = clean_rows("population", rows, [None, None, HOME, None])
    assert out.frame["source_id"].tolist()[:2] == ["building:b1", "area:c1"]
    assert out.frame["source_id"].tolist()[2].startswith("geom:")
    assert [reject.reason_code for reject in out.rejected] == ["place-missing"]
    out = clean_rows("population", rows[:2], None)
    assert len(out.frame) == 2
    assert out.frame["geom"].tolist() == [None, None]


def test_population_on_h3_cells_gets_their_outlines() -> None:
    centre = shapely.Point(-122.41845932318311, 37.77670234943567)
    rows: list[dict[str, object]] = [{"h3": "8928308280fffff", "people": 7}] * 2
    out = clean_rows("population", rows, [centre, shapely.Point(-122.4, 37.7)])
    made = shapely.from_wkb(out.frame["geom"].tolist())
    assert [one.geom_type for one in made] == ["Polygon", "Point"]
    assert [(repair.line, repair.kind) for repair in out.repairs] == [(2, "cell-outlined")]
    houses = clean_rows("buildings", [{"source_id": "1", "h3": "8928308280fffff"}], [centre])
    assert shapely.from_wkb(houses.frame["geom"].iloc[0]).geom_type == "Point"


def test_bands_give_people_where_all_are_known() -> None:
    bands: dict[str, Any] = dict.fromkeys(
        ("a00_02", "a03_05", "a06_11", "a12_14", "a15_17", "a18_59", "a60_64", "a65_79"), 2
    )
    full = clean_one("population", **{**bands, "a80_up": 3, "people": None})
    assert full.frame["people"].tolist() == [19]
    assert clean_one("population", **{**bands, "people": None}).frame["people"].tolist() == [None]


def test_fractional_counts_keep_their_total() -> None:
    rows: list[dict[str, object]] = [{"source_id": str(n), "people": 0.3 if n % 3 else 7} for n in range(300)]
    out = clean_rows("buildings", rows, [HOME] * 300)
    assert sum(out.frame["people"]) == 760
    assert {repair.kind for repair in out.repairs} == {"value-rounded"}
    assert len(out.repairs) == 200


def test_identity_from_geometry_is_stable_and_moves_with_it() -> None:
    first = clean_rows("buildings", [{"name": "a"}], [HOME], id_from_geometry=True)
    again = clean_rows("buildings", [{"name": "b"}], [HOME], id_from_geometry=True)
    moved = clean_rows("buildings", [{"name": "a"}], [shapely.box(114.4, 30.5, 114.5, 30.6)], id_from_geometry=True)
    assert first.frame["source_id"].tolist() == again.frame["source_id"].tolist()
    assert first.frame["source_id"].tolist() != moved.frame["source_id"].tolist()
    with pytest.raises(MissingColumn):
        clean_rows("buildings", [{"name": "a"}], [HOME])


def test_frame_has_exactly_the_columns_of_its_layer() -> None:
    out = clean_one("streets", colour="red", note=float("nan"))
    assert list(out.frame.columns) == [
        *("source_id", "highway", "foot", "access", "steps", "incline", "wheelchair", "oneway", "maxspeed"),
        *("node_a", "node_b", "geom", "line", "properties"),
    ]
    assert out.frame["properties"].tolist() == [{"colour": "red"}]
    empty = clean_one("streets", DOOR).frame
    assert list(empty.columns) == list(out.frame.columns)


shapes = st.one_of(
    st.none(),
    st.builds(shapely.Point, st.floats(), st.floats()),
    st.lists(st.tuples(st.floats(-200, 200), st.floats(-100, 100)), min_size=2, max_size=6).map(shapely.LineString),
    st.lists(st.tuples(st.floats(113, 115), st.floats(30, 31)), min_size=3, max_size=8).map(shapely.Polygon),
)
values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.dates())


@settings(deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.sampled_from(["wgs84", "gcj02", "bd09", "cgcs2000", "EPSG:4547", "EPSG:2790"]),
    st.lists(st.tuples(values, values, shapes), min_size=1, max_size=5),
)
@example("areas", "cgcs2000", [(None, None, shapely.Point(np.nan, 0.0))])
def test_no_row_is_ever_lost(layer: str, datum: str, content: list[tuple[object, object, Any]]) -> None:
    optional = {"areas": "level", "population": "households", "incidents": "closed_at", "streets": "steps"}
    rows: list[dict[str, object]] = [
        {**REQUIRED.get(layer, {"source_id": str(n)}), optional.get(layer, "name"): one, "extra": other}
        for n, (one, other, _) in enumerate(content)
    ]
    out = clean_rows(layer, rows, [shape for _, _, shape in content], datum=parse_datum(datum))
    made = np.array([one for one in shapely.from_wkb(out.frame["geom"].tolist()) if one is not None], dtype=object)
    assert shapely.is_valid(made).all()
    assert np.isfinite(shapely.get_coordinates(made)).all()


def _clean_file(path: Path, layer: str, datum: str, **options: Any) -> tuple[int, dict[str, int], int]:
    """Return rows kept, reasons, and rows read of a real file; check the identity of rows on the way."""
    kept = read = 0
    reasons: dict[str, int] = {}
    with open_source(path) as source:
        columns = guess_columns(source.info.columns, layer, given=options.pop("given", None))
        for batch in source.batches():
            out = clean_batch(batch, layer, columns=columns, datum=parse_datum(datum), **options)
            assert out.rows_read == out.frame["line"].nunique() + len(out.rejected)
            kept += out.frame["line"].nunique()
            read += out.rows_read
            for reject in out.rejected:
                reasons[reject.reason_code] = reasons.get(reject.reason_code, 0) + 1
            made = shapely.from_wkb(out.frame["geom"].tolist())
            assert shapely.is_valid(made).all()
    return kept, reasons, read


@pytest.mark.real
def test_real_files_are_cleaned(real_data: Path) -> None:
    city = real_data / "cambridge_ma"
    assert _clean_file(city / "sidewalk_centerlines_decoded.gpkg", "streets", "wgs84") == (13_353, {}, 13_353)
    parcels = _clean_file(city / "ASSESSING_ParcelsFY2014.topojson", "buildings", "wgs84")
    assert parcels == (13_115, {"geometry-empty": 1}, 13_116)
    requests = _clean_file(real_data / "losangeles" / "requests.csv", "incidents", "wgs84")
    assert requests == (9_989, {"coordinate-missing": 11}, 10_000)
    towers = real_data / "taipei" / "taipei_buildings_tpe3d_part.parquet"
    assert _clean_file(towers, "buildings", "wgs84", id_from_geometry=True) == (19_878, {}, 19_878)
    roads = real_data / "wuhan" / "wuhan_roads_original.parquet"
    assert _clean_file(roads, "streets", "EPSG:32650", id_from_geometry=True) == (92_667, {}, 92_667)


@pytest.mark.real
def test_real_h3_cells_tile_the_city(real_data: Path) -> None:
    with open_source(real_data / "portoalegre" / "poa_hexgrid.csv") as source:
        (batch,) = source.batches()
        out = clean_batch(batch, "population", columns={"people": "population"}, datum=WGS84)
    cells = shapely.from_wkb(out.frame["geom"].tolist())
    assert {repair.kind for repair in out.repairs} == {"cell-outlined"}
    assert len(out.repairs) == len(cells) == 1_227
    whole = shapely.union_all(cells, grid_size=1e-9)
    assert shapely.area(whole) == pytest.approx(shapely.area(cells).sum(), rel=1e-5)
    assert sum(out.frame["people"]) == sum(int(count) for count in batch.frame["population"])


@pytest.mark.real
def test_real_people_are_kept(real_data: Path) -> None:
    with open_source(real_data / "cambridge_ma" / "DEMOGRAPHICS_Blocks2000.geojson") as source:
        (batch,) = source.batches()
        out = clean_batch(batch, "population", columns={"people": "POP_LAB"}, datum=WGS84)
    assert sum(out.frame["people"]) == 101_355
    with open_source(real_data / "singapore" / "buildings_pop_sgp.gpkg") as source:
        (batch,) = source.batches()
        columns = {"source_id": "fid", "people": "popcount"}
        out = clean_batch(batch, "buildings", columns=columns, datum=WGS84)
    assert sum(out.frame["people"]) == pytest.approx(sum(batch.frame["popcount"]), abs=1)
