"""Profiles and speeds as shipped: who walks, who drives, and which types each judges."""

from __future__ import annotations

import pytest

from layers.catalog import choose_profiles, read_pack, read_profiles, read_speeds
from layers.catalog.facility_type import parse_row
from layers.catalog.resources import read_csv

PACK = read_pack()


def _row(code: str) -> dict[str, str]:
    """Return a row of the shipped table as text."""
    return next(row for row in read_csv("standards.csv") if row["code"] == code)


def test_profiles_are_those_of_the_contract() -> None:
    profiles = read_profiles()
    assert {code: (row.pace_m_s, row.steps) for code, row in profiles.items()} == {
        "adult": (1.11, True),
        "older": (0.75, True),
        "child": (0.9, True),
        "wheelchair": (0.8, False),
        "driving": (2.78, False),
    }
    assert [code for code, row in profiles.items() if row.is_vehicle] == ["driving"]
    assert next(iter(profiles)) == "adult"
    assert all(row.steps_factor >= 1 and row.name_zh and row.name_en for row in profiles.values())


def test_crossings_cost_nothing_unless_a_profile_says_so() -> None:
    assert {row.crossing_s for row in read_profiles().values()} == {0}


def test_fire_stations_have_five_minutes_less_the_turn_out_and_nothing_else_is_driven() -> None:
    assert {row.code: row.drive_limit_s for row in PACK.driven} == {
        "SAF_FIRE1": 240,
        "SAF_FIRE2": 240,
        "SAF_FIRES": 240,
    }
    assert dict(PACK.not_judged)["SAF_FIRE1"] == "driven"
    assert all(row.drive_limit_s is None for row in PACK if row.mode != "drive")
    soon = parse_row(_row("SAF_FIRE1") | {"arrive_minutes": "0.5"})
    assert soon.drive_limit_s == 1


def test_walkers_judge_what_is_walked_to_and_vehicles_what_is_driven_to() -> None:
    profiles = read_profiles()
    school, station = PACK["EDU_PRIMARY"], PACK["SAF_FIRE1"]
    assert choose_profiles(school, ["older", "adult"], profiles) == ("older", "adult")
    assert choose_profiles(school, ["driving", "adult"], profiles) == ("adult",)
    assert choose_profiles(school, ["driving"], profiles) == ()
    assert choose_profiles(station, ["adult"], profiles) == ("driving",)
    assert choose_profiles(station, ["adult", "driving"], profiles) == ("driving",)


@pytest.mark.parametrize("vehicle", ["emergency", "traffic"])
def test_speeds_are_given_for_every_class_and_are_no_faster_on_lesser_streets(vehicle: str) -> None:
    speeds = read_speeds(vehicle)
    order = ["motorway", "trunk", "primary", "secondary", "tertiary", "residential", "living_street", "track"]
    assert [speeds[name] for name in order] == sorted((speeds[name] for name in order), reverse=True)
    assert {speeds[name] for name in ("footway", "steps", "pedestrian", "construction")} == {0}
    assert speeds["主干路"] == speeds["primary"]


def test_an_emergency_vehicle_is_no_slower_than_the_traffic() -> None:
    traffic = read_speeds("traffic")
    assert all(kmh >= traffic[name] for name, kmh in read_speeds("emergency").items())
