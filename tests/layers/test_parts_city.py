"""The sample city cut into parts: estates, gates, rivers, a railway and vehicles, equal to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from data.sample_city import make_city, write_city
from layers.load import load_layer
from layers.loading.options import LoadOptions
from layers.loading.reference import load_reference
from layers.parts.run import compute_here, run_in_parts
from layers.run import run_gaps
from layers.runs.result import GapRequest
from tests.layers.test_parts import read_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from data.sample_city.plan import Size
    from layers.parts.compute import PartResult
    from layers.parts.run import PartTask
    from tests.conftest import Db

LAYERS = ("areas", "streets", "compounds", "gates", "buildings", "population", "facilities")


def load_city(db: Db, size: Size, folder: Path) -> None:
    """Load a sample city with its river and railway as barriers."""
    city = make_city(size)
    files = write_city(city, folder)
    for layer in LAYERS:
        load_layer(db.writer, layer, files[layer], LoadOptions(datum="wgs84"))
    for name in ("water", "railway"):
        load_reference(db.owner, name, files[name], LoadOptions(datum="wgs84", is_barrier=True))


@pytest.mark.parametrize(("size", "counts"), [("M", (2, 6)), pytest.param("L", (2, 7), marks=pytest.mark.long)])
def test_a_city_in_parts_is_the_city(fresh_db: Db, tmp_path: Path, size: Size, counts: tuple[int, ...]) -> None:
    load_city(fresh_db, size, tmp_path)
    # short ways, or the margins of parts would hold the whole small city
    walked = GapRequest(
        types=("MED_CHS", "EDU_PRIMARY", "COM_SHOPS", "GRN_PARK5"), profiles=("adult", "wheelchair"), minutes=2
    )
    driven = GapRequest(types=("SAF_FIRE1",), minutes=0.4)
    for request in (walked, driven):
        whole = read_run(fresh_db, run_gaps(fresh_db.writer, fresh_db.settings, request).id)
        assert whole["counts"]["buildings_linked"] > 0
        for parts in counts:
            read: list[int] = []

            def compute(tasks: Sequence[PartTask], read: list[int] = read) -> Iterator[tuple[int, PartResult]]:
                for number, part in compute_here(tasks):
                    read.append(part.nodes_read)
                    yield number, part

            found = run_in_parts(
                fresh_db.writer, fresh_db.settings, request, parts=parts, compute=compute, may_repeat=False
            )
            assert read_run(fresh_db, found.id) == whole, (parts, request)
            # parts they were: not each read the whole
            assert min(read) < 0.99 * whole["counts"]["nodes"], (parts, request, read)
