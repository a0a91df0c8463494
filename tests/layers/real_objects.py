"""Read the objects of ``recognition_labels.csv`` from the real data sets, as the loaders would hand them over."""

from __future__ import annotations

import csv
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LABELS = Path(__file__).with_name("recognition_labels.csv")
_SQUARE_FEET_M2 = 0.09290304


@dataclass(frozen=True, slots=True)
class Label:
    """What a person who looked at the row says it is.

    Attributes
    ----------
    draw
        1: the rules were seen against these; 2: drawn and read after the rules stood.
    file, row_id
        Where the object is: folder/file and id inside it.
    kind
        ``type`` (one type), ``uncertain`` (the row does not tell which of ``types``) or ``none``.
    types
        The type, or the types among which the row leaves it open.
    """

    draw: int
    file: str
    row_id: str
    kind: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """What a loader knows of an object."""

    tags: Mapping[str, str]
    name: str | None
    category: str | None
    area_m2: float | None


def read_labels() -> list[Label]:
    """Return the labels in the order of the file."""
    with LABELS.open(encoding="utf-8", newline="") as handle:
        return [
            Label(int(row["draw"]), row["file"], row["id"], row["label"], tuple(filter(None, row["types"].split("|"))))
            for row in csv.DictReader(handle)
        ]


def read_items(folder: Path, labels: Iterable[Label]) -> dict[tuple[str, str], Item]:
    """Return the labelled objects found under the folder of real data."""
    wanted: dict[str, set[str]] = {}
    for label in labels:
        wanted.setdefault(label.file, set()).add(label.row_id)
    return {
        (file, row_id): item
        for file, ids in wanted.items()
        for row_id, item in _read_file(folder / file, file)
        if row_id in ids
    }


def _read_file(path: Path, file: str) -> Iterator[tuple[str, Item]]:
    if path.suffix == ".pbf":
        yield from _read_osm(path)
    elif path.suffix == ".parquet":
        yield from _read_los_angeles(path)
    else:
        for number, row in enumerate(_read_rows(path)):
            yield _item_of_geojson(file, number, row)


def _read_osm(path: Path) -> Iterator[tuple[str, Item]]:
    import osmium
    from pyproj import Geod

    ellipsoid = Geod(ellps="WGS84")
    for entity in osmium.FileProcessor(str(path)).with_locations():
        tags = {tag.k: tag.v for tag in entity.tags}
        if not tags:
            continue
        area_m2 = None
        if isinstance(entity, osmium.osm.Way) and entity.is_closed():
            lonlat = [(node.lon, node.lat) for node in entity.nodes if node.location.valid()]
            if len(lonlat) == len(entity.nodes) > 3:
                lon, lat = zip(*lonlat, strict=True)
                area_m2 = abs(ellipsoid.polygon_area_perimeter(lon, lat)[0])
        yield f"{entity.type_str()}{entity.id}", Item(tags, tags.get("name"), None, area_m2)


def _read_los_angeles(path: Path) -> Iterator[tuple[str, Item]]:
    import pandas as pd

    frame = pd.read_parquet(path, columns=["name", "subclass"])
    for number, (name, category) in enumerate(zip(frame["name"], frame["subclass"], strict=True)):
        yield str(number), Item({}, _text(name), _text(category), None)


def _read_rows(path: Path) -> list[dict[str, Any]]:
    import pyogrio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # doubled ids in the file itself
        frame = pyogrio.read_dataframe(path)
    return [{**row, "centre": row["geometry"]} for row in frame.to_dict("records")]


def _item_of_geojson(file: str, number: int, row: dict[str, Any]) -> tuple[str, Item]:
    if file.startswith("shanghai/"):
        # the tiles give areas in Web Mercator
        scale = math.cos(math.radians(row["geometry"].centroid.y)) ** 2
        area_m2 = None if math.isnan(row["area"]) else row["area"] * scale
        return str(int(row["id"])), Item({}, _text(row["name"]), _text(row["kind"]), area_m2)
    if file.startswith("taipei/"):
        return str(number), Item({}, _text(row["name"]), f"{row['main_type']};{row['sub_type']}", None)
    # Cambridge: the layer's name is the only word on the kind
    name = next(
        (_text(row[key]) for key in ("SITE_NAME", "NAME", "Name", "PONAME", "PARK", "STOP_NAME") if key in row), ""
    )
    area_m2 = row["Shape_Area"] * _SQUARE_FEET_M2 if "Shape_Area" in row else None
    category = row.get("Athletics") or Path(file).stem
    return str(number), Item({}, name, category, area_m2)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
