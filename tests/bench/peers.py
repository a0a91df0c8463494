"""The peers: what is installed of them, their graphs made of ours, and the oracle."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from geo.search.labels import NONE
from tests.bench.measure import Skip
from tests.bench.oracle import find_labels_slowly

if TYPE_CHECKING:
    from geo.units import FloatArray, Int32Array, IntArray
    from tests.bench.ground import Ground

WHOLE_MS = 1000.0
"""Peers that want seconds get thousandths of them."""

QUARTER_MS = 0.25
"""Added before pandana cuts a weight to whole thousandths."""


def need(module: str) -> Any:
    """Return an optional peer.

    Raises
    ------
    Skip
        It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Skip(f"{module} is not installed ({error})") from error


def make_csr(ground: Ground) -> csr_array:
    """Return the open arcs as SciPy's compressed rows, weights in milliseconds; parallel ways stay."""
    tail, head, ms = ground.arcs
    count = ground.graph.node_count
    indptr = np.searchsorted(tail, np.arange(count + 1)).astype(np.int32)
    return csr_array((ms.astype(np.float64), head, indptr), shape=(count, count))


def find_truth(ground: Ground, nodes: Int32Array, bound_ms: int) -> IntArray:
    """Return the oracle's label of every node when facilities stand at nodes; a facility is its place in the list."""
    rows = np.arange(nodes.shape[0], dtype=np.int64)
    return find_labels_slowly(ground.walk, nodes, np.zeros_like(rows), rows, bound_ms)


def make_pandana(ground: Ground) -> Any:
    """Return a pandana network with seconds on its arcs.

    Its impedances are kept as whole thousandths in 32 bits: seconds keep our milliseconds exactly, and a quarter of one
    keeps its cutting from losing one. Milliseconds would overflow there, and its contraction then never ends. Nodes get
    their numbers for coordinates, so that places are found again exactly.
    """
    pandana = need("pandana")
    pd = need("pandas")
    if "pandana" in ground.kept:
        return ground.kept["pandana"]
    tail, head, ms = ground.arcs
    count = ground.graph.node_count
    row = np.arange(count, dtype=np.float64)
    seconds = pd.DataFrame({"s": (ms + QUARTER_MS) / WHOLE_MS})
    # its queries walk from the node to the facility: the other way round than a search from facilities
    ground.kept["pandana"] = pandana.Network(
        pd.Series(row), pd.Series(np.zeros(count)), pd.Series(head), pd.Series(tail), seconds, twoway=False
    )
    return ground.kept["pandana"]


def make_igraph(ground: Ground) -> tuple[Any, list[float]]:
    """Return an igraph graph in which one more node stands before the facilities of each type, and its weights."""
    igraph = need("igraph")
    tail, head, ms = ground.arcs
    count, sources = ground.graph.node_count, ground.sources
    before = np.repeat(np.arange(len(sources)) + count, [nodes.shape[0] for nodes in sources])
    ends = np.column_stack([np.concatenate([tail, before]), np.concatenate([head, *sources])])
    weights = np.concatenate([ms.astype(np.float64), np.zeros(before.shape[0])])
    return igraph.Graph(n=count + len(sources), edges=ends, directed=True), weights.tolist()


def make_networkx(ground: Ground) -> Any:
    """Return a networkx graph with milliseconds on its arcs; of parallel ways the shortest."""
    networkx = need("networkx")
    tail, head, ms = ground.arcs
    order = np.argsort(-ms.astype(np.int64), kind="stable")
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(ground.graph.node_count))
    graph.add_weighted_edges_from(
        zip(tail[order].tolist(), head[order].tolist(), ms[order].tolist(), strict=True), weight="ms"
    )
    return graph


def count_wrong(ms: FloatArray, label: IntArray, *, tolerance_ms: float, bound_ms: int) -> int:
    """Return at how many nodes a peer's milliseconds (infinite beyond its bound) differ from the oracle's labels.

    Within the tolerance of the bound a node may be reached or not.
    """
    truth = np.where(label == NONE, np.inf, label >> 32).astype(np.float64)
    close = np.abs(np.where(np.isfinite(ms), ms, 1e18) - np.where(np.isfinite(truth), truth, 1e18)) <= tolerance_ms
    at_bound = (np.minimum(ms, truth) >= bound_ms - tolerance_ms) & (np.isinf(ms) | np.isinf(truth))
    return int((~(close | at_bound)).sum())
