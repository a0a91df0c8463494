"""Readers: what each format gives, what each broken file says, and every real file opens or is refused clearly."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely

from geo.errors import DataError, OneMapError
from layers.read import REASONS, REPAIRS, open_source
from layers.read.text import find_encoding
from tests.layers import files

if TYPE_CHECKING:
    from layers.read import Batch, Source

POINT = shapely.Point(114.30, 30.59)


def read_all(path: Path, **options: Any) -> tuple[Source, list[Batch]]:
    """Open a file and read all its batches."""
    with open_source(path, **options) as source:
        return source, list(source.batches(rows=3))


def geometries(batches: list[Batch]) -> list[Any]:
    """Return the geometries of all batches in order."""
    return [one for batch in batches for one in (batch.geometry if batch.geometry is not None else [])]


def column(batches: list[Batch], name: str) -> list[Any]:
    """Return a column of all batches in order."""
    return [value for batch in batches for value in batch.frame[name].tolist()]


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".geojsonl", ".shp"])
def test_vector_formats_agree(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"layer{suffix}"
    options = {"encoding": "GB18030"} if suffix == ".shp" else {}
    squares = [shapely.box(114 + n / 100, 30, 114.005 + n / 100, 30.01) for n in range(7)]
    files.write_layer(path, {"名称": [f"武汉{n}" for n in range(7)], "n": list(range(7))}, squares, **options)
    source, batches = read_all(path)
    assert source.info.rows in {7, None}
    assert {"名称", "n"} <= set(source.info.columns)
    assert source.info.crs == "EPSG:4326"
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert column(batches, "名称") == [f"武汉{n}" for n in range(7)]
    assert column(batches, "n") == list(range(7))
    assert [line for batch in batches for line in batch.line] == list(range(1, 8))
    found = shapely.normalize(np.array(geometries(batches)))
    assert shapely.equals_exact(found, shapely.normalize(np.array(squares)), tolerance=1e-9).all()
    assert "武汉4" in batches[1].raw(1)


@pytest.mark.parametrize("name", ["http:a", "a#b?c=d", "空 格", "zip+a.zip", "GPKG:x", "%20"])
def test_odd_file_names_are_only_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for suffix in (".geojson", ".gpkg", ".shp"):
        files.write_layer(tmp_path / f"plain{suffix}", {"n": [7]}, [POINT])
        for part in tmp_path.glob("plain.*"):
            part.rename(tmp_path / f"{name}{part.suffix}")
        _, batches = read_all(Path(f"{name}{suffix}"))
        assert column(batches, "n") == [7]


def test_source_can_be_read_again(tmp_path: Path) -> None:
    path = files.write_geojson(tmp_path / "a.geojson", [files.feature({"id": n}, POINT) for n in range(5)])
    with open_source(path) as source:
        first = [batch.frame["id"].tolist() for batch in source.batches(rows=2)]
        assert first == [batch.frame["id"].tolist() for batch in source.batches(rows=2)]


def test_whole_numbers_with_gaps_stay_whole(tmp_path: Path) -> None:
    big = 9_007_199_254_740_993  # no float can hold it
    path = files.write_geojson(
        tmp_path / "a.geojson", [files.feature({"n": big}, POINT), files.feature({"n": None}, POINT)]
    )
    _, batches = read_all(path)
    assert column(batches, "n") == [big, None]


@pytest.mark.parametrize(
    ("more", "columns", "values"),
    [({"id": 7}, ("id", "n"), [7, 8]), ({"id": "way/7"}, ("id", "n"), ["way/7", "way/8"]), ({}, ("n",), None)],
)
def test_geojson_feature_ids(
    tmp_path: Path, more: dict[str, Any], columns: tuple[str, ...], values: list[Any] | None
) -> None:
    second = {"id": values[1]} if values else {}
    path = files.write_geojson(
        tmp_path / "a.geojson", [files.feature({"n": 1}, POINT, **more), files.feature({"n": 2}, POINT, **second)]
    )
    source, batches = read_all(path)
    assert source.info.columns == columns
    if values:
        assert column(batches, "id") == values


def test_geojson_property_named_id_wins(tmp_path: Path) -> None:
    path = files.write_geojson(tmp_path / "a.geojson", [files.feature({"id": 5, "kind": "x"}, POINT)])
    _, batches = read_all(path)
    assert column(batches, "id") == [5]


def test_geojson_with_crs_member_and_odd_geometry(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4547"}}
    rows = [
        files.feature({"id": 1}, {"type": "Point", "coordinates": [500_000, 3_386_000]}),
        files.feature({"id": 2}, None),
        files.feature({"id": 3}, {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9]]]}),
        files.feature({"id": 4}, {"type": "Point", "coordinates": ["a", "b"]}),
    ]
    source, batches = read_all(files.write_geojson(tmp_path / "a.geojson", rows, crs=crs))
    assert source.info.crs == "EPSG:4547"
    assert batches[0].geometry_faults == {1: ("geometry-missing", "no geometry")}
    assert batches[0].closed_rings == (2,)
    assert batches[1].geometry_faults[0][0] == "geometry-missing"


def test_geojson_sequence_with_record_separators(tmp_path: Path) -> None:
    path = tmp_path / "a.geojsons"
    path.write_text("".join(f"\x1e{json.dumps(files.feature({'n': n}, POINT))}\n" for n in range(3)))
    source, batches = read_all(path)
    assert source.info.driver == "GeoJSONSeq"
    assert column(batches, "n") == [0, 1, 2]


def test_topojson_says_nothing_of_its_datum(tmp_path: Path) -> None:
    topology = {
        "type": "Topology",
        "objects": {
            "a": {
                "type": "GeometryCollection",
                "geometries": [{"type": "Polygon", "arcs": [[0]], "properties": {"name": "甲"}}],
            }
        },
        "arcs": [[[0, 0], [1, 0], [1, 1], [0, 0]]],
    }
    path = tmp_path / "a.topojson"
    path.write_text(json.dumps(topology), encoding="utf-8")
    source, batches = read_all(path)
    assert source.info.crs is None
    assert column(batches, "name") == ["甲"]
    assert geometries(batches)[0].area == pytest.approx(0.5)


@pytest.mark.parametrize("how", ["cpg", "given", "found", "cpg-wins-nothing"])
def test_shapefile_in_gbk(tmp_path: Path, how: str) -> None:
    path = files.write_layer(tmp_path / "a.shp", {"名称": ["光谷社区", "东湖"]}, [POINT, POINT], encoding="GBK")
    page = path.with_suffix(".cpg")
    if how == "cpg":
        page.write_text("936")
    elif how == "cpg-wins-nothing":
        page.write_text("")
    else:
        page.unlink()
    source, batches = read_all(path, encoding="gbk" if how == "given" else None)
    assert source.info.encoding == "gb18030"
    assert column(batches, "名称") == ["光谷社区", "东湖"]


def test_shapefile_row_in_another_encoding_is_rejected(tmp_path: Path) -> None:
    path = files.write_layer(tmp_path / "a.shp", {"name": ["abcd", "efgh"]}, [POINT, POINT], encoding="UTF-8")
    table = path.with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace(b"efgh", b"\xff\xfe\xfdh"))
    _, batches = read_all(path, encoding="utf-8")
    assert column(batches, "name") == ["abcd"]
    assert [(r.line, r.reason_code) for r in batches[0].rejected] == [(2, "text-undecodable")]


CSV = "编号,名称,经度,纬度\n1,甲,114.3,30.59\n2,乙,114.4,30.6\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_csv_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CSV.encode(encoding))
    source, batches = read_all(path)
    assert source.info.columns == ("编号", "名称")
    assert source.info.geometry_columns == ("经度", "纬度")
    assert source.info.crs is None
    assert column(batches, "名称") == ["甲", "乙"]
    assert [batch.line.tolist() for batch in batches] == [[2, 3]]
    assert geometries(batches)[1].equals(shapely.Point(114.4, 30.6))


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_csv_delimiters_quotes_and_line_numbers(tmp_path: Path, sign: str) -> None:
    rows = ["id,lon,lat,text", '1,114,30,"two\nlines"', "", '2,115,31,"a ""b"" c"'.replace('"a', '"a'), "3,116,32,x"]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(row.replace(",", sign) for row in rows), encoding="utf-8")
    _, batches = read_all(path)
    assert column(batches, "text") == ["two\nlines", 'a "b" c', "x"]
    assert batches[0].line.tolist() == [2, 5, 6]
    assert batches[0].raw(0) == f'1{sign}114{sign}30{sign}"two\nlines"'


def test_csv_wkt_and_named_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'id;geom;e;n\n1;"POINT (1 2)";5;6\n2;"SRID=4326;LINESTRING (0 0, 1 1)";5;6\n3;POINT (;5;6\n4;;5;6\n'
    )
    source, batches = read_all(path)
    assert source.info.geometry_columns == ("geom",)
    assert [one and one.geom_type for one in geometries(batches)] == ["Point", "LineString", None, None]
    faults = [code for batch in batches for code, _ in batch.geometry_faults.values()]
    assert faults == ["geometry-unreadable", "geometry-missing"]
    source, batches = read_all(path, geometry_columns=("e", "n"))
    assert source.info.columns == ("id", "geom")
    assert geometries(batches)[0].equals(shapely.Point(5, 6))


def test_csv_row_faults(tmp_path: Path) -> None:
    lines = [
        b"id,lon,lat",
        b"1,114,30",
        b"2,114",
        b"3,114,30,7",
        b"4,114,30,,",
        b"5,,30",
        b"6,abc,30",
        b"7,nan,30",
        b"8,114,inf",
        "9,１１４．５,30".encode(),
        b"\xff10,114,30",
        b"11,114,30\x00",
    ]
    path = tmp_path / "a.csv"
    path.write_bytes(b"\n".join(lines))
    _, batches = read_all(path, encoding="utf-8")
    assert [(r.line, r.reason_code) for batch in batches for r in batch.rejected] == [
        (3, "row-width"),
        (4, "row-width"),
        (11, "text-undecodable"),
    ]
    faults = {int(batch.line[row]): code for batch in batches for row, (code, _) in batch.geometry_faults.items()}
    assert faults == {
        6: "coordinate-missing",
        7: "coordinate-not-a-number",
        8: "coordinate-not-finite",
        9: "coordinate-not-finite",
        12: "coordinate-not-a-number",
    }
    kept = [line for batch in batches for line in batch.line.tolist()]
    assert kept == [2, 5, 6, 7, 8, 9, 10, 12]
    assert geometries(batches)[6].x == 114.5


def test_csv_double_header_names_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,name,name,\n1,a,b,c\n")
    source, batches = read_all(path)
    assert source.info.columns == ("id", "name", "name_2")[:3]
    assert "occurs twice" in source.info.notes[0]
    assert batches[0].rejected[0].reason_code == "row-width"


def test_encoding_of_a_text_with_one_broken_letter_stays_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(("id,name\n" + "1,武汉市洪山区\n" * 50).encode() + b"2,\xff\n")
    assert find_encoding(path) == "utf-8"
    path.write_bytes(("id,name\n" + "1,臺北市松山區健康路\n" * 50).encode("big5"))
    with open_source(path) as source:
        assert source.info.encoding is not None


def test_excel(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["编号", "名称", "lon", "lat", "日期"],
        [1, "甲", 114.3, 30.5, None],
        [None] * 5,
        [2.0, "乙", 114, 30, None],
    ]
    path = files.write_sheet(tmp_path / "a.xlsx", {"表一": rows, "空": []})
    source, batches = read_all(path)
    assert source.info.layer == "表一"
    assert batches[0].line.tolist() == [2, 4]
    assert column(batches, "编号") == [1, 2.0]
    assert geometries(batches)[1].equals(shapely.Point(114, 30))
    path = files.write_sheet(tmp_path / "b.xlsx", {"一": rows, "二": rows})
    with pytest.raises(DataError, match="several sheets; found 一, 二"):
        open_source(path)
    assert open_source(path, layer="二").info.layer == "二"
    with pytest.raises(DataError, match="no sheet"):
        open_source(path, layer="三")


def _geo(**column_: Any) -> dict[str, Any]:
    return {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", **column_}}}


def test_excel_titles_above_the_header(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["洪山区设施一览表"],
        ["2024年", None, None, "单位:个"],
        ["编号", "名称", "lon", "lat", "人数"],
        [1, "甲", 114.3, 30.5, 7],
    ]
    source, batches = read_all(files.write_sheet(tmp_path / "a.xlsx", {"表": rows}))
    assert source.info.columns == ("编号", "名称", "人数")
    assert "row 3" in source.info.notes[0]
    assert batches[0].line.tolist() == [4]


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        ("lng_gcj02", "lat_gcj02", "gcj02"),
        ("WGS84_Lon", "WGS84_Lat", "wgs84"),
        ("经度(BD-09)", "纬度(BD-09)", "bd09"),
        ("lon", "lat", None),
        ("lon_gcj02", "lat_bd09", None),
    ],
)
def test_columns_may_name_their_datum(tmp_path: Path, lon: str, lat: str, expected: str | None) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,{lon},{lat}\n1,114,30\n", encoding="utf-8")
    source, _ = read_all(path)
    assert source.info.geometry_columns == (lon, lat)
    assert source.info.crs == expected


def test_doubled_whole_number_ids_stay_doubled(tmp_path: Path) -> None:
    rows = [files.feature({"a": n, "text": "x" * 400_000}, POINT, id=number) for n, number in enumerate([5, 5, 7, 5])]
    for name, write in (("a.geojson", files.write_geojson), ("a.geojsonl", _write_lines)):
        _, batches = read_all(write(tmp_path / name, rows))
        assert column(batches, "id") == [5, 5, 7, 5]


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_parquet_kinds(tmp_path: Path) -> None:
    wkb = [shapely.to_wkb(POINT), None, files.open_ring(), b"\x01\x02"]
    path = files.write_parquet(tmp_path / "a.parquet", {"n": [1, 2, 3, None], "geometry": wkb}, _geo())
    source, batches = read_all(path)
    assert (source.info.crs, source.info.rows, source.info.columns) == ("EPSG:4326", 4, ("n",))
    assert batches[0].geometry_faults == {1: ("geometry-missing", "no geometry")}
    assert batches[0].closed_rings == (2,)
    assert batches[1].geometry_faults[0][0] == "geometry-unreadable"
    source, _ = read_all(files.write_parquet(tmp_path / "b.parquet", {"n": [1], "geometry": wkb[:1]}, _geo(crs=None)))
    assert source.info.crs is None
    source, batches = read_all(files.write_parquet(tmp_path / "c.parquet", {"lon": [114.0], "lat": [30.0], "x1": [1]}))
    assert (source.info.geometry_columns, source.info.columns) == (("lon", "lat"), ("x1",))
    source, _ = read_all(files.write_parquet(tmp_path / "d.parquet", {"wkt": ["POINT (1 2)"], "x1": [1]}))
    assert source.info.geometry_columns == ("wkt",)
    source, _ = read_all(files.write_parquet(tmp_path / "e.parquet", {"geom": wkb[:1]}))
    assert (source.info.crs, source.info.has_geometry) == (None, True)
    source, _ = read_all(files.write_parquet(tmp_path / "f.parquet", {"a": [1]}))
    assert not source.info.has_geometry


def test_raster_cells_keep_the_total(tmp_path: Path) -> None:
    values = np.full((40, 30), 0.3)
    values[0, 0], values[1, 1], values[2, 2] = -9999.0, 0.0, 12.6
    path = files.write_raster(tmp_path / "a.tif", values)
    with open_source(path) as source:
        batches = list(source.batches(rows=200))
    people = column(batches, "people")
    total = values[values > 0].sum()
    assert sum(people) == pytest.approx(total, abs=0.51)
    assert all(float(count).is_integer() for count in people)
    assert len(batches) > 3
    first = shapely.box(114.30, 30.59, 114.31, 30.60)
    assert not any(shapely.equals_exact(one, first, tolerance=1e-6) for one in geometries(batches))


def test_raster_of_whole_counts_is_taken_as_it_is(tmp_path: Path) -> None:
    path = files.write_raster(tmp_path / "a.tif", [[5, -3], [0, 7]])
    source, batches = read_all(path)
    assert source.info.crs == "EPSG:4326"
    assert column(batches, "people") == [5.0, -3.0, 7.0]
    assert [line for batch in batches for line in batch.line] == [1, 2, 4]
    assert shapely.normalize(geometries(batches)[0]).equals_exact(files.SQUARE.normalize(), 1e-9)


def test_geopackage_with_several_layers(tmp_path: Path) -> None:
    path = files.write_layer(tmp_path / "a.gpkg", {"n": [1]}, [POINT], layer="homes")
    files.write_layer(path, {"n": [2]}, [POINT], layer="roads", append=True)
    with pytest.raises(DataError, match="several layers; found homes, roads") as fault:
        open_source(path)
    assert "--layer" in fault.value.hint
    _, batches = read_all(path, layer="roads")
    assert column(batches, "n") == [2]
    assert column(batches, "fid") == [1]


def test_memory_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write("id,lon,lat,name\n")
        file.writelines(f"{n},114.3,30.6,name of row number {n}\n" for n in range(60_000))
    with open_source(path) as source:
        tracemalloc.start()
        rows = sum(len(batch) for batch in source.batches(rows=2_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert rows == 60_000
    assert peak < 8 << 20  # the whole table as objects takes over 20 MB


def test_reasons_have_both_languages() -> None:
    for table in (REASONS, REPAIRS):
        for code, reason in table.items():
            assert reason.code == code
            assert reason.en
            assert any("\u4e00" <= letter <= "\u9fff" for letter in reason.zh)


# rows as the README of the real data tells them; None where it is a file of several layers or no layer at all
REAL_ROWS = {
    "access_chicago/chicago_metro_pop.geojson": 1_930,
    "cambridge_ma/ASSESSING_ParcelsFY2014.topojson": 13_116,
    "cambridge_ma/TRANS_Centerlines.geojson": 2_643,
    "cambridge_ma/TaxFY14.csv": 27_528,
    "cambridge_ma/sidewalk_centerlines_decoded.gpkg": 13_353,
    "cql2/cql_cases.json": None,
    "cql2/ne110m4cql2.gpkg": None,
    "helsinki/Helsinki.osm.pbf": None,
    "helsinki/helsinki_population_grid_2020.gpkg": 92,
    "losangeles/la_poi.parquet": 22_051,
    "losangeles/la_roads.parquet": 110_792,
    "losangeles/neighborhood_councils_99.geojson": 99,
    "losangeles/requests.csv": 10_000,
    "pgrouting_docs/drivingDistance_expected.json": None,
    "portoalegre/poa_hexgrid.csv": 1_227,
    "portoalegre/poa_osm.pbf": None,
    "portoalegre/poa_points_of_interest.csv": 15,
    "shanghai/shanghai_pois.geojson": 494,
    "shanghai/shanghai_roads.geojson": 1_778,
    "singapore/buildings_pop_sgp.gpkg": 2_086,
    "singapore/parks_sgp.gpkg": 674,
    "singapore/pop_sgp.gpkg": 664,
    "spopt_sf/SF_store_site_16_longlat.csv": 16,
    "taipei/socl_welfare_organization_plc.geojson": 578,
    "taipei/taipei_buildings_tpe3d_part.parquet": 19_878,
    "taipei/taipei_statarea_pop_2017-06.csv": 10_860,
    "taipei/taipei_town.geojson": 12,
    "taipei/taipei_village.geojson": 456,
    "wuhan/wuhan_guanggu_roads.geojson": 374,
    "wuhan/wuhan_roads_original.parquet": 92_667,
}


@pytest.mark.real
def test_every_real_file_opens_or_is_refused_clearly(real_data: Path) -> None:
    seen = set()
    for path in sorted(real_data.glob("*/*")):
        name = path.relative_to(real_data).as_posix()
        if path.is_dir() or path.stat().st_size > 20_000_000:
            continue
        seen.add(name)
        if name in REAL_ROWS and REAL_ROWS[name] is None:
            with pytest.raises(OneMapError) as fault:
                open_source(path)
            assert fault.value.hint
            continue
        with open_source(path) as source:
            rows = sum(len(batch) + len(batch.rejected) for batch in source.batches())
        assert rows > 0
        assert REAL_ROWS.get(name, rows) == rows, name
        assert source.info.rows in {None, rows}
    assert set(REAL_ROWS) <= seen


def test_a_batch_in_pieces_is_the_same_batch(tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    ring = {"type": "Polygon", "coordinates": [[[0, 1], [1, 1], [1, 2]]]}
    shapes = [ring, {"type": "Point", "coordinates": [1, 2]}, None, ring, {"type": "Point", "coordinates": [3, 4]}]
    features = [{"type": "Feature", "geometry": one, "properties": {"n": n}} for n, one in enumerate(shapes)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with open_source(path) as source:
        (whole,) = source.batches()
    pieces = list(whole.cut(2))
    assert [len(piece) for piece in pieces] == [2, 2, 1]
    assert [n for piece in pieces for n in piece.frame["n"]] == list(range(5))
    assert np.concatenate([piece.line for piece in pieces]).tolist() == whole.line.tolist()
    assert [piece.raw(row) for piece in pieces for row in range(len(piece))] == [whole.raw(row) for row in range(5)]
    assert whole.geometry is not None
    assert [one for piece in pieces if piece.geometry is not None for one in piece.geometry] == list(whole.geometry)
    faults = {at * 2 + row: fault for at, piece in enumerate(pieces) for row, fault in piece.geometry_faults.items()}
    assert faults == whole.geometry_faults
    closed = [at * 2 + row for at, piece in enumerate(pieces) for row in piece.closed_rings]
    assert closed == list(whole.closed_rings) != []
