"""Outlines of H3 cells from their centres, without the H3 library.

H3 lays a hexagonal lattice on the plane of each face of an icosahedron (gnomonic projection). Knowing a cell's centre
and resolution, its six corners follow from the face's place and orientation alone; no index arithmetic is needed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Geometries = np.ndarray[Any, np.dtype[np.object_]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Faces = np.ndarray[Any, np.dtype[np.intp]]

# a cell id: mode 1, then the resolution as one hexadecimal digit
_CELL_ID = re.compile(r"8([0-9a-f])[0-9a-f]{13}", re.IGNORECASE)
# latitude, longitude of each face's centre and the azimuth of its first axis, radians
_FACES = np.array(
    [
        (0.803582649718989942, 1.248397419617396099, 5.619958268523939882),
        (1.307747883455638156, 2.536945009877921159, 5.760339081714187279),
        (1.054751253523952054, -1.347517358900396623, 0.780213654393430055),
        (0.600191595538186799, -0.450603909469755746, 0.430469363979999913),
        (0.491715428198773866, 0.401988202911306943, 6.130269123335111400),
        (0.172745327415618701, 1.678146885280433686, 2.692877706530642877),
        (0.605929321571350690, 2.953923329812411617, 2.982963003477243874),
        (0.427370518328979641, -1.888876200336285401, 3.532912002790141181),
        (-0.079066118549212831, -0.733429513380867741, 3.494305004259568154),
        (-0.230961644455383637, 0.506495587332349035, 3.003214169499538391),
        (0.079066118549212831, 2.408163140208925497, 5.930472956509811562),
        (0.230961644455383637, -2.635097066257444203, 0.138378484090254847),
        (-0.172745327415618701, -1.463445768309359553, 0.448714947059150361),
        (-0.605929321571350690, -0.187669323777381622, 0.158629650112549365),
        (-0.427370518328979641, 1.252716453253507838, 5.891865957979238535),
        (-0.600191595538186799, 2.690988744120037492, 2.711123289609793325),
        (-0.491715428198773866, -2.739604450678486295, 3.294508837434268316),
        (-0.803582649718989942, -1.893195233972397139, 3.804819692245439833),
        (-1.307747883455638156, -0.604647643711872080, 3.664438879055192436),
        (-1.054751253523952054, 1.794075294689396615, 2.361378999196363184),
    ]
)
_UNIT = (3.0 - np.sqrt(5.0)) / 2.0  # lattice step of resolution 0 on the plane of a face
_TURN = np.arcsin(np.sqrt(3.0 / 28.0))  # odd resolutions are turned by this angle
_CORNERS = np.radians(30.0 + 60.0 * np.arange(6))
_OFF_CENTRE = 0.1  # share of a lattice step that a centre may be off and still be one


def read_resolution(cell: object) -> int | None:
    """Return the resolution of an H3 cell id (15 hexadecimal digits), None where it is none."""
    match = _CELL_ID.fullmatch(cell.strip()) if isinstance(cell, str) else None
    return int(match.group(1), 16) if match else None


def outline_cells(lon: ArrayLike, lat: ArrayLike, resolution: int) -> Geometries:
    """Return the hexagons of H3 cells.

    Parameters
    ----------
    lon, lat
        Centres of the cells, WGS-84 degrees, shape (n,).
    resolution
        0 to 15.

    Returns
    -------
    n polygons in EPSG:4326, corners counter-clockwise; None where a point is no centre of a cell of this resolution.
    The twelve pentagons (all in the sea) come out as hexagons.

    References
    ----------
    Sahr, White & Kimerling (2003), Geodesic discrete global grid systems; centres and azimuths of the faces as in the
    H3 specification (Uber, Apache-2.0).
    """
    phi, lam = np.radians(np.atleast_1d(np.asarray(lat, float))), np.radians(np.atleast_1d(np.asarray(lon, float)))
    face = _nearest_face(phi, lam)
    x, y = _to_plane(phi, lam, face, resolution)
    j = y / np.sqrt(0.75)
    i = x + j / 2.0
    off = np.maximum(np.abs(i - np.rint(i)), np.abs(j - np.rint(j)))
    corner_x = (np.rint(i) - np.rint(j) / 2.0)[:, None] + np.cos(_CORNERS) / np.sqrt(3.0)
    corner_y = (np.rint(j) * np.sqrt(0.75))[:, None] + np.sin(_CORNERS) / np.sqrt(3.0)
    rings = _from_plane(corner_x, corner_y, face, resolution)
    out = np.full(len(phi), None, dtype=object)
    good = np.flatnonzero(off <= _OFF_CENTRE)
    if len(good):
        out[good] = shapely.orient_polygons(shapely.polygons(rings[good]))
    return out


def _nearest_face(phi: Floats, lam: Floats) -> Faces:
    """Return the face whose centre is nearest."""
    centre = _unit_vector(_FACES[:, 0], _FACES[:, 1])
    return np.asarray(np.argmax(np.nan_to_num(_unit_vector(phi, lam)) @ centre.T, axis=1))


def _unit_vector(phi: Floats, lam: Floats) -> Floats:
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def _scale(resolution: int) -> float:
    return float(np.sqrt(7.0) ** resolution / _UNIT)


def _turn(resolution: int) -> float:
    return float(_TURN) if resolution % 2 else 0.0


def _to_plane(phi: Floats, lam: Floats, face: Faces, resolution: int) -> tuple[Floats, Floats]:
    """Return coordinates on the plane of the face, in lattice steps."""
    phi0, lam0, axis = _FACES[face].T
    cos_r = np.sin(phi0) * np.sin(phi) + np.cos(phi0) * np.cos(phi) * np.cos(lam - lam0)
    north = np.cos(phi0) * np.sin(phi) - np.sin(phi0) * np.cos(phi) * np.cos(lam - lam0)
    azimuth = np.arctan2(np.cos(phi) * np.sin(lam - lam0), north)
    radius = np.tan(np.arccos(np.clip(cos_r, -1.0, 1.0))) * _scale(resolution)
    theta = axis - azimuth - _turn(resolution)
    return radius * np.cos(theta), radius * np.sin(theta)


def _from_plane(x: Floats, y: Floats, face: Faces, resolution: int) -> Floats:
    """Return longitude and latitude in degrees, shape (n, corners, 2)."""
    phi0, lam0, axis = _FACES[face].T[:, :, None]
    distance = np.arctan(np.hypot(x, y) / _scale(resolution))
    azimuth = axis - np.arctan2(y, x) - _turn(resolution)
    sin_phi = np.sin(phi0) * np.cos(distance) + np.cos(phi0) * np.sin(distance) * np.cos(azimuth)
    phi = np.arcsin(np.clip(sin_phi, -1.0, 1.0))
    across = np.sin(azimuth) * np.sin(distance) * np.cos(phi0)
    lam = lam0 + np.arctan2(across, np.cos(distance) - np.sin(phi0) * sin_phi)
    return np.asarray(np.degrees(np.stack([(lam + np.pi) % (2.0 * np.pi) - np.pi, phi], axis=-1)))
