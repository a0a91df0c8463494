"""What-if by vehicle held against full runs on the edited data, and against answers from paper."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from geo.costs import WalkProfile
from geo.driving import Roads
from geo.driving_turns import TurnRules
from geo.network import CLOSED_ON_FOOT
from geo.whatif.edits import (
    GateAdded,
    GateClosed,
    GateOpened,
    PathDrawn,
    StreetClosed,
    StreetOpened,
    build_town,
)
from geo.whatif.rules import ByVehicle
from tests.geo.test_whatif import estate, seconds, try_city
from tests.gridcity import GridCity, line, objects, point
from tests.whatifcity import make_base, make_town

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo.whatif.engine import Base


def drive(
    city: GridCity,
    *,
    home: object,
    site: object,
    one_way: dict[int, int] | None = None,
    closed: tuple[int, ...] = (),
    barred: tuple[int, ...] = (),
    bans: Sequence[tuple[int, int, int, int]] = (),
    passes_gates: bool = True,
) -> Base:
    """Return a base driven at ten metres a second from one site to one home; streets are named by number.

    `barred` streets are driven where they are opened; `bans` are turns (from, its end, to, its end).
    """
    town = make_town(city)
    number = town.streets.street_id
    way = np.array([(one_way or {}).get(int(n), 0) for n in number], dtype=np.int8)
    could = np.where(np.isin(number, closed), 0, 10_000).astype(np.int64)
    table = np.array(bans, dtype=np.int64).reshape(-1, 4)
    vehicle = ByVehicle(
        profile=WalkProfile("driving", 1.0),
        street_id=number,
        line=town.streets.line,
        roads=Roads(number, np.where(np.isin(number, barred), 0, could), way),
        unbarred=Roads(number, could, way),
        turns=TurnRules(table[:, 0] - 1, table[:, 1], table[:, 2] - 1, table[:, 3], np.zeros(table.shape[0], bool)),
        gate_mm_s=10_000,
        passes_gates=passes_gates,
    )
    return make_base(town, objects([home]), objects([site]), [[0]], bounds_s=[2000.0], vehicle=vehicle)


class TestDriven:
    """Ten metres a second; streets 1 to 4 are the bottom row of a 4 x 2 grid of 100 m blocks, 5 to 8 the middle one."""

    grid = staticmethod(lambda: GridCity.grid(4, 2))

    def test_a_closed_street_is_driven_around(self) -> None:
        base = drive(self.grid(), home=point(0, 0), site=point(200, 0))
        assert seconds(base) == [20]
        assert seconds(base, StreetClosed(2)) == [40]
        assert seconds(base, StreetClosed(2), StreetOpened(2)) == [20]

    def test_a_street_closed_on_foot_alone_can_be_closed_to_vehicles(self) -> None:
        city = GridCity.grid(4, 2)
        city.flags[1] = CLOSED_ON_FOOT
        base = drive(city, home=point(0, 0), site=point(200, 0))
        assert seconds(base) == [20]
        assert seconds(base, StreetClosed(2)) == [40]

    def test_opening_lifts_what_bars_a_street_and_not_what_its_class_says(self) -> None:
        base = drive(self.grid(), home=point(0, 0), site=point(200, 0), barred=(2,))
        assert seconds(base) == [40]
        assert seconds(base, StreetOpened(2)) == [20]
        base = drive(self.grid(), home=point(0, 0), site=point(200, 0), closed=(2,))
        assert seconds(base, StreetOpened(2)) == [40]

    def test_a_drawn_path_is_not_driven_even_when_it_is_opened(self) -> None:
        base = drive(self.grid(), home=point(0, 50), site=point(100, 50))
        path = PathDrawn(line((0, 50), (100, 50)))
        assert seconds(base, path) == [20]
        assert seconds(base, path, StreetOpened(base.load_town().streets.street_id.shape[0] + 1)) == [20]

    @pytest.mark.parametrize(("direction", "expected"), [(1, 40), (-1, 10)])
    def test_a_one_way_street_keeps_its_direction_where_a_path_splits_it(self, direction: int, expected: int) -> None:
        # out and back again beside itself: its second half runs against the first
        city = GridCity().street((0, 0), (200, 0), (200, 50), (0, 50)).street((0, 50), (0, 0))
        base = drive(city, home=point(150, 50), site=point(50, 50), one_way={1: direction})
        assert seconds(base) == [expected]
        assert seconds(base, PathDrawn(line((200, 25), (260, 25)))) == [expected]

    def test_a_banned_turn_stays_banned_where_a_path_splits_its_street(self) -> None:
        # from the site at 150 to the crossing at 100 and into its cross street: banned, so on to 0 and back
        city = GridCity().street((0, 0), (100, 0)).street((100, 0), (200, 0)).street((100, 0), (100, 100))
        base = drive(city, home=point(100, 50), site=point(150, 0), bans=[(2, 0, 3, 0)])
        paths = PathDrawn(line((120, 0), (120, -30))), PathDrawn(line((100, 20), (130, 20)))
        assert seconds(base) == [5 + 10 + 10 + 5]
        assert seconds(base, *paths) == [5 + 10 + 10 + 5]
        # whoever turns round at the other end comes back over the same street
        assert seconds(base, *paths, StreetClosed(1)) == [None]

    def test_a_gate_is_closed_to_every_vehicle_and_opened_to_those_who_pass_open_ones(self) -> None:
        for passes in (True, False):
            base = drive(estate(), home=point(100, 150), site=point(100, 200), passes_gates=passes)
            assert seconds(base) == [5 if passes else None]
            assert seconds(base, GateOpened(2)) == [5]
            around = 1 + 10 + 20 + 10 + 14
            assert seconds(base, GateOpened(1), GateClosed(2)) == [around]
            assert seconds(base, GateClosed(1), GateClosed(2)) == [None]

    def test_a_gate_shut_at_the_hour_is_shut_on_foot_alone_and_by_an_edit_to_all(self) -> None:
        base = drive(estate(), home=point(100, 150), site=point(100, 200))
        town = replace(base.load_town(), closed_gates=frozenset((1, 2)))
        shut = replace(base, town=town, walk=base.load_rules().lay_out(build_town(town)), gate_point=objects([]))
        assert seconds(shut) == [5]
        assert seconds(shut, GateClosed(2)) == [1 + 10 + 20 + 10 + 14]
        assert seconds(shut, GateClosed(2), GateOpened(2)) == [5]

    def test_a_new_gate_is_driven_through(self) -> None:
        city = GridCity.grid(1, 1, spacing_m=200).wall(10, 10, 190, 190).gate(100, 10)
        city.street((100, 10), (100, 190), private=True)
        base = drive(city, home=point(100, 150), site=point(100, 200), passes_gates=False)
        assert seconds(base) == [None]
        assert seconds(base, GateAdded(point(100, 190), 1, opens_to_all=False)) == [None]
        assert seconds(base, GateAdded(point(100, 190), 1)) == [5]


@pytest.mark.parametrize("turns", [0, 12])
@pytest.mark.parametrize("share", range(4))
def test_any_edits_of_a_driven_town_agree_with_a_full_run(share: int, turns: int) -> None:
    answered = sum(try_city(30_000 + 1000 * share + number, steps=5, turns=turns) for number in range(6))
    assert answered > 8


@pytest.mark.long
@pytest.mark.parametrize("turns", [0, 1, 12])
@pytest.mark.parametrize("share", range(8))
def test_thousands_of_edits_of_driven_towns_agree_with_a_full_run(share: int, turns: int) -> None:
    answered = sum(try_city(700_000 + 1000 * share + number, steps=8, turns=turns) for number in range(150))
    assert answered > 150
