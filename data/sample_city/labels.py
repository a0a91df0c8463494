"""Names and addresses of facilities, from the community and the street they lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

from data.sample_city.names import CITY_NAME, pair_name

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

OF_SUBDISTRICT = frozenset(
    {
        "ADM_SSC", "ADM_STREET", "ADM_JUSTICE", "ADM_PARTY_STREET", "ADM_POLICE", "MED_CHC", "CUL_CENTER", "ELD_CENTER",
        "EMP_JOBS", "MED_PSY",
    }
)  # fmt: skip
"""Types that carry the name of their subdistrict."""
OWN_NAME = frozenset(
    {
        "COM_MALL", "COM_MARKET", "COM_SHOPS", "COM_STORE", "COM_FOOD", "COM_BANK", "COM_PARCEL", "SPO_CLUB",
        "MED_PHARMACY", "MED_OUTPATIENT", "MED_HOSPITAL", "EDU_NURSERY", "EDU_AFTERSCHOOL", "EDU_JUNIOR", "EDU_SENIOR",
        "EDU_NINEYEAR", "TRA_METRO", "ELD_HOME", "ELD_NURSING", "GRN_PARK15",
    }
)  # fmt: skip
"""Types with a name of their own; all others carry the name of their community."""
ORDINALS = ("", "第二", "第三", "第四", "第五", "第六", "第七", "第八", "第九", "第十")


def name_facilities(
    table: pd.DataFrame, points: NDArray[np.object_], titles: list[str], areas: gpd.GeoDataFrame
) -> list[str]:
    """Return a name for each facility.

    Parameters
    ----------
    table
        Facilities with their type.
    points
        Where they are, degrees.
    titles
        Ending of each name.
    areas
        The areas layer; communities and subdistricts lend their names.
    """
    communities = areas[areas["level"] == "community"].reset_index(drop=True)
    inside = shapely.STRtree(communities.geometry.to_numpy()).query_nearest(points, all_matches=False)[1]
    title_of = dict(zip(areas["code"], areas["name"], strict=True))
    local = [str(name).removesuffix("社区") for name in communities["name"]]
    upper = [str(title_of[code]).removesuffix("街道") for code in communities["parent_code"]]
    types = table["type"].to_numpy(dtype=object)
    own = np.isin(types.astype(str), list(OWN_NAME))
    wide = np.isin(types.astype(str), list(OF_SUBDISTRICT))
    prefixes = [
        pair_name(number * 7 + 3) if is_own else (upper[k] if is_wide else local[k])
        for number, (k, is_own, is_wide) in enumerate(zip(inside, own, wide, strict=True))
    ]
    again = pd.DataFrame({"type": types, "prefix": prefixes}).groupby(["type", "prefix"]).cumcount().to_numpy()
    return [
        f"{prefix}{ORDINALS[turn] if turn < len(ORDINALS) else f'{turn + 1}号'}{title}"
        for prefix, turn, title in zip(prefixes, again, titles, strict=True)
    ]


def address_facilities(table: pd.DataFrame, public: pd.DataFrame) -> list[str]:
    """Return an address for each facility: the nearest public street and a number that grows along it.

    Parameters
    ----------
    table
        Facilities on the board: u, v.
    public
        Public street pieces on the board.
    """
    middle = np.stack([(public["ua"] + public["ub"]) / 2.0, (public["va"] + public["vb"]) / 2.0], axis=1)
    tree = shapely.STRtree(shapely.points(middle))
    piece = tree.nearest(shapely.points(table["u"].to_numpy(), table["v"].to_numpy()))
    names = public["name"].to_numpy(dtype=object)[piece]
    is_flat = (public["ub"] > public["ua"]).to_numpy()[piece]
    along = np.where(is_flat, table["u"], table["v"])
    return [f"{CITY_NAME}{name}{int(at // 8) + 1}号" for name, at in zip(names, along, strict=True)]
