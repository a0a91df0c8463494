"""Circles count from the arrays of a study what the store would; their outlines are what RFC 7946 asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from geo.circles.outline import Parts, draw_parts
from geo.errors import RequestError
from layers.circle import count_inside, find_circles, to_lonlat
from layers.tables import COUNT_COLUMNS


def study_of(people: list[int], types: list[str | None], capacity: list[float]) -> Any:
    """Return a study with as many buildings of four dwellings, and these facilities."""
    counts = np.full((len(people), len(COUNT_COLUMNS)), -1, dtype=np.int32)
    counts[:, COUNT_COLUMNS.index("people")] = people
    return SimpleNamespace(
        buildings=SimpleNamespace(
            building_id=np.arange(len(people)) + 100, dwellings=np.full(len(people), 4), counts=counts
        ),
        sites=SimpleNamespace(
            facility_id=np.arange(len(types)) + 900, type=np.array(types, dtype=object), capacity=np.array(capacity)
        ),
    )


@pytest.mark.parametrize(
    ("rows", "people", "basis"),
    [([0, 1], 30, "counted"), ([0, 1, 2], 30, "partly"), ([2], 0, "none"), ([], 0, "none"), ([3], 0, "counted")],
)
def test_people_are_summed_and_the_basis_told(rows: list[int], people: int, basis: str) -> None:
    study = study_of([10, 20, -1, 0], [], [])
    area = count_inside(study, 5, shapely.Polygon(), np.array(rows, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert (area.people, area.people_basis) == (people, basis)
    assert area.dwellings == 4 * len(rows)
    assert area.building_id.tolist() == [100 + row for row in rows]


def test_many_people_do_not_overflow() -> None:
    study = study_of([2_000_000_000] * 3, [], [])
    area = count_inside(study, 5, shapely.Polygon(), np.arange(3), np.empty(0, dtype=np.int64))
    assert area.people == 6_000_000_000


def test_facilities_are_counted_by_type_and_uncertain_ones_left_out() -> None:
    nothing = float("nan")
    study = study_of([], ["B", "A", None, "A", "C", "A"], [5.0, nothing, 9.0, 40.0, nothing, 2.5])
    area = count_inside(study, 5, shapely.Polygon(), np.empty(0, dtype=np.int64), np.arange(5))
    assert area.facilities == {"A": (2, 40.0), "B": (1, 5.0), "C": (1, None)}
    assert list(area.facilities) == ["A", "B", "C"]
    assert area.facility_id.tolist() == [900, 901, 902, 903, 904]


@pytest.mark.parametrize("width_m", [9.9, 300.1, float("nan")])
def test_width_is_refused_before_anything_is_laid_out(width_m: float) -> None:
    """Laying out a drive takes a minute when it is new."""
    nothing: Any = None
    with pytest.raises(RequestError, match="expected 10 to 300 m"):
        find_circles(nothing, nothing, lon=0, lat=0, minutes=[5], width_m=width_m)


def star(rng: np.random.Generator, rays: int) -> Parts:
    """Return streets that lead away from one place, each third of them reached later, with rings between them."""
    turn = rng.uniform(0, 2 * np.pi, rays)
    far = 300.0 * np.arange(1, 4)
    corner = np.array([40_512_345.0, 3_401_234.0])
    ends = corner + np.stack([np.cos(turn), np.sin(turn)], axis=1)[:, None, :] * np.r_[0.0, far][None, :, None]
    rays_ = np.concatenate([ends[:, :-1], ends[:, 1:]], axis=2).reshape(-1, 4)
    order = np.argsort(turn)
    rings = np.concatenate([ends[order, 1:], np.roll(ends[order, 1:], 1, axis=0)], axis=2).reshape(-1, 4)
    layer = np.tile(np.arange(3), rays)
    keep = rng.random(rings.shape[0]) < 0.6
    return Parts(np.concatenate([rays_, rings[keep]]), np.concatenate([layer, layer[keep]]).astype(np.int32))


@pytest.mark.parametrize("seed", range(25))
def test_outlines_are_valid_and_nest_in_degrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width_m = float(rng.choice([10, 14, 30, 90]))
    parts = star(rng, int(rng.integers(1, 40)))
    drawn = to_lonlat(draw_parts(parts, limits=3, width_m=width_m), "EPSG:4528")
    for polygon, inner in zip(drawn, [shapely.Polygon(), *drawn[:-1]], strict=True):
        assert shapely.is_valid(polygon)
        assert inner.is_empty or polygon.covers(inner)
        for part in shapely.get_parts(polygon):
            assert part.exterior.is_ccw
            assert not any(ring.is_ccw for ring in part.interiors)
            for ring in (part.exterior, *part.interiors):
                xy = shapely.get_coordinates(ring)
                assert len(xy) >= 4
                assert xy[0].tolist() == xy[-1].tolist()
                assert np.array_equal(xy, np.round(xy, 7))
    # the same bytes in whatever order the parts come
    mixed = rng.permutation(parts.layer.shape[0])
    again = to_lonlat(
        draw_parts(Parts(parts.segment[mixed], parts.layer[mixed]), limits=3, width_m=width_m), "EPSG:4528"
    )
    assert [p.wkb for p in again] == [p.wkb for p in drawn]


def test_outlines_on_both_sides_of_the_antimeridian_are_cut_there() -> None:
    # Taveuni, Fiji: 180° runs through it; 820 km east of the middle of zone 60
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:32760", always_xy=True).transform(180.0, -16.8)
    street = Parts(np.array([[x - 400, y, x + 600, y]]), np.zeros(1, dtype=np.int32))
    metric = draw_parts(street, limits=1)
    (cut,) = to_lonlat(metric, "EPSG:32760")
    assert cut.is_valid
    west, east = sorted(shapely.get_parts(cut), key=lambda part: part.bounds[0])
    assert west.bounds[0] == -180
    assert east.bounds[2] == 180
    assert west.exterior.is_ccw
    assert east.exterior.is_ccw
    assert west.area / east.area == pytest.approx(630 / 430, rel=0.02)
