"""The tables that hold the figures of a run: by building, packed in slices, and by facility.

They hang on a result, not on a run: runs that asked the same of the same store share one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    func,
)

from layers.tables import metadata, owned_by

run_result = Table(
    "run_result",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # hash of everything the result was made from: the same question asked again shares it; null = follows changes
    Column("key", String(24), index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

run_area_code = Table(
    "run_area_code",
    metadata,
    owned_by("result_id", "run_result.id", primary_key=True),
    # what run_home.area counts: the areas as they were when the result was made
    Column("number", Integer, primary_key=True),
    Column("code", Text, nullable=False),
)

# Figures of buildings stand in slices of SLICE_BUILDINGS buildings by store id, four bytes a building: a value is read
# by onemap.int_at(slice, building id % SLICE_BUILDINGS). See layers/runs/slices.py for what negative values mean.
run_home = Table(
    "run_home",
    metadata,
    owned_by("result_id", "run_result.id", primary_key=True),
    Column("slice", Integer, primary_key=True),
    # number of the deepest area holding the building
    Column("area", LargeBinary, nullable=False),
)

run_people = Table(
    "run_people",
    metadata,
    owned_by("result_id", "run_result.id", primary_key=True),
    Column("demand_group", Text, primary_key=True),
    Column("slice", Integer, primary_key=True),
    # people of the demand group living here
    Column("people", LargeBinary, nullable=False),
)

run_reach = Table(
    "run_reach",
    metadata,
    owned_by("result_id", "run_result.id", primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("slice", Integer, primary_key=True),
    Column("reach_ms", LargeBinary, nullable=False),
    # store id of the nearest facility less run_column.facility_base
    Column("facility", LargeBinary, nullable=False),
    Column("radius_mm", LargeBinary, nullable=False),
)

run_facility = Table(
    "run_facility",
    metadata,
    owned_by("result_id", "run_result.id", primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("facility_id", BigInteger, primary_key=True),
    # those nearest to it within the limit
    Column("buildings_covered", Integer, nullable=False),
    Column("people_covered", BigInteger, nullable=False),
)
