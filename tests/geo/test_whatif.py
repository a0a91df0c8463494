"""What-if answers held against full runs on the edited data, byte for byte, and against answers from paper."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from geo.errors import DataError, RequestError
from geo.gaps import COVERED, UNKNOWN
from geo.network import CLOSED_ON_FOOT, STEPS
from geo.whatif.edits import (
    MAX_EDITS,
    Edit,
    FacilityAdded,
    FacilityClosed,
    FacilityMoved,
    FacilityResized,
    GateAdded,
    GateClosed,
    GateOpened,
    PathDrawn,
    StreetClosed,
    StreetOpened,
    apply_edits,
)
from geo.whatif.engine import Base, Step, WhatIf, run_in_full
from tests.gridcity import PAPER, GridCity, box, line, objects, point
from tests.whatifcity import make_base, make_town, random_city, show_difference

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_step(base: Base, step: Step) -> None:
    """Hold a step against the full run on the edited data."""
    answer = step.answer
    for number, wanted in enumerate(run_in_full(base, step.edits)):
        difference = show_difference(answer.apply_to(base, number), wanted)
        assert not difference, f"column {number} after {step.edits}: {difference}"


def try_city(seed: int, *, steps: int, homes: int = 60, turns: int | None = None) -> int:
    """Ask a random city random questions, undoing some, and return how many were answered."""
    rng = np.random.default_rng(seed)
    city = random_city(rng, homes=homes, turns=turns)
    engine = WhatIf(city.base, labels_kept=int(rng.integers(1, 4)))
    step = engine.start
    answered = 0
    for _ in range(steps):
        if rng.random() < 0.25:
            step = step.undo()
            if rng.random() < 0.5:
                check_step(city.base, step)
            continue
        edits = [city.draw_edit(rng, step) for _ in range(int(rng.integers(1, 4)))]
        try:
            step = step.apply(edits, threads=int(rng.integers(1, 3)))
        except RequestError:
            continue
        check_step(city.base, step)
        answered += 1
    return answered


@pytest.mark.parametrize("share", range(10))
def test_any_edits_agree_with_a_full_run(share: int) -> None:
    answered = sum(try_city(1000 * share + number, steps=5) for number in range(15))
    assert answered > 20


@pytest.mark.long
@pytest.mark.parametrize("share", range(20))
def test_thousands_of_edits_agree_with_a_full_run(share: int) -> None:
    assert sum(try_city(100_000 + 1000 * share + number, steps=8) for number in range(200)) > 200


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40))
def test_long_lists_of_edits_agree_with_a_full_run(seed: int) -> None:
    assert try_city(500_000 + seed, steps=60, homes=200) > 20


def block(*, homes: Sequence[object], sites: Sequence[object], city: GridCity | None = None) -> Base:
    """Return a base of one type on a 4 x 2 grid of 100 m blocks, a metre a second."""
    made = GridCity.grid(4, 2) if city is None else city
    serves = [list(range(len(sites)))]
    return make_base(make_town(made), objects(homes), objects(sites), serves, bounds_s=[2000.0], profile=PAPER)


def seconds(base: Base, *edits: Edit) -> list[float | None]:
    """Return the reach of every home after some edits."""
    step = WhatIf(base).run(edits)
    check_step(base, step)
    return [None if ms < 0 else ms / 1000 for ms in step.answer.apply_to(base, 0).reach_ms.tolist()]


class TestOnPaper:
    """One metre a second: seconds are metres."""

    def test_a_facility_nearer_by_is_taken(self) -> None:
        base = block(homes=[point(0, 0), point(400, 200)], sites=[point(400, 0)])
        assert seconds(base, FacilityAdded(point(100, 0), (0,))) == [100, 200]

    def test_a_tie_stays_with_the_older_facility(self) -> None:
        base = block(homes=[point(100, 0)], sites=[point(200, 0)])
        step = WhatIf(base).run([FacilityAdded(point(0, 0), (0,))])
        assert step.answer.columns[0].rows.tolist() == []

    def test_a_closed_facility_leaves_its_homes_to_the_next(self) -> None:
        base = block(homes=[point(0, 0)], sites=[point(100, 0), point(400, 200)])
        assert seconds(base, FacilityClosed(0)) == [600]
        assert seconds(base, FacilityClosed(0), FacilityClosed(1)) == [None]

    def test_a_moved_facility_keeps_its_row(self) -> None:
        base = block(homes=[point(0, 0)], sites=[point(100, 0), point(400, 200)])
        step = WhatIf(base).run([FacilityMoved(0, point(300, 0))])
        assert step.answer.columns[0].reach_ms.tolist() == [300_000]
        assert step.answer.columns[0].facility.tolist() == [0]
        assert step.answer.columns[0].radius_mm.tolist() == [300_000]

    def test_a_facility_moved_far_is_entered_from_streets_opened_there(self) -> None:
        # beyond the link distance, so a book of the places facilities had would not find it where it is now
        city = GridCity.grid(10, 1)
        base = block(homes=[point(0, 50)], sites=[box(905, 3, 915, 13)], city=city)
        upright = 21
        step = WhatIf(base).start
        for edits in ([StreetClosed(upright)], [FacilityMoved(0, box(-13, 3, -3, 13))], [StreetOpened(upright)]):
            step = step.apply(edits)
            check_step(base, step)
        (reach_ms,) = step.answer.apply_to(base, 0).reach_ms.tolist()
        assert reach_ms <= 50_000

    def test_a_resized_facility_moves_nobody(self) -> None:
        base = block(homes=[point(0, 0)], sites=[point(100, 0)])
        step = WhatIf(base).run([FacilityResized(0, 250.0)])
        assert step.answer.columns[0].rows.tolist() == []
        assert step.facilities.capacity[np.array([0])].tolist() == [250.0]

    def test_a_closed_street_is_walked_around(self) -> None:
        base = block(homes=[point(0, 0)], sites=[point(200, 0)])
        # streets 1 to 4 are the bottom row
        assert seconds(base, StreetClosed(2)) == [400]
        assert seconds(base, StreetClosed(2), StreetOpened(2)) == [200]

    def test_homes_on_a_closed_street_go_to_the_next(self) -> None:
        base = block(homes=[point(40, -10)], sites=[point(0, 0)])
        # to the end of the cross street, 40 m along and 10 m up
        assert seconds(base, StreetClosed(1)) == [pytest.approx(np.hypot(40, 10), abs=0.001)]

    def test_a_path_cuts_the_corner(self) -> None:
        base = block(homes=[point(0, 50)], sites=[point(100, 50)])
        assert seconds(base) == [200]
        assert seconds(base, PathDrawn(line((2, 50), (97, 50)))) == [100]

    def test_a_path_may_join_a_path(self) -> None:
        base = block(homes=[point(0, 50)], sites=[point(50, 99)])
        edits = [PathDrawn(line((0, 50), (100, 50))), PathDrawn(line((50, 48), (50, 100)))]
        assert seconds(base, *edits) == [99]

    def test_steps_are_no_way_for_wheels(self) -> None:
        wheels = type(PAPER)("wheels", 1.0, steps=False)
        town, homes, sites = make_town(GridCity.grid(4, 2)), objects([point(0, 50)]), objects([point(100, 50)])
        made = make_base(town, homes, sites, [[0]], bounds_s=[2000.0], profile=wheels)
        assert seconds(made, PathDrawn(line((0, 50), (100, 50)), flags=STEPS)) == [200]

    def test_whoever_was_beyond_the_link_distance_is_reached_by_a_path(self) -> None:
        base = block(homes=[point(200, -320)], sites=[point(200, 0)])
        assert seconds(base) == [None]
        step = WhatIf(base).run([PathDrawn(line((200, 0), (200, -200)))])
        check_step(base, step)
        assert step.answer.columns[0].reach_ms.tolist() == [320_000]
        assert step.answer.relinked.tolist() == [0]
        assert step.answer.columns[0].find_status(400).tolist() == [COVERED]

    def test_homes_whose_only_street_closes_are_unknown(self) -> None:
        city = GridCity().street((0, 0), (100, 0)).street((0, 1000), (100, 1000))
        base = block(homes=[point(50, 10)], sites=[point(0, 0)], city=city)
        step = WhatIf(base).run([StreetClosed(1)])
        assert step.answer.columns[0].find_status(1000).tolist() == [UNKNOWN]


def two_doors(*, through_estate: bool = False) -> GridCity:
    """Return an estate with two residents' gates whose paths inside do not meet; streets lead south from both."""
    city = GridCity().street((50, 0), (50, -60)).street((50, -60), (50, -100)).street((50, -100), (50, -205))
    city.street((50, 0), (-100, 0)).street((150, 0), (150, -100)).street((150, 0), (550, 0)).wall(10, 10, 190, 190)
    if through_estate:
        city.wall(20, -250, 180, -30)
    city.street((50, 10), (50, 60)).street((150, 10), (150, 60)).gate(50, 10).gate(150, 10)
    if through_estate:
        city.gate(50, -30, of=1, opens_to_all=True).gate(150, -30, of=1, opens_to_all=True)
    return city


@pytest.mark.parametrize("through_estate", [False, True])
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_a_path_leads_where_residents_own_walks_lead_on(*, through_estate: bool, warm: bool, together: bool) -> None:
    """Facility 1 stands behind one gate, the home behind the other: once 0 is gone, residents' walks lead out to it."""
    sites = [point(50, -205), point(50, 60), point(-100, 0), point(550, 0)]
    base = block(homes=[point(150, 60)], sites=sites, city=two_doors(through_estate=through_estate))
    edits: list[Edit] = [FacilityClosed(0), PathDrawn(line((50, -100), (150, -100)))]
    engine = WhatIf(base)
    if warm:
        # an edit of streets lists where residents' walks lead in the base
        engine.warm_up()
        engine.run([StreetClosed(6)])
    step = engine.start
    for batch in [edits] if together else [[one] for one in edits]:
        step = step.apply(batch)
        check_step(base, step)
    found = step.answer.apply_to(base, 0)
    # 50 and 10 out of the gate, 100 down, 100 across, and the same up to the facility
    assert (found.reach_ms.tolist(), found.facility.tolist()) == ([420_000], [1])


def estate(*, opens_to_all: bool = False) -> GridCity:
    """Return one 200 m block with a walled estate, a path across it and a gate at the bottom and one at the top."""
    city = GridCity.grid(1, 1, spacing_m=200).wall(10, 10, 190, 190).street((100, 10), (100, 190), private=True)
    return city.gate(100, 10, opens_to_all=opens_to_all).gate(100, 190, opens_to_all=opens_to_all)


class TestGates:
    """Compounds and their gates."""

    def test_a_closed_gate_sends_residents_round(self) -> None:
        base = block(homes=[point(100, 150)], sites=[point(100, 200)], city=estate())
        assert seconds(base) == [50]
        assert seconds(base, GateClosed(2)) == [140 + 10 + 100 + 200 + 100]

    def test_the_wall_stays_when_the_last_gate_closes(self) -> None:
        base = block(homes=[point(100, 150)], sites=[point(100, 200)], city=estate())
        assert seconds(base, GateClosed(1), GateClosed(2)) == [None]

    def test_an_opened_gate_lets_everybody_through(self) -> None:
        base = block(homes=[point(100, 200)], sites=[point(100, 0)], city=estate())
        assert seconds(base) == [400]
        assert seconds(base, GateOpened(1), GateOpened(2)) == [200]
        assert seconds(base, GateOpened(1), GateOpened(2), GateOpened(1, opens_to_all=False)) == [400]

    def test_a_new_gate_opens_the_wall_where_it_stands(self) -> None:
        city = GridCity.grid(1, 1, spacing_m=200).wall(10, 10, 190, 190).gate(100, 10)
        city.street((100, 10), (100, 190), private=True)
        base = block(homes=[point(100, 150)], sites=[point(100, 200)], city=city)
        assert seconds(base, GateAdded(point(100, 190), 1)) == [50]

    def test_a_gate_whose_only_way_closes_leads_nowhere(self) -> None:
        city = GridCity().street((0, 0), (200, 0)).street((0, 500), (200, 500)).wall(100, -20, 190, 20).gate(100, 0)
        base = block(homes=[point(150, 10), point(0, 480)], sites=[point(0, 0), point(200, 500)], city=city)
        assert seconds(base) == [10 + 50 + 100, 20 + 200]
        assert seconds(base, StreetClosed(1)) == [None, 20 + 200]

    def test_a_gate_moves_to_the_next_way_when_its_own_closes(self) -> None:
        city = estate().street((0, 5), (200, 5)).street((0, 0), (0, 5)).street((200, 0), (200, 5))
        base = block(homes=[point(100, 50)], sites=[point(0, 0)], city=city)
        number = len(city.lines) - 2
        assert seconds(base)[0] == 40 + 5 + 100 + 5
        assert seconds(base, StreetClosed(number))[0] == 40 + 10 + 100

    def test_residents_who_leave_and_come_back_feel_a_street_close_outside(self) -> None:
        # two paths that do not meet inside: nobody else is served, only the residents' own walk goes over the street
        city = GridCity().street((0, 0), (70, 0)).street((70, 0), (130, 0)).street((130, 0), (200, 0))
        city.street((0, 0), (0, 200)).street((0, 200), (200, 200)).street((200, 200), (200, 0))
        city.wall(10, 10, 190, 190).street((50, 10), (50, 60)).street((150, 10), (150, 60)).gate(50, 10).gate(150, 10)
        base = block(homes=[point(150, 60)], sites=[point(50, 60)], city=city)
        assert seconds(base) == [50 + 10 + 100 + 10 + 50]
        assert seconds(base, StreetClosed(2)) == [50 + 10 + 50 + 600 + 50 + 10 + 50]
        # both gates open onto the new path, 5 m before them
        shortcut = PathDrawn(line((0, 100), (5, 100), (5, 5), (195, 5), (195, 100), (200, 100)))
        assert seconds(base, StreetClosed(2), shortcut) == [50 + 5 + 100 + 5 + 50]
        assert seconds(base, StreetClosed(2), StreetOpened(2)) == [220]

    def test_a_site_is_not_entered_by_a_closed_gate(self) -> None:
        city = GridCity.grid(3, 1).wall(210, 40, 290, 60).gate(280, 40)
        base = block(homes=[point(0, 0)], sites=[box(220, -50, 280, 40)], city=city)
        # 20 m from the gate to the street beside it
        assert seconds(base) == [300 + 40 + 20]
        assert seconds(base, GateClosed(1)) == [220]


class TestSteps:
    """Batches, undo, and going on from steps known."""

    def base(self) -> Base:
        return block(homes=[point(x, 20) for x in range(0, 400, 25)], sites=[point(0, 0), point(400, 200)])

    def test_undo_is_the_base_again(self) -> None:
        base = self.base()
        step = WhatIf(base).run([StreetClosed(2), FacilityClosed(0)])
        assert step.answer.columns[0].rows.size
        assert step.undo().answer.columns[0].rows.size == 0
        assert step.undo().undo().edits == ()

    def test_a_batch_is_the_same_as_one_after_the_other(self) -> None:
        base = self.base()
        edits: list[Edit] = [StreetClosed(2), FacilityAdded(point(200, 50), (0,)), PathDrawn(line((50, 0), (50, 100)))]
        batch = WhatIf(base).start.apply(edits)
        single = WhatIf(base).start
        for edit in edits:
            single = single.apply([edit])
        assert np.array_equal(batch.answer.columns[0].reach_ms, single.answer.columns[0].reach_ms)
        assert np.array_equal(batch.answer.columns[0].rows, single.answer.columns[0].rows)
        assert batch.edits == single.edits

    def test_steps_with_the_same_beginning_are_gone_on_from(self) -> None:
        engine = WhatIf(self.base())
        first = engine.run([StreetClosed(2)])
        assert engine.run([StreetClosed(2)]) is first
        assert engine.run([StreetClosed(2), FacilityClosed(0)]).parent is first

    def test_branches_do_not_disturb_each_other(self) -> None:
        base = self.base()
        engine = WhatIf(base, labels_kept=1)
        left = engine.run([StreetClosed(2)])
        right = engine.run([PathDrawn(line((50, 0), (50, 100))), FacilityClosed(1)])
        check_step(base, left.apply([FacilityMoved(0, point(100, 100))]))
        check_step(base, right.apply([StreetClosed(3)]))
        check_step(base, left)
        check_step(base, right)

    def test_many_may_ask_at_once(self) -> None:
        base = self.base()
        engine = WhatIf(base, labels_kept=1)
        questions: list[list[Edit]] = [
            [StreetClosed(street), FacilityAdded(point(20 * street, 90), (0,))] for street in range(1, 13)
        ]
        with ThreadPoolExecutor(4) as pool:
            steps = list(pool.map(engine.run, questions))
        for step, edits in zip(steps, questions, strict=True):
            assert step.edits == tuple(edits)
            check_step(base, step)

    def test_what_was_refused_leaves_no_trace(self) -> None:
        base = self.base()
        engine = WhatIf(base)
        step = engine.run([StreetClosed(2)])
        with pytest.raises(RequestError):
            step.apply([StreetClosed(3), FacilityClosed(0), FacilityClosed(99)])
        check_step(base, step.apply([FacilityClosed(0)]))

    def test_a_broken_search_leaves_no_trace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        base = self.base()
        engine = WhatIf(base)
        step = engine.run([StreetClosed(2)])

        def fail(*_: object, **__: object) -> None:
            raise MemoryError

        with monkeypatch.context() as patch:
            patch.setattr("geo.whatif.engine.solve", fail)
            with pytest.raises(MemoryError):
                step.apply([StreetClosed(3)])
        check_step(base, step.apply([StreetClosed(5)]))

    def test_the_town_is_read_when_streets_are_edited_first(self) -> None:
        base = self.base()
        asked = []

        def load() -> object:
            asked.append(1)
            return base.town

        lazy = Base(**{**vars(base), "town": load})
        engine = WhatIf(lazy)
        step = engine.run([FacilityClosed(0)])
        assert not asked
        step.apply([StreetClosed(2)]).apply([StreetClosed(3)])
        assert len(asked) == 1


BAD = [
    (FacilityClosed(7), "no facility 7"),
    (FacilityClosed(-1), "no facility -1"),
    (FacilityMoved(9, point(0, 0)), "no facility 9"),
    (FacilityResized(0, float("nan")), "capacity nan"),
    (FacilityResized(0, -1.0), "capacity -1"),
    (FacilityResized(0, 1e12), "capacity 1000"),
    (FacilityAdded(point(0, 0), (0,), capacity=float("inf")), "capacity inf"),
    (FacilityAdded(point(0, 0), (3,)), "column 3"),
    (FacilityAdded(shapely.Point(), (0,)), "empty"),
    (FacilityAdded(shapely.LineString([(0, 0), (1, 1)]), (0,)), "geometry LineString"),
    (FacilityAdded(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), (0,)), "not valid"),
    (FacilityMoved(0, shapely.Point(1e12, 0)), "no place on the Earth"),
    (StreetClosed(99), "no street 99"),
    (StreetOpened(0), "no street 0"),
    (GateClosed(5), "no gate 5"),
    (GateOpened(5), "no gate 5"),
    (GateAdded(point(10, 10), 4), "compound 4 is not walled"),
    (GateAdded(line((0, 0), (1, 1)), 1), "geometry LineString"),
    (PathDrawn(line((50, 50), (60, 60))), "neither end"),
    (PathDrawn(line((50, 0), (50, 0))), "is 0 m long"),
    (PathDrawn(line((0, 0), (100, 0)), flags=CLOSED_ON_FOOT), "flags 1"),
    (PathDrawn(line((0, 0), (100, 0)), snap_m=50.0), "may move 50"),
    (PathDrawn(line((0, 0), (100, 0)), snap_m=float("nan")), "may move nan"),
    (PathDrawn(line((0, 0), (900_000, 0))), "m long"),
    (PathDrawn(point(0, 0)), "geometry Point"),
]


@pytest.mark.parametrize(("edit", "told"), BAD)
def test_bad_edits_are_refused_by_place(edit: Edit, told: str) -> None:
    base = block(homes=[point(0, 0)], sites=[point(100, 0)])
    with pytest.raises(RequestError, match=told) as refused:
        WhatIf(base).run([FacilityResized(0, 10.0), edit])
    assert refused.value.parameter == "edits[1]"
    town = base.load_town()
    with pytest.raises(RequestError, match=told):
        apply_edits(town, base.facilities, [edit])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_coordinates_that_are_no_number_are_refused(bad: float) -> None:
    base = block(homes=[point(0, 0)], sites=[point(100, 0)])
    with np.errstate(invalid="ignore"):
        edits: list[Edit] = [
            FacilityAdded(shapely.Point(bad, 0), (0,)),
            PathDrawn(shapely.LineString([(bad, 0), (500_000, 3_400_000)])),
        ]
    for edit in edits:
        with pytest.raises(RequestError, match=r"no place on the Earth|empty"):
            WhatIf(base).run([edit])


def test_a_facility_closed_twice_is_refused() -> None:
    base = block(homes=[point(0, 0)], sites=[point(100, 0)])
    with pytest.raises(RequestError, match="closed already") as refused:
        WhatIf(base).run([FacilityClosed(0)]).apply([FacilityMoved(0, point(0, 0))])
    assert refused.value.parameter == "edits[1]"


def test_too_many_edits_are_refused() -> None:
    base = block(homes=[point(0, 0)], sites=[point(100, 0)])
    step = WhatIf(base).run([FacilityResized(0, float(n)) for n in range(MAX_EDITS)])
    with pytest.raises(RequestError, match="at most 200"):
        step.apply([FacilityResized(0, 1.0)])


def test_a_base_that_does_not_fit_together_is_refused() -> None:
    base = block(homes=[point(0, 0)], sites=[point(100, 0)])
    with pytest.raises(DataError, match="places 2"):
        Base(**{**vars(base), "home": objects([point(0, 0), point(1, 1)])})
    with pytest.raises(DataError, match="columns"):
        Base(**{**vars(base), "columns": ()})


def test_streets_that_are_not_the_networks_are_refused() -> None:
    base = block(homes=[point(0, 0)], sites=[point(100, 0)])
    other = Base(**{**vars(base), "town": make_town(GridCity.grid(1, 1))})
    with pytest.raises(DataError, match="not made from the streets"):
        WhatIf(other).run([StreetClosed(1)])
