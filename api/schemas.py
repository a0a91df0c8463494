"""What the answers hold, as the OpenAPI document tells it."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["covered", "gap", "unknown"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
Box = tuple[float, float, float, float]
# no database text holds a NUL
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class Answer(BaseModel):
    """An answer with exactly these fields."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)


class Problem(Answer):
    """A fault, after RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    hint: str
    parameter: str | None
    instance: str


class LayerField(Answer):
    """A column of a layer; sensitive ones are named but never sent."""

    name: str
    title_zh: str
    title_en: str
    type: str
    sensitive: bool


class CatalogueLayer(Answer):
    """A loaded layer."""

    id: str
    title_zh: str
    title_en: str
    geometry: str
    rows: int
    version: int
    extent: Box | None
    source: str | None
    datum: str | None
    changed_at: datetime
    zoom_min: int
    fields: list[LayerField]


class CatalogueType(Answer):
    """A facility type of the standards pack."""

    code: str
    category: str
    name_zh: str
    name_en: str
    circle: str
    limit_s: int | None
    drive_limit_s: int | None
    walk_minutes: float | None
    radius_m: float | None
    testable: bool
    demand_groups: list[str]
    capacity_unit: str
    obligation: str
    clause: str
    certainty: str
    not_judged_reason: str | None


class CatalogueProfile(Answer):
    """How someone moves."""

    code: str
    name_zh: str
    name_en: str
    pace_m_s: float
    steps: bool
    vehicle: str


class CatalogueLevel(Answer):
    """A level of the tree of areas."""

    level: str
    title_zh: str
    title_en: str
    areas: int


class Catalogue(Answer):
    """What there is to see and where the map opens."""

    layers: list[CatalogueLayer]
    types: list[CatalogueType]
    profiles: list[CatalogueProfile]
    levels: list[CatalogueLevel]
    pack_name: str
    pack_version: str
    extent: Box | None
    center: tuple[float, float] | None
    zoom: float | None
    latest_run: int | None


class TileLayer(Answer):
    """A layer inside the tiles."""

    id: str
    description: str
    minzoom: int
    maxzoom: int
    fields: dict[str, str]


class TileJson(Answer):
    """TileJSON 3.0."""

    tilejson: Literal["3.0.0"] = "3.0.0"
    name: str
    version: str
    scheme: Literal["xyz"] = "xyz"
    tiles: list[str]
    minzoom: int
    maxzoom: int
    bounds: Box | None
    center: tuple[float, float, float] | None
    vector_layers: list[TileLayer]


class RunBrief(Answer):
    """A run in the list."""

    id: int
    name: str | None
    created_at: datetime
    state: str
    follows: bool
    request: dict[str, Any]
    profiles: list[str]
    types: list[str]
    versions: dict[str, Any]
    pack_version: str
    duration_s: float
    people: int | None
    counts: dict[str, Any]


class RunList(Answer):
    """Runs, newest first; ``next`` is the key to go on after."""

    runs: list[RunBrief]
    next: int | None


class RunColumnOut(Answer):
    """A type and profile that a run judged."""

    type: str
    profile: str
    limit_s: int
    radius_limit_m: float | None
    demand_group: str
    people_basis: str
    facilities: int
    facilities_unlinked: int


class RunTotal(Answer):
    """People of one type and profile over the whole run: covered + gap + unknown = people."""

    type: str
    profile: str
    demand_group: str
    people: int
    covered: int
    gap: int
    unknown: int
    share_covered: float | None
    radius_covered: int | None


class NotJudged(Answer):
    """A type of the pack that no walk judges, and why."""

    code: str
    reason: str


class RunDetail(RunBrief):
    """One run with its columns and totals."""

    code_version: str
    metric_crs: str
    engine: dict[str, Any]
    result_sha256: str
    levels: list[str]
    columns: list[RunColumnOut]
    totals: list[RunTotal]
    not_judged: list[NotJudged]


class AreaRow(Answer):
    """Figures of one area, type, profile and demand group."""

    area_code: str | None
    level: str
    name: str | None
    type: str
    profile: str
    demand_group: str
    people: int
    covered: int
    gap: int
    unknown: int
    share_covered: float | None
    required: float | None
    present: float | None
    balance: float | None
    accessibility: float | None
    radius_covered: int | None
    parent_code: str | None
    buildings: int
    buildings_gap: int
    buildings_without_counts: int


class AreaRows(Answer):
    """A page of areas; ``next`` is the key to go on after."""

    rows: list[AreaRow]
    next: str | None


class BuildingRow(Answer):
    """Result of one building, type and profile; seconds are null beyond twice the limit."""

    building_id: int
    source_id: str
    name: str | None
    lon: float
    lat: float
    area_code: str | None
    people: int | None
    type: str
    profile: str
    limit_s: int
    reach_s: float | None
    radius_m: float | None
    facility_id: int | None
    facility_source_id: str | None
    status: Status


class BuildingRows(Answer):
    """A page of buildings; ``next`` is the key to go on after."""

    rows: list[BuildingRow]
    next: str | None


class FacilityRow(Answer):
    """Who is nearest to one facility within its limit."""

    facility_id: int
    source_id: str | None
    lon: float | None
    lat: float | None
    name: str | None
    type: str
    profile: str
    limit_s: int
    capacity: float | None
    buildings_covered: int
    people_covered: int | None


class FacilityRows(Answer):
    """A page of facilities; ``next`` is the key to go on after."""

    rows: list[FacilityRow]
    next: str | None


class BuildingFacts(Answer):
    """What is loaded of a building."""

    id: int
    source: str
    source_id: str
    name: str | None
    use: str | None
    floors: float | None
    dwellings: int | None
    people: int | None
    households: int | None
    address: str | None
    handed_over_on: date | None
    lon: float
    lat: float
    area_code: str | None


class BuildingResult(BuildingRow):
    """Result with the facility's name."""

    facility_name: str | None
    radius_limit_m: float | None


class Completeness(Answer):
    """Required testable types within their limit, for one profile; what no walk judges is named, never passed."""

    profile: str
    met: int
    required: int
    share: float | None
    missing: list[str]
    not_judged: list[str]


class BuildingCard(Answer):
    """Everything known of one building in a run; completeness once for every profile."""

    building: BuildingFacts
    residents: dict[str, Any] | None
    results: list[BuildingResult]
    completeness: list[Completeness]


class Link(Answer):
    """A link of OGC API."""

    href: str
    rel: str
    type: str
    title: str | None = None


class Feature(BaseModel):
    """A GeoJSON feature."""

    type: Literal["Feature"] = "Feature"
    id: int | str | None = None
    geometry: dict[str, Any] | None
    properties: dict[str, Any]
    links: list[Link] | None = None


class FeaturePage(BaseModel):
    """A GeoJSON feature collection, one page of it."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Feature]
    links: list[Link]
    number_returned: int = Field(alias="numberReturned")
    time_stamp: datetime = Field(alias="timeStamp")


class Start(Answer):
    """Where a walk starts: the place asked for and its way to the street."""

    lon: float
    lat: float
    edge_m: float | None


class Circles(BaseModel):
    """Circles as a GeoJSON feature collection with the start as foreign member."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Feature]
    start: Start


class Place(Answer):
    """Something a search found."""

    kind: Literal["place", "area", "compound", "facility", "building"]
    id: str
    name: str
    detail: str
    lon: float
    lat: float
    bbox: Box | None


class Places(Answer):
    """What a search found, best first."""

    results: list[Place]


class RunOrder(BaseModel):
    """What a gap run shall judge; nothing given means every testable type for adults."""

    model_config = ConfigDict(extra="forbid")

    types: list[Text] = Field(default_factory=list, max_length=200)
    minutes: float | None = Field(default=None, gt=0, le=120)
    profiles: list[Text] = Field(default_factory=lambda: ["adult"], min_length=1, max_length=10)
    area: Text | None = None
    at: Text | None = Field(
        default=None,
        description="Local time at which facilities and gates must be open, e.g. 2026-11-23T20:00; hours that are not "
        "known count as open",
    )
    name: Text | None = None
    follow: bool = Field(default=False, description="Bring the run up to date after changes of the layers")


class Job(Answer):
    """Long work and how far it is."""

    id: uuid.UUID
    kind: str
    state: JobState
    progress: float
    message: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    changed_at: datetime


class JobAnswer(Answer):
    """A job that was accepted."""

    job: Job


class Health(Answer):
    """The process answers."""

    status: Literal["ok"]


class Check(Answer):
    """One thing readiness needs."""

    name: str
    ok: bool
    detail: str


class Readiness(Answer):
    """Whether every part that answers need is there."""

    status: Literal["ready", "not ready"]
    checks: list[Check]
