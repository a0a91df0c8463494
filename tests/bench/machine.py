"""What the numbers were measured on, and what memory alone costs there."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from geo.search.labels import NONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo.search.graph import Graph
    from geo.units import Int32Array, IntArray, UInt32Array

PACKAGES = (
    "onemap", "numpy", "numba", "scipy", "pandas", "geopandas", "shapely", "pandana", "igraph", "networkx", "osmnx",
)  # fmt: skip
SWEEP_ITEMS = 1 << 24
"""Eight-byte items of the arrays swept: 128 MB, beyond any cache."""

SWEEPS = 5


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, memory, system and versions."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": find_processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_1min": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def find_processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@njit(cache=True, nogil=True)
def _add_up(values: IntArray) -> int:
    total = 0
    for i in range(values.shape[0]):
        total += values[i]
    return total


@njit(cache=True, nogil=True)
def _gather(values: IntArray, order: Int32Array) -> int:
    total = 0
    for i in range(order.shape[0]):
        total += values[order[i]]
    return total


@njit(cache=True, nogil=True)
def _chase(following: Int32Array, steps: int) -> int:
    at = np.int64(0)
    for _ in range(steps):
        at = np.int64(following[at])
    return int(at)


@njit(cache=True, nogil=True)
def _read_arcs(
    nodes: Int32Array,
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    label: IntArray,
) -> int:
    """Touch what any relaxing search must: each node's label, each of its arcs, the label at the arc's other end."""
    total = 0
    for n in range(nodes.shape[0]):
        node = nodes[n]
        own = label[node]
        for arc in range(first[node], last[node]):
            total += max(own + arc_ms[arc], label[arc_node[arc]])
    return total


def measure_memory() -> dict[str, float]:
    """Return nanoseconds an item: read in order, gathered at random, and at random one after the other."""
    random = np.random.default_rng(1)
    values = np.ones(SWEEP_ITEMS, dtype=np.int64)
    order = random.permutation(SWEEP_ITEMS).astype(np.int32)
    cycle = np.empty(SWEEP_ITEMS, dtype=np.int32)
    cycle[order] = np.roll(order, -1)
    steps = SWEEP_ITEMS // 16
    tasks: dict[str, tuple[Callable[[], Any], int]] = {
        "sequential_ns": (lambda: _add_up(values), SWEEP_ITEMS),
        "random_ns": (lambda: _gather(values, order), SWEEP_ITEMS),
        "random_dependent_ns": (lambda: _chase(cycle, steps), steps),
    }
    found = {}
    for name, (work, items) in tasks.items():
        work()
        found[name] = round(min(_time(work) for _ in range(SWEEPS)) / items * 1e9, 2)
    return found


def measure_floor(graph: Graph, reached: Int32Array) -> float:
    """Return the seconds it takes to read every arc of the reached nodes once, and the labels at both of its ends.

    No search that relaxes arcs can do with less. Nodes are taken in the order they stand in memory.

    Parameters
    ----------
    graph
        What is searched.
    reached
        Nodes a search settles.
    """
    label = np.full(graph.node_count, NONE >> 1, dtype=np.int64)
    nodes = np.sort(reached)

    def work() -> int:
        return int(_read_arcs(nodes, graph.first, graph.last, graph.arc_node, graph.arc_ms, label))

    work()
    return min(_time(work) for _ in range(SWEEPS))


def _time(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
