"""Reached parts of ways as outlines: distance to them on a raster, contours of it where it equals the drawn width.

Every limit has a layer of its own, and each part is stamped once, into the layer of the first limit that reaches it;
later layers take what earlier ones have. So an outline lies within the next one cell by cell, and where both run along
the same parts they are the same vertices.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.search.labels import Whole
from geo.units import FloatArray, Int32Array, IntArray

Field = npt.NDArray[np.float32]
"""Squared metres to the nearest reached part, shape (limits, rows, columns)."""

NOTCHES = 10
"""A contour crosses the side of a cell at one of so many places: two contours cross at the same place or clearly apart,
which keeps them in order through simplifying and rounding."""


@njit(cache=True, nogil=True)
def stamp(
    field: Field, segment: FloatArray, layer: Int32Array, x0: float, y0: float, cell_m: float, far_m: float
) -> None:
    """Lower the field around segments to the squared distance from them, and each layer to the one before.

    Parameters
    ----------
    field
        Squared metres at the corners of cells; filled with a distance beyond `far_m` on entry.
    segment
        Both ends of each segment, metres: x, y, x, y, shape (n, 4).
    layer
        Layer of each segment, shape (n,).
    x0, y0, cell_m
        Place of the first corner and size of a cell, metres.
    far_m
        Distance up to which the field is wanted.
    """
    rows, columns = field.shape[1], field.shape[2]
    nought, one = np.float32(0), np.float32(1)
    # single precision and plain slices: so the inner loop takes eight corners at a time
    steps = (np.arange(columns) * cell_m).astype(np.float32)
    for s in range(segment.shape[0]):
        plane = field[layer[s]]
        ax, ay = segment[s, 0] - x0, segment[s, 1] - y0
        bx, by = segment[s, 2] - x0, segment[s, 3] - y0
        dx, dy = np.float32(bx - ax), np.float32(by - ay)
        square = (bx - ax) ** 2 + (by - ay) ** 2
        share_x = np.float32((bx - ax) / square) if square > 0 else nought
        share_y = np.float32((by - ay) / square) if square > 0 else nought
        low_r = max(int(np.ceil((min(ay, by) - far_m) / cell_m)), 0)
        high_r = min(int((max(ay, by) + far_m) / cell_m), rows - 1)
        low_c = max(int(np.ceil((min(ax, bx) - far_m) / cell_m)), 0)
        high_c = min(int((max(ax, bx) + far_m) / cell_m), columns - 1)
        across = steps[: max(high_c - low_c + 1, 0)]
        from_a = np.float32(low_c * cell_m - ax)
        for r in range(low_r, high_r + 1):
            py = np.float32(r * cell_m - ay)
            line = plane[r, low_c : high_c + 1]
            for c in range(across.shape[0]):
                px = across[c] + from_a
                share = px * share_x + py * share_y
                share = max(share, nought)
                share = min(share, one)
                ox = px - share * dx
                oy = py - share * dy
                near = ox * ox + oy * oy
                line[c] = min(line[c], near)
    for b in range(1, field.shape[0]):
        for r in range(rows):
            for c in range(columns):
                field[b, r, c] = min(field[b, r, c], field[b - 1, r, c])


@njit(cache=True, nogil=True)
def count_crossings(field: Field, level: float) -> int:
    """Return how many sides of cells the contours of all layers cross.

    Parameters
    ----------
    field
        Squared distances.
    level
        Squared distance of the contour.
    """
    count = 0
    for b in range(field.shape[0]):
        for r in range(field.shape[1] - 1):
            for c in range(field.shape[2] - 1):
                inside = field[b, r, c] <= level
                count += int(inside != (field[b, r, c + 1] <= level)) + int(inside != (field[b, r + 1, c] <= level))
    return count


@njit(cache=True, nogil=True)
def _notch(inner: float, outer: float, level: float) -> int:
    """Return at which notch from the inner corner a contour crosses a side; distances are squared."""
    near, far = np.sqrt(inner), np.sqrt(outer)
    share = (np.sqrt(level) - near) / (far - near)
    return min(max(int(share * NOTCHES), 0), NOTCHES - 1)


@njit(cache=True, nogil=True)
def _leave(plane: Field, r: int, c: int, entered: int, level: float) -> int:
    """Return the side by which the contour leaves a cell: 0 low, 1 right, 2 high, 3 left; the inside is at its left."""
    # corners in the order of sides: corner k is where side k begins, going round counter-clockwise
    values = (plane[r, c], plane[r, c + 1], plane[r + 1, c + 1], plane[r + 1, c])
    ahead_right = values[(entered + 2) % 4] <= level
    ahead_left = values[(entered + 3) % 4] <= level
    if ahead_right and ahead_left:
        return (entered + 1) % 4
    if ahead_right:
        # two opposite corners are inside: joined where the middle is
        middle = (values[0] + values[1] + values[2] + values[3]) / 4
        return (entered + 1) % 4 if middle <= level else (entered + 3) % 4
    return (entered + 2) % 4 if ahead_left else (entered + 3) % 4


@njit(cache=True, nogil=True)
def _place(plane: Field, r: int, c: int, side: int, level: float) -> tuple[int, int]:
    """Return the number of a cell's side in the raster and the notch from its low or left end."""
    columns = plane.shape[1]
    if side == 1:
        c += 1
    elif side == 2:
        r += 1
    upright = side % 2
    number = 2 * (r * columns + c) + upright
    first = plane[r, c]
    second = plane[r + 1, c] if upright == 1 else plane[r, c + 1]
    if first <= level:
        return number, _notch(first, second, level)
    return number, NOTCHES - 1 - _notch(second, first, level)


@njit(cache=True, nogil=True)
def _find_spot(head: Int32Array, chain: Int32Array, spot_notch: Int32Array, number: int, notch: int) -> int:
    """Return the spot at a notch of a side, -1 where there is none yet."""
    spot = np.int64(head[number])
    while spot >= 0 and spot_notch[spot] != notch:
        spot = np.int64(chain[spot])
    return int(spot)


@njit(cache=True, nogil=True)
def _set_spot(
    number: int,
    notch: int,
    columns: int,
    cell_mm: int,
    head: Int32Array,
    chain: Int32Array,
    spot_notch: Int32Array,
    spot_xy: IntArray,
    spots: int,
) -> tuple[int, int]:
    """Return the spot at a notch of a side, made if need be, and how many spots there are."""
    spot = _find_spot(head, chain, spot_notch, number, notch)
    if spot >= 0:
        return spot, spots
    chain[spots] = head[number]
    head[number] = spots
    spot_notch[spots] = notch
    corner = number // 2
    along = (2 * notch + 1) * cell_mm // (2 * NOTCHES)
    spot_xy[spots, 0] = (corner % columns) * cell_mm + (along if number % 2 == 0 else 0)
    spot_xy[spots, 1] = (corner // columns) * cell_mm + (along if number % 2 == 1 else 0)
    return spots, spots + 1


@njit(cache=True, nogil=True)
def _follow(
    plane: Field,
    b: int,
    r: int,
    c: int,
    side: int,
    level: float,
    cell_mm: int,
    head: Int32Array,
    chain: Int32Array,
    spot_notch: Int32Array,
    spot_xy: IntArray,
    spot_knot: Int32Array,
    knot_spot: Int32Array,
    knot_next: Int32Array,
    spots: int,
    knots: int,
) -> tuple[int, int, float]:
    """Follow one contour back to where it began; return how many spots and knots there are, and its area."""
    first = knots
    area = 0.0
    while True:
        number, notch = _place(plane, r, c, side, level)
        spot, spots = _set_spot(number, notch, plane.shape[1], cell_mm, head, chain, spot_notch, spot_xy, spots)
        if knots > first:
            area += _cross(spot_xy, knot_spot[knots - 1], spot)
            if spot == knot_spot[first]:
                break
            knot_next[knots - 1] = knots
        spot_knot[spot, b] = knots
        knot_spot[knots] = spot
        knots += 1
        side = _leave(plane, r, c, side, level)
        if side % 2 == 0:
            r += side - 1
        else:
            c += 2 - side
        # the neighbour is entered by the opposite side
        side = (side + 2) % 4
    knot_next[knots - 1] = first
    return spots, knots, area / 2


@njit(cache=True, nogil=True)
def trace(
    field: Field,
    level: float,
    cell_mm: int,
    head: Int32Array,
    chain: Int32Array,
    spot_notch: Int32Array,
    spot_xy: IntArray,
    spot_knot: Int32Array,
    knot_spot: Int32Array,
    knot_next: Int32Array,
    ring_first: Int32Array,
    ring_layer: Int32Array,
    ring_area: FloatArray,
) -> tuple[int, int, int]:
    """Walk along all contours, the inside at the left hand, and return how many spots, knots and rings there are.

    A spot is a place where contours run, a knot the visit of one layer's contour to it.

    Parameters
    ----------
    field, level
        Squared distances, and that of the contour.
    cell_mm
        Size of a cell in millimetres.
    head, chain
        Spots by side of a cell: the first at a side, and the next at the same side; `head` is -1 on entry.
    spot_notch, spot_xy
        Notch of each spot, and its place in millimetres from the first corner, shape (spots,) and (spots, 2).
    spot_knot
        Knot of each layer at each spot, -1 for none; -1 on entry, shape (spots, layers).
    knot_spot, knot_next
        Spot of each knot and the knot that follows it.
    ring_first, ring_layer, ring_area
        First knot, layer and signed area in square millimetres of each ring; holes have areas below 0.
    """
    spots = knots = rings = 0
    for b in range(field.shape[0]):
        plane = field[b]
        for r in range(1, field.shape[1] - 1):
            for c in range(field.shape[2] - 1):
                left_in = plane[r, c] <= level
                if left_in == (plane[r, c + 1] <= level):
                    continue
                number, notch = _place(plane, r, c, 0, level)
                spot = _find_spot(head, chain, spot_notch, number, notch)
                if spot >= 0 and spot_knot[spot, b] >= 0:
                    continue
                ring_first[rings] = knots
                ring_layer[rings] = b
                # the inside at the left hand: up where the left corner is inside, else down
                spots, knots, ring_area[rings] = _follow(
                    plane,
                    b,
                    r if left_in else r - 1,
                    c,
                    0 if left_in else 2,
                    level,
                    cell_mm,
                    head,
                    chain,
                    spot_notch,
                    spot_xy,
                    spot_knot,
                    knot_spot,
                    knot_next,
                    spots,
                    knots,
                )
                rings += 1
    return spots, knots, rings


@njit(cache=True, nogil=True)
def _cross(xy: IntArray, a: Whole, b: Whole) -> float:
    return float(xy[a, 0]) * float(xy[b, 1]) - float(xy[b, 0]) * float(xy[a, 1])
