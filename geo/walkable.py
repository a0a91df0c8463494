"""Which streets people on foot may use.

Every street but those closed to people on foot: motorways, ways tagged ``foot=no``, and ways whose access is closed to
all. ``access=private`` is kept apart, because inside a compound its residents walk there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo.network import CLOSED_ON_FOOT, NO_WHEELCHAIR, STEPS
from geo.units import BoolArray

CLOSED_HIGHWAYS = frozenset({"motorway", "motorway_link", "bus_guideway", "raceway", "construction", "proposed"})
"""Classes nobody walks on unless the way says otherwise.

References
----------
OpenStreetMap wiki, "OSM tags for routing/Access restrictions", default access on foot.
"""

FOOT_YES = frozenset({"yes", "designated", "permissive", "official", "destination"})
FOOT_NO = frozenset({"no", "use_sidepath"})
PRIVATE = frozenset({"private", "residents", "customers", "permit"})
CLOSED_ACCESS = frozenset({"no", "military"})


def classify_streets(
    highway: npt.ArrayLike,
    *,
    foot: npt.ArrayLike,
    access: npt.ArrayLike,
    steps: npt.ArrayLike,
    wheelchair: npt.ArrayLike,
) -> tuple[npt.NDArray[np.uint8], BoolArray]:
    """Return the edge flags of each street and whether only those who live there may walk it.

    Parameters
    ----------
    highway, foot, access, wheelchair
        Values as OpenStreetMap writes them; missing values are None, shape (n,).
    steps
        True where the street is a stair; ``highway=steps`` says the same, shape (n,).

    Returns
    -------
    flags
        Bits of :data:`geo.network.CLOSED_ON_FOOT`, ``STEPS`` and ``NO_WHEELCHAIR``, shape (n,).
    is_private
        Shape (n,).

    References
    ----------
    design/numbers.md, "Walking".
    """
    kind, on_foot, entry, wheels = (pd.Series(values, dtype="object") for values in (highway, foot, access, wheelchair))
    stairs = pd.Series(steps, dtype="object").isin([True]).to_numpy() | (kind == "steps").to_numpy()
    allowed = on_foot.isin(FOOT_YES).to_numpy()
    closed = on_foot.isin(FOOT_NO).to_numpy()
    closed = closed | (kind.isin(CLOSED_HIGHWAYS) | entry.isin(CLOSED_ACCESS)).to_numpy() & ~allowed
    private = (entry.isin(PRIVATE).to_numpy() & ~allowed) | on_foot.isin(PRIVATE).to_numpy()
    flags = np.zeros(kind.shape[0], dtype=np.uint8)
    flags[closed] |= CLOSED_ON_FOOT
    flags[stairs] |= STEPS
    flags[stairs | (wheels == "no").to_numpy()] |= NO_WHEELCHAIR
    return flags, private & ~closed
