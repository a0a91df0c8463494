"""Datums: the vectors of the standards notes, round trips, and every refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import datum as d
from geo.errors import DatumUnknown

if TYPE_CHECKING:
    from collections.abc import Callable

CM_DEG = 0.01 / 111_320.0  # a centimetre of latitude in degrees

# standards.md §9: lat, lon, GCJ lat, GCJ lon, BD lat, BD lon (seven decimals)
VECTORS = [
    (39.9, 116.4, 39.9014035, 116.4062428, 39.9077338, 116.4126280),
    (31.23, 121.47, 31.2280675, 121.4745349, 31.2339867, 121.4810762),
    (30.59, 114.30, 30.5875803, 114.3054374, 30.5932481, 114.3120137),
    (22.54, 114.06, 22.5372862, 114.0651162, 22.5429526, 114.0716631),
    (26.65, 106.63, 26.6463303, 106.6335685, 26.6520894, 106.6401354),
]
# eviltransform's own vectors: lat, lon, GCJ lat, GCJ lon
EVIL = [
    (31.1774276, 121.5272106, 31.17530398364597, 121.531541859215),
    (22.543847, 113.912316, 22.540796131694766, 113.9171764808363),
    (39.911954, 116.377817, 39.91334545536069, 116.38404722455657),
]

lons = st.floats(73.5, 135.0)
lats = st.floats(18.0, 53.0)


@pytest.mark.parametrize("row", VECTORS)
def test_vectors_forward_and_back(row: tuple[float, ...]) -> None:
    lat, lon, gcj_lat, gcj_lon, bd_lat, bd_lon = row
    assert d.wgs84_to_gcj02(lon, lat) == pytest.approx((gcj_lon, gcj_lat), abs=5.1e-8)
    assert d.wgs84_to_bd09(lon, lat) == pytest.approx((bd_lon, bd_lat), abs=5.1e-8)
    assert d.gcj02_to_bd09(*d.wgs84_to_gcj02(lon, lat)) == pytest.approx((bd_lon, bd_lat), abs=5.1e-8)
    assert d.gcj02_to_wgs84(gcj_lon, gcj_lat) == pytest.approx((lon, lat), abs=CM_DEG)
    assert d.bd09_to_wgs84(bd_lon, bd_lat) == pytest.approx((lon, lat), abs=1.2 * CM_DEG)
    assert d.bd09_to_gcj02(bd_lon, bd_lat) == pytest.approx((gcj_lon, gcj_lat), abs=1.2 * CM_DEG)


@pytest.mark.parametrize("row", EVIL)
def test_public_formula_to_a_tenth_of_a_millimetre(row: tuple[float, ...]) -> None:
    lat, lon, gcj_lat, gcj_lon = row
    assert d.wgs84_to_gcj02(lon, lat) == pytest.approx((gcj_lon, gcj_lat), abs=1e-9)
    assert d.gcj02_to_wgs84(gcj_lon, gcj_lat) == pytest.approx((lon, lat), abs=1e-9)


@settings(deadline=None)
@given(lons, lats)
def test_round_trips_stay_far_below_a_centimetre(lon: float, lat: float) -> None:
    assert d.gcj02_to_wgs84(*d.wgs84_to_gcj02(lon, lat)) == pytest.approx((lon, lat), abs=CM_DEG / 100)
    assert d.bd09_to_wgs84(*d.wgs84_to_bd09(lon, lat)) == pytest.approx((lon, lat), abs=CM_DEG / 100)
    assert d.wgs84_to_gcj02(*d.gcj02_to_wgs84(lon, lat)) == pytest.approx((lon, lat), abs=CM_DEG / 100)


@settings(deadline=None)
@given(lons, lats)
def test_shift_is_tens_to_hundreds_of_metres(lon: float, lat: float) -> None:
    x, y = d.wgs84_to_gcj02(lon, lat)
    metres = np.hypot((x - lon) * 111_320 * np.cos(np.radians(lat)), (y - lat) * 111_320)
    assert 10 < metres < 720


def test_arrays_keep_shape_nan_and_places_outside() -> None:
    lon = np.array([[2.35, np.nan], [116.4, 116.4]])
    lat = np.array([[48.86, 39.9], [np.nan, 39.9]])
    x, y = d.wgs84_to_gcj02(lon, lat)
    assert x.shape == (2, 2)
    assert (x[0, 0], y[0, 0]) == (2.35, 48.86)
    assert np.isnan(x[0, 1])
    assert np.isnan(y[1, 0])
    assert x[1, 1] == pytest.approx(116.4062428, abs=1e-7)


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        ("wgs84", "wgs84", "wgs84"),
        ("WGS-84", "wgs84", "wgs84"),
        ("EPSG:4326", "wgs84", "wgs84"),
        ("cgcs2000", "cgcs2000", "cgcs2000"),
        ("epsg:4490", "cgcs2000", "cgcs2000"),
        ("GCJ02", "gcj02", "gcj02"),
        ("bd09", "bd09", "bd09"),
        ("EPSG:4547", "EPSG:4547", "crs"),
        ("epsg:3826", "EPSG:3826", "crs"),
        ("EPSG:2383+towgs84=10,-20,5", "EPSG:2383+towgs84=10,-20,5", "crs"),
    ],
)
def test_parse_datum_accepts(text: str, code: str, kind: str) -> None:
    datum = d.parse_datum(text)
    assert (datum.code, datum.kind) == (code, kind)


XIAN_80 = [4610, *range(2327, 2391)]
BEIJING_54 = [4214, 4555, *range(2401, 2443), *range(21413, 21424), *range(21453, 21464)]


@pytest.mark.parametrize("number", XIAN_80 + BEIJING_54)
def test_old_chinese_datums_are_refused(number: int) -> None:
    with pytest.raises(DatumUnknown, match="local parameters") as fault:
        d.parse_datum(f"EPSG:{number}")
    assert "towgs84" in fault.value.hint


def test_old_chinese_datum_in_a_shapefile_prj_is_refused() -> None:
    prj = (
        'PROJCS["Xian_1980_3_Degree_GK_CM_114E",GEOGCS["GCS_Xian_1980",DATUM["D_Xian_1980",'
        'SPHEROID["Xian_1980",6378140.0,298.257]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
        'PROJECTION["Gauss_Kruger"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
        'PARAMETER["Central_Meridian",114.0],PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",0.0],'
        'UNIT["Meter",1.0]]'
    )
    with pytest.raises(DatumUnknown):
        d.parse_datum(prj)


@pytest.mark.parametrize(
    "text", ["", "mars", "EPSG:999999", "EPSG:5703", "EPSG:2383+towgs84=1,2", "EPSG:4326+towgs84=x,y,z"]
)
def test_parse_datum_refuses(text: str) -> None:
    with pytest.raises(DatumUnknown):
        d.parse_datum(text)


def test_unknown_local_grid_is_refused() -> None:
    local = (
        'GEOGCS["Local",DATUM["D_Somewhere",SPHEROID["S",6378000,300]],PRIMEM["Greenwich",0],'
        'UNIT["Degree",0.0174532925199433]]'
    )
    with pytest.raises(DatumUnknown, match="no transformation"):
        d.parse_datum(local)


def test_resolve_datum_needs_a_declaration() -> None:
    with pytest.raises(DatumUnknown, match="nothing says"):
        d.resolve_datum(given=None, declared=None)
    assert d.resolve_datum(given=None, declared="EPSG:4326").code == "wgs84"
    assert d.resolve_datum(given="gcj02", declared="EPSG:4326").code == "gcj02"
    with pytest.raises(DatumUnknown, match="does not fit"):
        d.resolve_datum(given="gcj02", declared="EPSG:4547")
    with pytest.raises(DatumUnknown, match="does not fit"):
        d.resolve_datum(given="EPSG:4547", declared="EPSG:4326")
    assert d.resolve_datum(given=None, declared="gcj02").code == "gcj02"
    assert d.resolve_datum(given="wgs84", declared="gcj02").code == "wgs84"


def _points(x: float, y: float) -> np.ndarray:
    return np.array([shapely.Point(x, y), None], dtype=object)


def test_gauss_kruger_zones_meet() -> None:
    """One place in 3° by meridian, 3° by zone, 6° by meridian and 6° by zone gives one WGS-84 point."""
    from pyproj import Transformer

    lon, lat = 114.30, 30.59
    for code in (4547, 4526, 4509, 4498):
        x, y = Transformer.from_crs("EPSG:4490", f"EPSG:{code}", always_xy=True).transform(lon, lat)
        point, nothing = d.to_wgs84(_points(x, y), d.parse_datum(f"EPSG:{code}"))
        assert (point.x, point.y) == pytest.approx((lon, lat), abs=1e-9)
        assert nothing is None
        if x > 1e6:  # the zone is written in the easting: cgcs2000 alone says it all
            point, _ = d.to_wgs84(_points(x, y), d.parse_datum("cgcs2000"))
            assert (point.x, point.y) == pytest.approx((lon, lat), abs=1e-9)


def test_to_wgs84_shifts_and_drops_z() -> None:
    point, _ = d.to_wgs84(np.array([shapely.Point(116.4062428, 39.9014035, 50.0), None]), d.parse_datum("gcj02"))
    assert (point.x, point.y) == pytest.approx((116.4, 39.9), abs=CM_DEG)
    assert not point.has_z
    point, _ = d.to_wgs84(np.array([shapely.Point(116.4126280, 39.9077338), None]), d.parse_datum("bd09"))
    assert (point.x, point.y) == pytest.approx((116.4, 39.9), abs=1.2 * CM_DEG)
    point, _ = d.to_wgs84(np.array([shapely.Point(116.4, 39.9, 50.0), None]), d.parse_datum("cgcs2000"))
    assert (point.x, point.y, point.has_z) == (116.4, 39.9, False)


def test_local_parameters_move_xian_80() -> None:
    plain, _ = d.to_wgs84(_points(500_000.0, 3_400_000.0), d.parse_datum("EPSG:2383+towgs84=0,0,0"))
    moved, _ = d.to_wgs84(_points(500_000.0, 3_400_000.0), d.parse_datum("EPSG:2383+towgs84=100,0,0,0,0,0,0"))
    metres = np.hypot((plain.x - moved.x) * 111_320 * np.cos(np.radians(30.7)), (plain.y - moved.y) * 110_900)
    assert 90 < metres < 101


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [
        (114.30, 30.59, "EPSG:4547"),  # Wuhan
        (116.40, 39.90, "EPSG:4548"),  # Beijing
        (121.47, 31.23, "EPSG:4549"),  # Shanghai
        (114.06, 22.54, "EPSG:4547"),  # Shenzhen
        (87.60, 43.80, "EPSG:4538"),  # Ürümqi
        (110.35, 20.02, "EPSG:4546"),  # Haikou
        (126.63, 45.75, "EPSG:4551"),  # Harbin
        (91.10, 29.65, "EPSG:4539"),  # Lhasa
        (121.56, 25.04, "EPSG:32651"),  # Taipei
        (126.98, 37.57, "EPSG:32652"),  # Seoul
        (105.85, 21.03, "EPSG:32648"),  # Hanoi
        (106.92, 47.92, "EPSG:32648"),  # Ulaanbaatar
        (131.90, 43.12, "EPSG:32652"),  # Vladivostok
        (85.32, 27.71, "EPSG:32645"),  # Kathmandu
        (76.90, 43.24, "EPSG:32643"),  # Almaty
        (24.94, 60.17, "EPSG:32635"),  # Helsinki
        (-51.20, -30.03, "EPSG:32722"),  # Porto Alegre
        (-71.11, 42.37, "EPSG:32619"),  # Cambridge
        (180.0, 10.0, "EPSG:32660"),
    ],
)
def test_metric_grid(lon: float, lat: float, code: str) -> None:
    assert d.choose_metric_crs([lon], [lat]) == code


def test_metric_grid_ignores_stray_rows_and_needs_one_point() -> None:
    lon, lat = [114.3] * 9 + [0.0, np.nan, 1e300], [30.6] * 9 + [0.0, 30.0, 30.0]
    assert d.choose_metric_crs(lon, lat) == "EPSG:4547"
    with pytest.raises(DatumUnknown):
        d.choose_metric_crs([np.nan], [30.0])


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (38_528_000.0, 3_386_000.0, "EPSG:4526"),
        (3_386_000.0, 38_528_000.0, "swap the two columns and use EPSG:4526"),
        (20_500_000.0, 3_386_000.0, "EPSG:4498"),
        (528_000.0, 3_386_000.0, "without a zone"),
        (3_386_000.0, 528_000.0, "swap the two columns"),
    ],
)
def test_gauss_kruger_hint(x: float, y: float, expected: str) -> None:
    hint = d.detect_gauss_kruger([x, np.nan], [y, np.nan])
    assert hint is not None
    assert expected in hint


def test_gauss_kruger_hint_is_silent_elsewhere() -> None:
    assert d.detect_gauss_kruger([114.3], [30.6]) is None
    assert d.detect_gauss_kruger([1e300], [30.6]) is None


def _town(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Irregular streets around Wuhan and 300 doors 5 to 25 m beside them."""
    rng = np.random.default_rng(seed)
    at = rng.uniform([114.25, 30.55], [114.35, 30.63], (220, 2))
    turn = rng.uniform(0, np.pi, 220)
    half = 0.002 * np.column_stack([np.cos(turn), np.sin(turn)])
    streets = shapely.linestrings(np.stack([at - half, at + half], axis=1))
    pick = rng.integers(0, 220, 300)
    on = at[pick] + half[pick] * rng.uniform(-1, 1, (300, 1))
    off = rng.uniform(5, 25, 300) / 111_320.0
    return on[:, 0] - off * np.sin(turn[pick]), on[:, 1] + off * np.cos(turn[pick]), streets


@pytest.mark.parametrize(
    ("move", "name"),
    [
        (lambda x, y: (x, y), None),
        (d.wgs84_to_gcj02, "was-gcj02"),
        (d.wgs84_to_bd09, "was-bd09"),
        (d.gcj02_to_wgs84, "loaded-was-gcj02"),
        (d.bd09_to_wgs84, "loaded-was-bd09"),
    ],
)
def test_shifted_layer_is_noticed(move: Callable[..., Any], name: str | None) -> None:
    lon, lat, streets = _town(1)
    x, y = move(lon, lat)
    shifts = d.compare_shifts(x, y, streets)
    assert [shift.name for shift in shifts] == [
        "none",
        "was-gcj02",
        "was-bd09",
        "loaded-was-gcj02",
        "loaded-was-bd09",
    ]
    suspicion = d.find_suspicion(shifts)
    assert (suspicion.name if suspicion else None) == name
    best = next(shift for shift in shifts if shift.is_best)
    assert best.mean_m < 26


def test_nothing_is_claimed_without_evidence() -> None:
    lon, lat, streets = _town(2)
    assert d.compare_shifts(lon[:5], lat[:5], streets) == ()
    assert d.compare_shifts(lon, lat, np.array([None, shapely.Point()], dtype=object)) == ()
    assert d.compare_shifts(lon - 200, lat, streets) == ()
    assert d.find_suspicion(()) is None


def test_far_away_layer_is_not_called_shifted() -> None:
    lon, lat, streets = _town(3)
    assert d.find_suspicion(d.compare_shifts(lon + 2.0, lat, streets)) is None


def test_swapped_axes_are_told_from_what_is_loaded() -> None:
    cambridge = (-71.16, 42.35, -71.06, 42.40)
    lon, lat = np.linspace(-71.15, -71.07, 20), np.linspace(42.36, 42.39, 20)
    assert d.is_axis_swapped(lat, lon, cambridge)
    assert not d.is_axis_swapped(lon, lat, cambridge)
    assert not d.is_axis_swapped(lon + 30, lat, cambridge)
    assert not d.is_axis_swapped([], [], cambridge)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wgs84", None),
        ("gcj02", (70.0, 0.0, 140.0, 58.0)),
        ("EPSG:4547", (109.5, 18.5, 118.5, 48.5)),
        ("EPSG:2383+towgs84=1,2,3", (109.5, 18.5, 118.5, 48.5)),
        ("EPSG:3832", None),  # across the antimeridian
    ],
)
def test_where_a_datum_makes_sense(text: str, expected: tuple[float, ...] | None) -> None:
    found = d.find_bounds(d.parse_datum(text))
    assert found == (expected if expected is None else pytest.approx(expected, abs=0.2))
