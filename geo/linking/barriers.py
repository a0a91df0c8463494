"""Lines that no link may cross."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from geo.linking.segments import SegmentGrid, may_cross
from geo.units import BoolArray, FloatArray, ObjectArray


@dataclass(frozen=True)
class Barriers:
    """Lines no link may cross: walls, banks of rivers, railways; metric CRS, shape (b,)."""

    line: ObjectArray

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Return the index over the lines."""
        return shapely.STRtree(self.line)

    @cached_property
    def grid(self) -> SegmentGrid:
        """Return their segments in a raster."""
        xy, line = shapely.get_coordinates(self.line, return_index=True)
        ptr = np.searchsorted(line, np.arange(self.line.shape[0] + 1)).astype(np.int64)
        return SegmentGrid.build(xy, ptr, np.flatnonzero(np.diff(ptr) > 1))

    def find_crossing_between(self, start: FloatArray, end: FloatArray) -> BoolArray:
        """Return which straight ways from point to point cross a barrier; touching one is not crossing it.

        Parameters
        ----------
        start, end
            Metres in the metric CRS, shape (n, 2).
        """
        crosses = np.zeros(start.shape[0], dtype=bool)
        if self.line.shape[0] and start.shape[0]:
            grid = self.grid
            may_cross(start, end, grid.corner, grid.cell_m, grid.columns, grid.rows, grid.cell_ptr, grid.ends, crosses)
            # most ways surely meet nothing; the others are looked at exactly
            doubtful = np.flatnonzero(crosses)
            ways = np.asarray(shapely.linestrings(np.stack([start[doubtful], end[doubtful]], axis=1)), dtype=object)
            crosses[doubtful] = self.find_crossing(ways)
        return crosses

    def find_crossing(self, segment: ObjectArray) -> BoolArray:
        """Return which segments cross a barrier; touching one is not crossing it.

        Parameters
        ----------
        segment
            Two-point LineStrings in the metric CRS, shape (n,).
        """
        crosses = np.zeros(segment.shape[0], dtype=bool)
        if self.line.shape[0] and segment.shape[0]:
            which, _ = self.tree.query(segment, predicate="crosses")
            crosses[which] = True
        return crosses


def split_long_barriers(line: ObjectArray, *, max_vertices: int = 64) -> Barriers:
    """Return barriers cut into short lines, so that an index finds the few that matter.

    Parameters
    ----------
    line
        Lines or polygons in the metric CRS; of polygons the outline counts.
    max_vertices
        Longest line to keep in one piece.
    """
    geometry = np.asarray(line, dtype=object)
    polygon = np.isin(shapely.get_type_id(geometry), (3, 6))
    geometry = np.where(polygon, shapely.boundary(geometry), geometry)
    part = shapely.get_parts(geometry)
    part = shapely.get_parts(part)
    pieces: list[object] = []
    for one in part[shapely.get_type_id(part) >= 1]:
        xy = shapely.get_coordinates(one)
        starts = range(0, max(len(xy) - 1, 0), max_vertices - 1)
        xy = np.concatenate([xy, xy[1:2]]) if len(starts) > 1 and (xy[0] == xy[-1]).all() else xy
        # a piece leads one vertex into the next: the end of a line is not crossed, a vertex within it is
        pieces.extend(shapely.linestrings(xy[start : start + max_vertices + 1]) for start in starts)
    return Barriers(np.array(pieces, dtype=object))
