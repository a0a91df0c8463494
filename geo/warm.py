"""Have every kernel of the walking engine compiled before anybody waits for an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geo.catchments import find_catchments
from geo.reach import Homes, search_homes
from geo.search.desk import Desk
from geo.search.lanes import make_lane
from geo.search.seeds import seed_sites

if TYPE_CHECKING:
    from geo.link import Entrances
    from geo.reach import Walk

_BOUND_MS = 60_000


def warm_kernels(walk: Walk, homes: Homes, entrances: Entrances) -> None:
    """Run every search once over a short distance, so that it is compiled for arrays of this kind.

    Numba compiles apart for arrays that may be written to and for those mapped from a file, so hand in what requests
    will use. With kernels kept on disk from an earlier start this takes milliseconds.

    Parameters
    ----------
    walk, homes, entrances
        What requests will search.
    """
    some = np.unique(entrances.facility)[:1].astype(np.int32)
    seeds = seed_sites(walk, entrances, some)
    desk = Desk.make(walk)
    lane = make_lane(seeds, _BOUND_MS)
    if lane is not None and desk.search_lanes(walk, [lane]):
        desk.read_lanes([lane])
        desk.wipe(desk.read_lane(0, lane))
    for search in (desk.sweep, desk.search_near, desk.search_in_order):
        desk.wipe(max(search(walk, seeds, _BOUND_MS), 0))
    if walk.gates.ptr.shape[0] > 1:
        desk.wipe_own(desk.search_compound(walk, seeds.at_gates, 0, _BOUND_MS))
    search_homes(walk, homes, seeds, _BOUND_MS, desk)
    find_catchments(walk, homes, entrances, facilities=some, bound_s=_BOUND_MS / 1000)
