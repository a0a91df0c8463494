"""Bundles of plain arrays on disk: written once under a key, memory-mapped by every worker.

A bundle is a folder named by a hash of everything it was made from. It appears by renaming a finished folder, so
readers see a whole bundle or none, and a crash leaves only a temporary folder behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

from geo.errors import StoreError
from geo.units import ObjectArray

if TYPE_CHECKING:
    from collections.abc import Mapping

Arrays = dict[str, npt.NDArray[Any]]
KEPT = 4
"""Bundles of one kind that are kept: workers may still map the one before."""


def make_key(made_from: Mapping[str, Any]) -> str:
    """Return the name of a bundle made from the given versions and settings."""
    text = json.dumps(made_from, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def find_bundle(folder: Path, key: str) -> Arrays | None:
    """Return the arrays of a bundle, memory-mapped and read-only, or None where it does not exist.

    Parameters
    ----------
    folder
        Folder of this kind of bundle.
    key
        Name from :func:`make_key`.
    """
    home = folder / key
    if not home.is_dir():
        return None
    os.utime(home)
    return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(home.glob("*.npy"))}


def save_bundle(folder: Path, key: str, arrays: Arrays) -> Arrays:
    """Write a bundle and return it memory-mapped; one that another process finished first is used instead.

    Parameters
    ----------
    folder
        Folder of this kind of bundle, made where missing.
    key
        Name from :func:`make_key`.
    arrays
        Arrays by name; object arrays are not allowed.

    Raises
    ------
    StoreError
        The disk is full or not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder))
        try:
            for name, array in arrays.items():
                np.save(draft / f"{name}.npy", np.asarray(array, order="A"), allow_pickle=False)
            draft.rename(folder / key)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not (folder / key).is_dir():
                raise
        _drop_old(folder, key)
    except OSError as error:
        raise StoreError(
            f"writing compiled arrays under ONEMAP_HOME: {error.strerror}",
            hint="free some disk space, or set ONEMAP_HOME to a folder that can be written",
        ) from error
    found = find_bundle(folder, key)
    if found is None:
        raise StoreError("writing compiled arrays under ONEMAP_HOME: they were removed again at once")
    return found


def _drop_old(folder: Path, key: str) -> None:
    """Remove all but the bundles used last; a worker that still maps one keeps its pages until it lets go."""
    others = sorted(
        (path for path in folder.iterdir() if path.is_dir() and path.name != key), key=lambda p: p.stat().st_mtime
    )
    for path in others[: max(len(others) - KEPT + 1, 0)]:
        shutil.rmtree(path, ignore_errors=True)


def pack_geometry(geometry: ObjectArray) -> Arrays:
    """Return geometries as WKB bytes and offsets, so that a bundle can hold them."""
    wkb = [bytes(one) for one in shapely.to_wkb(geometry)]
    ptr = np.concatenate([[0], np.cumsum([len(one) for one in wkb], dtype=np.int64)]).astype(np.int64)
    return {"wkb": np.frombuffer(b"".join(wkb), dtype=np.uint8), "wkb_ptr": ptr}


def unpack_geometry(wkb: npt.NDArray[np.uint8], ptr: npt.NDArray[np.int64]) -> ObjectArray:
    """Return the geometries of :func:`pack_geometry`."""
    data = wkb.tobytes()
    stops = ptr.tolist()
    parts = [data[a:b] for a, b in pairwise(stops)]
    return np.asarray(shapely.from_wkb(np.array(parts, dtype=object)), dtype=object).reshape(-1)
