"""What scenarios are asked and answer, as the OpenAPI document tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from api.schemas import Answer, Status, Text
from geo.errors import RequestError
from layers.scenarios.edits import EDITS_MAX, NAME_MAX, VERTICES_MAX

CAPACITY_MAX = 1e9
CORNERS_OF_RING = 4
BODY_DEPTH = 2


def _check_position(value: list[float]) -> list[float]:
    """Refuse what lies beyond the globe."""
    longitude, latitude = value[:2]
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise ValueError(f"found longitude {longitude:g}, latitude {latitude:g}, expected degrees")
    return value


def _check_ring(value: list[list[float]]) -> list[list[float]]:
    """Refuse a ring that does not end where it starts."""
    if value[0][:2] != value[-1][:2]:
        raise ValueError("a ring ends where it starts")
    return value


Degrees = Annotated[float, Field(allow_inf_nan=False)]
Position = Annotated[list[Degrees], Field(min_length=2, max_length=3), AfterValidator(_check_position)]
Ring = Annotated[
    list[Position], Field(min_length=CORNERS_OF_RING, max_length=VERTICES_MAX), AfterValidator(_check_ring)
]
Rings = Annotated[list[Ring], Field(min_length=1, max_length=100)]
StoreId = Annotated[int, Field(ge=-EDITS_MAX, le=2**63 - 1)]
Capacity = Annotated[float, Field(ge=0, le=CAPACITY_MAX, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX, pattern=r"^[^\x00]*$")]


class Asked(BaseModel):
    """Something asked for, with exactly these fields; a text is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Point(Asked):
    """A GeoJSON point, longitude first."""

    type: Literal["Point"]
    coordinates: Position


class LineString(Asked):
    """A GeoJSON line."""

    type: Literal["LineString"]
    coordinates: Annotated[list[Position], Field(min_length=2, max_length=VERTICES_MAX)]


class Polygon(Asked):
    """A GeoJSON polygon."""

    type: Literal["Polygon"]
    coordinates: Rings


class MultiPolygon(Asked):
    """A GeoJSON multipolygon."""

    type: Literal["MultiPolygon"]
    coordinates: Annotated[list[Rings], Field(min_length=1, max_length=100)]


Place = Annotated[Point | Polygon | MultiPolygon, Field(discriminator="type")]


class AddFacility(Asked):
    """Add a facility; it is known as -1, the next one as -2, in the edits that follow."""

    op: Literal["add_facility"]
    type: Text
    geometry: Place
    capacity: Capacity | None = None
    name: Text | None = None


class MoveFacility(Asked):
    """Move a facility."""

    op: Literal["move_facility"]
    facility_id: StoreId
    geometry: Place


class CloseFacility(Asked):
    """Close a facility."""

    op: Literal["close_facility"]
    facility_id: StoreId


class ResizeFacility(Asked):
    """Give a facility another capacity."""

    op: Literal["resize_facility"]
    facility_id: StoreId
    capacity: Capacity


class CloseStreet(Asked):
    """Close a street, or a drawn path, to everybody."""

    op: Literal["close_street"]
    street_id: StoreId


class OpenStreet(Asked):
    """Open a street to people on foot, and to the vehicles its class is for."""

    op: Literal["open_street"]
    street_id: StoreId


class CloseGate(Asked):
    """Close a gate to everybody."""

    op: Literal["close_gate"]
    gate_id: StoreId


class OpenGate(Asked):
    """Open a gate to everybody, or again to residents only."""

    op: Literal["open_gate"]
    gate_id: StoreId
    opens_to: Literal["all", "residents"] = "all"


class DrawPath(Asked):
    """Draw a new way for people on foot; it meets other ways where its ends lie on theirs."""

    op: Literal["draw_path"]
    geometry: LineString
    steps: bool = False


EditIn = Annotated[
    AddFacility
    | MoveFacility
    | CloseFacility
    | ResizeFacility
    | CloseStreet
    | OpenStreet
    | CloseGate
    | OpenGate
    | DrawPath,
    Field(discriminator="op"),
]
Edits = Annotated[list[EditIn], Field(min_length=1, max_length=EDITS_MAX)]


class EditsOrder(Asked):
    """One more batch of edits, undone as one."""

    edits: Edits

    def plain(self) -> list[dict[str, Any]]:
        """Return the edits as they are kept: without what nobody gave."""
        return [edit.model_dump(exclude_none=True) for edit in self.edits]


class ScenarioOrder(EditsOrder):
    """Edits on top of a run.

    On a run that looks at one moment (`at`) a facility that is added has no hours and counts as open, one that is moved
    keeps its own, and a gate that is opened is open then, whatever its hours say.
    """

    run: Annotated[Text, Field(min_length=1, description="Id or name of a run, or `latest`")] = "latest"
    name: Name | None = None


class ScenarioNaming(Asked):
    """Another name."""

    name: Name | None


class RebaseOrder(Asked):
    """The run on which the edits shall stand."""

    run: Annotated[Text, Field(min_length=1, description="Id or name of a run, or `latest`")] = "latest"


class Covered(Answer):
    """People and buildings of one type before or after the edits."""

    covered: int
    gap: int
    unknown: int
    radius_covered: int | None
    buildings_covered: int
    buildings_gap: int
    buildings_unknown: int
    facilities: int
    capacity: float | None


class TypeChange(Answer):
    """What the edits change for one type and profile, over all buildings of the run.

    People are those of the type's demand group: gained were not covered before, lost are not any more.
    """

    type: str
    profile: str
    limit_s: int
    demand_group: str
    people: int
    people_gained: int
    people_lost: int
    buildings_gained: int
    buildings_lost: int
    buildings_changed: int
    before: Covered
    after: Covered


class AreaFigures(Answer):
    """Figures of an area, before or after."""

    people: int
    covered: int
    gap: int
    unknown: int
    radius_covered: int | None
    dwellings: int
    dwellings_covered: int
    dwellings_gap: int
    dwellings_unknown: int
    buildings: int
    buildings_covered: int
    buildings_gap: int
    buildings_unknown: int
    buildings_without_counts: int


class AreaChange(Answer):
    """An area, type, profile and demand group of which a figure changed; a null code is the rest of the parent."""

    area_code: str | None
    parent_code: str | None
    level: str
    name: str | None
    type: str
    profile: str
    demand_group: str
    before: AreaFigures
    after: AreaFigures


class BuildingChange(Answer):
    """A building that walks to another facility, or farther or less far; seconds are null beyond twice the limit.

    A negative facility is one that the scenario adds: -1 the first of them.
    """

    building_id: int
    area_code: str | None
    people: int
    type: str
    profile: str
    status_before: Status
    status_after: Status
    reach_s_before: float | None
    reach_s_after: float | None
    facility_id_before: int | None
    facility_id_after: int | None


class Difference(Answer):
    """What the edits change against the base run.

    The buildings listed are those whose status changes, most people first, then the others; ``buildings_changed``
    counts buildings and types.
    """

    types: list[TypeChange]
    areas: list[AreaChange]
    buildings_changed: int
    buildings: list[BuildingChange]


class ScenarioBrief(Answer):
    """A stored scenario in the list.

    Stale: layers have changed since its base run was made; ``changed_layers`` names them. ``at`` is the moment its run
    looks at: what is added counts as open then; null where hours do not count.
    """

    id: int
    name: str | None
    run_id: int
    at: str | None
    created_at: datetime
    changed_at: datetime
    revision: int
    edits: int
    batches: int
    undone: int
    people_gained: int
    people_lost: int
    stale: bool
    changed_layers: list[str]


class ScenarioList(Answer):
    """Scenarios, newest first; ``next`` is the key to go on after."""

    scenarios: list[ScenarioBrief]
    next: int | None


class ScenarioDetail(ScenarioBrief):
    """One scenario: its edits by batch, those undone that can come back, and what it changes."""

    versions: dict[str, int]
    done: list[list[EditIn]]
    to_redo: list[list[EditIn]]
    tiles: str
    difference: Difference


class Draft(Answer):
    """What edits would change; nothing was stored. ``at`` is the moment the run looks at, as in a scenario."""

    run_id: int
    at: str | None
    stale: Literal[False] = False
    difference: Difference


class AreaRow(Answer):
    """One changed area, type, profile and demand group, before and after."""

    area_code: str | None
    parent_code: str | None
    level: str
    name: str | None
    type: str
    profile: str
    demand_group: str
    people: int
    covered_before: int
    covered_after: int
    gap_before: int
    gap_after: int
    unknown_before: int
    unknown_after: int
    radius_covered_before: int | None
    radius_covered_after: int | None
    buildings_covered_before: int
    buildings_covered_after: int


class AreaRows(Answer):
    """A page of changed areas; ``next`` is the key to go on after."""

    rows: list[AreaRow]
    next: str | None


class BuildingRow(BuildingChange):
    """One changed building with where it is."""

    source_id: str | None
    name: str | None
    lon: float | None
    lat: float | None
    limit_s: int


class BuildingRows(Answer):
    """A page of changed buildings; ``next`` is the key to go on after."""

    rows: list[BuildingRow]
    next: str | None


def name_part(location: Sequence[int | str]) -> str:
    """Return where in a body a fault stands, as ``edits[3].geometry``: the field of the edit, not what is inside it."""
    parts = [part for part in location if part != "body"]
    if len(parts) < BODY_DEPTH or parts[0] != "edits":
        return "".join(str(part) for part in parts[:1])
    # behind the number stands the op by which the shape of the edit was chosen
    field = [str(part) for part in parts[3:] if isinstance(part, str)][:1]
    return f"edits[{parts[1]}]" + "".join(f".{name}" for name in field)


def explain_body(fault: Mapping[str, Any]) -> RequestError:
    """Return what is wrong in a body that does not fit.

    Parameters
    ----------
    fault
        The first fault as Pydantic tells it.
    """
    place = name_part(fault["loc"])
    if place.endswith("]") and fault["type"].startswith("union_tag"):
        place += ".op"
    told = "shapes of all edits" if place.startswith("edits") else "fields of every order"
    return RequestError(
        f"Reading {place or 'the body'}: {fault['msg']}",
        hint=f"The {told} are listed under /docs.",
        parameter=place or "body",
    )


def read_edits_file(text: str) -> list[dict[str, Any]]:
    """Return the edits of a JSON text: a list of edits, or an object that holds one as ``edits``.

    Raises
    ------
    RequestError
        The text is no JSON, or an edit has not the shape it must have.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RequestError(f"Reading edits: the text is no JSON: {error}", parameter="edits") from error
    edits = found.get("edits") if isinstance(found, dict) else found
    try:
        return EditsOrder.model_validate({"edits": edits}).plain()
    except ValidationError as error:
        raise explain_body(error.errors()[0]) from error
