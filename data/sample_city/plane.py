"""From the drawing board of the city to longitude and latitude.

The city is drawn on a board of straight lines, in metres `u` (east) and `v` (north). The board is bent a little, so
that streets curve and the old centre lies askew, and then carried to WGS-84. Lines that never cross on the board never
cross on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.sample_city.streams import Purpose, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray


ANCHOR_LON_DEG = 114.62
ANCHOR_LAT_DEG = 31.18
UNIT_M = 10_000.0
MAX_BEND_STEP_M = 60
"""Streets and borders carry a vertex at every multiple of this on the board, so that neighbours bend alike."""

# Inverse Gauss-Krüger of CGCS2000, central meridian 114 degrees (EPSG:4547), as a polynomial around the anchor in units
# of 10 km: (power of x, power of y, degrees). Fitted to PROJ over 40 x 40 km; largest error 0.02 mm. Plain sums and
# products give the same bits everywhere, which sines do not.
LON_TERMS: tuple[tuple[int, int, float], ...] = (
    (0, 1, 0.00058770391251431375),
    (0, 2, 1.3214268950476645e-06),
    (0, 3, 1.7307386194849595e-09),
    (1, 0, 0.10489877114357353),
    (1, 1, 9.9419020929474508e-05),
    (1, 2, 2.2351730745726198e-07),
    (1, 3, 2.9267508275700174e-10),
    (2, 0, -1.3214268934391212e-06),
    (2, 1, -5.1922183984136864e-09),
    (2, 2, -1.7275647774107349e-11),
    (3, 0, -7.4505770283969243e-08),
    (3, 1, -2.9267409813681367e-10),
)
LAT_TERMS: tuple[tuple[int, int, float], ...] = (
    (0, 1, 0.0901883399819218),
    (0, 2, -6.375514175381754e-07),
    (0, 3, -3.5268148301024631e-10),
    (1, 0, -0.00050528752332092055),
    (1, 1, -1.7861984517338341e-06),
    (1, 2, -1.656484103021506e-09),
    (2, 0, -4.27398815443483e-05),
    (2, 1, -1.5107672622370424e-07),
    (2, 2, -1.4005508185087484e-10),
    (3, 0, 1.2577111363004876e-09),
    (4, 0, 5.3176101925496291e-11),
)


def plane_to_degrees(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return WGS-84 longitude and latitude of plane metres around the anchor.

    Parameters
    ----------
    x, y
        Metres east and north of the anchor in the grid of EPSG:4547.

    Returns
    -------
    array of shape (..., 2), degrees rounded to 1e-7 (1 cm)
    """
    east = np.asarray(x, dtype=np.float64) / UNIT_M
    north = np.asarray(y, dtype=np.float64) / UNIT_M
    powers_x = [np.ones_like(east), east, east * east, east * east * east, (east * east) * (east * east)]
    powers_y = [np.ones_like(north), north, north * north, north * north * north]
    lon = np.zeros_like(east)
    lat = np.zeros_like(east)
    for i, j, factor in LON_TERMS:
        lon = lon + factor * (powers_x[i] * powers_y[j])
    for i, j, factor in LAT_TERMS:
        lat = lat + factor * (powers_x[i] * powers_y[j])
    both = np.stack([ANCHOR_LON_DEG + lon, ANCHOR_LAT_DEG + lat], axis=-1)
    return np.round(both, 7)


def blend(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smooth step 0..1 with flat ends."""
    return t * t * t * (t * (t * 6.0 - 15.0) + 10.0)


def bump(r2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 in the middle falling smoothly to 0 where the squared relative radius reaches 1."""
    inside = np.clip(1.0 - r2, 0.0, 1.0)
    return inside * inside


@dataclass(frozen=True)
class Board:
    """The bent drawing board.

    Parameters
    ----------
    broad, fine
        Random displacements on two coarse grids, metres, shape (2, n, n): long bends, crooked lanes of old centres.
    centre
        Board point that falls on the anchor, metres.
    old_centres
        Board points and radii (u, v, radius), metres, around which the board is twisted and crooked.
    """

    broad: NDArray[np.float64]
    fine: NDArray[np.float64]
    centre: tuple[float, float]
    old_centres: tuple[tuple[float, float, float], ...]
    broad_step_m: float = 1900.0
    fine_step_m: float = 210.0
    twist: float = 0.24
    tilt: float = 0.05

    def to_plane(
        self, u: NDArray[np.float64], v: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return plane metres of board points, rounded to a centimetre."""
        u = np.asarray(u, dtype=np.float64)
        v = np.asarray(v, dtype=np.float64)
        dx, dy = _wave(self.broad, u / self.broad_step_m, v / self.broad_step_m)
        for cu, cv, radius in self.old_centres:
            du, dv = u - cu, v - cv
            weight = bump((du * du + dv * dv) / (radius * radius))
            dx = dx - self.twist * weight * dv
            dy = dy + self.twist * weight * du
            near = np.minimum(1.0, 1.6 * weight)
            fx, fy = _wave(self.fine, u / self.fine_step_m, v / self.fine_step_m)
            dx = dx + near * fx
            dy = dy + near * fy
        east = u + dx - self.centre[0]
        north = v + dy - self.centre[1]
        # a rotation by a rational angle: cosine and sine without a mathematics library
        t = self.tilt
        cos, sin = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
        return np.round(cos * east - sin * north, 2), np.round(sin * east + cos * north, 2)

    def to_degrees(self, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return longitude and latitude of board points, shape (..., 2), degrees rounded to 1e-7."""
        return plane_to_degrees(*self.to_plane(u, v))

    def frame_at(self, u: NDArray[np.float64], v: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return how the board lies at points.

        Returns
        -------
        x, y in metres; unit vector of `u` (two arrays); unit vector of `v` (two arrays); stretch of `u`; stretch of `v`
        """
        step = 4.0
        x0, y0 = self.to_plane(u - step, v)
        x1, y1 = self.to_plane(u + step, v)
        x2, y2 = self.to_plane(u, v - step)
        x3, y3 = self.to_plane(u, v + step)
        x, y = self.to_plane(u, v)
        ax, ay = x1 - x0, y1 - y0
        along = np.sqrt(ax * ax + ay * ay)
        bx, by = x3 - x2, y3 - y2
        across = np.sqrt(bx * bx + by * by)
        return x, y, ax / along, ay / along, bx / across, by / across, along / (2.0 * step), across / (2.0 * step)


def _wave(
    field: NDArray[np.float64], s: NDArray[np.float64], t: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return smooth interpolation of both components of a field of random values at grid positions."""
    n = field.shape[1]
    i, j = np.floor(s), np.floor(t)
    a, b = blend(s - i), blend(t - j)
    i0, j0 = i.astype(np.int64) % n, j.astype(np.int64) % n
    i1, j1 = (i0 + 1) % n, (j0 + 1) % n
    parts = []
    for part in field:
        low = part[i0, j0] * (1.0 - a) + part[i1, j0] * a
        high = part[i0, j1] * (1.0 - a) + part[i1, j1] * a
        parts.append(low * (1.0 - b) + high * b)
    return parts[0], parts[1]


def make_board(
    seed: int, *, width_m: float, height_m: float, old_centres: tuple[tuple[float, float, float], ...], bend_m: float
) -> Board:
    """Return the bent board of a city of the given width and height.

    Parameters
    ----------
    bend_m
        Largest displacement of a point by the long bends, metres.
    """
    rng = stream(seed, Purpose.WARP)
    broad = np.round((rng.random((2, 32, 32)) * 2.0 - 1.0) * bend_m, 3)
    fine = np.round((rng.random((2, 64, 64)) * 2.0 - 1.0) * 11.0, 3)
    return Board(broad=broad, fine=fine, centre=(width_m / 2.0, height_m / 2.0), old_centres=old_centres)
