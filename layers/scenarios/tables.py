"""The tables of scenarios: edits on top of a run, and what they change.

Only what differs from the base run is kept. Changed buildings stand as arrays, one row a type and profile, as a run
keeps them; positions are those of ``run_column`` of the base run.
"""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from layers.tables import SRID, metadata, owned_by

scenario = Table(
    "scenario",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", Text),
    owned_by("run_id", "run.id", index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # raised by every change, so that two who edit at once do not undo each other
    Column("revision", BigInteger, nullable=False, server_default="1"),
    # the base's figures and the layer versions they were made from; when these move on the scenario is stale
    Column("run_sha256", Text, nullable=False),
    Column("versions", JSONB, nullable=False),
    # batches of edits as they were asked for, in order; those behind `done` are undone and can come back
    Column("batches", JSONB, nullable=False),
    Column("done", Integer, nullable=False),
    # people and buildings before and after, one object a run_column
    Column("totals", JSONB, nullable=False),
    # codes that `scenario_change.area` counts into, 1-based
    Column("area_codes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    CheckConstraint("done >= 0 AND done <= jsonb_array_length(batches)", name="done"),
)

scenario_edit = Table(
    "scenario_edit",
    metadata,
    owned_by("scenario_id", "scenario.id", primary_key=True),
    # 1-based, over all batches in effect
    Column("number", Integer, primary_key=True),
    Column("op", Text, nullable=False),
    # what is drawn on the map: the place a facility goes to or stood at, a gate, a street, a path
    Column("geom", Geometry("GEOMETRY", srid=SRID, spatial_index=False)),
    Column("properties", JSONB, nullable=False),
)

scenario_change = Table(
    "scenario_change",
    metadata,
    owned_by("scenario_id", "scenario.id", primary_key=True),
    Column("position", Integer, primary_key=True),
    # one element a changed building, ascending ids
    Column("building_id", ARRAY(BigInteger), nullable=False),
    # null where no area holds it
    Column("area", ARRAY(Integer), nullable=False),
    Column("people", ARRAY(Integer), nullable=False),
    Column("linked_before", ARRAY(Boolean), nullable=False),
    Column("linked_after", ARRAY(Boolean), nullable=False),
    # null = none within twice the limit
    Column("ms_before", ARRAY(Integer), nullable=False),
    Column("ms_after", ARRAY(Integer), nullable=False),
    # negative numbers are facilities that the scenario adds: -1 the first of them
    Column("facility_before", ARRAY(BigInteger), nullable=False),
    Column("facility_after", ARRAY(BigInteger), nullable=False),
)

scenario_area = Table(
    "scenario_area",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    owned_by("scenario_id", "scenario.id"),
    Column("position", Integer, nullable=False),
    Column("demand_group", Text, nullable=False),
    # null code = buildings of the parent level that lie in none of its children
    Column("area_code", Text),
    Column("parent_code", Text),
    Column("level", Text, nullable=False),
    Column("name", Text),
    # figures in the order of layers.scenarios.result.FIGURES
    Column("before", ARRAY(BigInteger), nullable=False),
    Column("after", ARRAY(BigInteger), nullable=False),
    Index("ix_scenario_area_scenario", "scenario_id", "position"),
)
