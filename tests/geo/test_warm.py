"""No request waits for the compiler once kernels are warm."""

from __future__ import annotations

import numpy as np
from numba.core.registry import CPUDispatcher

from geo.catchments import find_catchments, spread_from
from geo.link import Entrances, Links, link_sites
from geo.network import Network
from geo.reach import Homes, find_labels, find_reach, prepare_walk, seed_nodes
from geo.search import around, bits, buckets, lanes, starts, sweeps
from geo.search import labels as search
from geo.warm import warm_kernels
from tests.gridcity import PAPER, GridCity, objects, point


def map_readonly(network: Network) -> Network:
    """Return the network as one mapped from a file: its arrays may not be written to."""
    arrays = {name: array.copy() for name, array in network.arrays().items()}
    for array in arrays.values():
        array.setflags(write=False)
    return Network(metric_crs=network.metric_crs, **arrays)  # type: ignore[arg-type]


def count_compiled() -> dict[str, int]:
    """Return for every kernel for how many kinds of arrays it has been compiled."""
    return {
        f"{module.__name__}.{name}": len(kernel.nopython_signatures)
        for module in (around, bits, buckets, lanes, search, starts, sweeps)
        for name, kernel in vars(module).items()
        if isinstance(kernel, CPUDispatcher)
    }


def test_nothing_is_compiled_after_warming() -> None:
    city = GridCity.grid(4, 4).wall(110, 10, 190, 90).street((150, 10), (150, 60), private=True).gate(150, 10)
    network = map_readonly(city.network())
    homes = city.link([point(150, 50), point(20, 0), point(310, 200)], network)
    sites = objects([point(390, 300), point(40, 400)])
    entrances = link_sites(sites, np.full(2, -1, dtype=np.int32), ways=city.ways(network), gate_point=objects([]))
    walk = prepare_walk(network, PAPER)
    warm_kernels(walk, homes, entrances)
    before = count_compiled()
    rows = np.arange(2, dtype=np.int32)
    find_reach(walk, homes, entrances, facilities=[rows, rows[:1]], bounds_s=[900.0, 60.0], threads=2)
    find_reach(walk, homes, entrances, facilities=[rows] * 5, bounds_s=[900.0] * 5)
    find_catchments(walk, homes, entrances, facilities=rows, bound_s=900.0)
    find_labels(walk, [seed_nodes(rows)] * 5, bounds_ms=[900_000] * 5)
    spread_from(walk, entrances, facilities=rows, bound_s=10.0)
    assert count_compiled() == before


def test_a_place_without_facilities_can_be_warmed() -> None:
    city = GridCity.grid(1, 1)
    network = city.network()
    none = np.empty(0, dtype=np.int32)
    nothing = Entrances(none.astype(np.int64), Links(none, none.astype(np.int64), none.astype(np.int64)))
    walk = prepare_walk(network, PAPER)
    warm_kernels(walk, Homes(nothing.links, none), nothing)
    (found,) = find_reach(walk, city.link([point(0, 0)], network), nothing, facilities=[none], bounds_s=[60.0])
    assert found.reach_ms.tolist() == [-1]
