"""Edits of streets on hills: what-if answers are those of a full run, with slopes, crossings and steep ways."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from geo.costs import WalkProfile, find_walkable
from geo.errors import RequestError
from geo.link import Ways, link_points, link_sites
from geo.reach import Homes, find_reach, prepare_walk
from geo.units import to_mm
from geo.whatif.edits import Town
from geo.whatif.engine import Base, WhatIf, run_in_full
from layers.ground import Sampler, StreetGround, lay_ground
from tests.whatifcity import ORIGIN, random_city, show_difference

if TYPE_CHECKING:
    from geo.network import Network
    from geo.slope import Ground
    from geo.units import FloatArray

HIKER = WalkProfile("hiker", 1.11, climb_factor=7.92, crossing_s=12.5)
ROLLER = WalkProfile("roller", 0.8, steps=False, climb_factor=7.92, max_slope=0.0833)


def draw_ground(town: Town, rng: np.random.Generator) -> StreetGround:
    """Return streets of which some slope, some cross a road and some are bridges."""
    count = town.streets.street_id.shape[0]
    mine = np.flatnonzero(rng.random(count) < 0.5)
    length = to_mm(shapely.length(town.streets.line[mine]))
    return StreetGround(
        street_id=town.streets.street_id[mine],
        line=town.streets.line[mine],
        incline=np.where(rng.random(mine.size) < 0.6, rng.uniform(-0.12, 0.12, mine.size), np.nan),
        is_off_ground=rng.random(mine.size) < 0.3,
        crossing_mm=np.where(rng.random(mine.size) < 0.4, length, 0),
    )


def draw_hills(rng: np.random.Generator) -> Sampler | None:
    """Return hills, with a part of the map where nothing is known; none at all in a third of the cities."""
    if rng.random() < 0.33:
        return None
    wave, height, unknown = rng.uniform(60, 400), rng.uniform(1, 8), rng.uniform(0, 300)

    def sample(xy: FloatArray) -> FloatArray:
        x, y = (xy - ORIGIN).T
        return np.where(x < unknown, height * np.sin(x / wave) + height * np.cos(y / wave), np.nan)

    return sample


def set_on_hills(base: Base, profile: WalkProfile, streets: StreetGround, hills: Sampler | None) -> Base:
    """Return a base as a full run on hilly data makes it."""
    town = base.town
    assert isinstance(town, Town)

    def make_ground(network: Network) -> Ground:
        return lay_ground(network, streets, hills)

    network = base.walk.network
    ground = make_ground(network)
    is_open = find_walkable(network, profile, ground)
    ways = Ways(network, is_open, town.barriers, base.max_link_m, base.outline_reach_m)
    assert isinstance(base.home, np.ndarray)
    homes = Homes(link_points(base.home, base.homes.zone, ways=ways), base.homes.zone)
    sites = base.facilities
    assert isinstance(sites.geometry, np.ndarray)
    assert isinstance(sites.zone, np.ndarray)
    entrances = link_sites(sites.geometry, sites.zone, ways=ways, gate_point=base.gate_point)
    walk = prepare_walk(network, profile, ground)
    bounds = [column.bound_s for column in base.columns]
    reach = find_reach(walk, homes, entrances, facilities=sites.serves, bounds_s=bounds)
    columns = tuple(
        replace(column, reach_ms=one.reach_ms, facility=one.facility)
        for column, one in zip(base.columns, reach, strict=True)
    )
    return replace(base, walk=walk, homes=homes, entrances=entrances, columns=columns, make_ground=make_ground)


def try_hills(seed: int, *, steps: int) -> int:
    """Edit a random city on hills at random and return how many answers were held against a full run."""
    rng = np.random.default_rng(seed)
    city = random_city(rng, homes=40)
    assert isinstance(city.base.town, Town)
    profile = HIKER if rng.random() < 0.5 else ROLLER
    city.base = set_on_hills(city.base, profile, draw_ground(city.base.town, rng), draw_hills(rng))
    step = WhatIf(city.base).start
    answered = 0
    for _ in range(steps):
        edits = [city.draw_edit(rng, step) for _ in range(int(rng.integers(1, 4)))]
        try:
            step = step.apply(edits)
        except RequestError:
            continue
        for number, wanted in enumerate(run_in_full(city.base, step.edits)):
            difference = show_difference(step.answer.apply_to(city.base, number), wanted)
            assert not difference, f"seed {seed}, column {number} after {step.edits}: {difference}"
        answered += 1
    return answered


def test_edits_on_hills_agree_with_a_full_run() -> None:
    assert sum(try_hills(number, steps=4) for number in range(12)) > 12


@pytest.mark.long
@pytest.mark.parametrize("share", range(10))
def test_thousands_of_edits_on_hills_agree_with_a_full_run(share: int) -> None:
    assert sum(try_hills(900_000 + 1000 * share + number, steps=6) for number in range(60)) > 60


def test_hills_change_answers() -> None:
    rng = np.random.default_rng(3)
    city = random_city(rng)
    assert isinstance(city.base.town, Town)
    streets, network = draw_ground(city.base.town, rng), city.base.walk.network
    whole = lay_ground(network, streets, lambda xy: xy[:, 0] % 37)
    assert whole.up_ab_mm.any()
    assert whole.grade.any()
    assert whole.crossing_mm.any()
    hilly = set_on_hills(city.base, HIKER, streets, lambda xy: xy[:, 0] % 37)
    pairs = zip(hilly.columns, city.base.columns, strict=True)
    assert any((one.reach_ms != other.reach_ms).any() for one, other in pairs)
