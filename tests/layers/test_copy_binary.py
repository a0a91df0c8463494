"""Rows written by binary COPY come back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.dialects.postgresql import ARRAY

from layers.copy_binary import OID_BOOL, OID_INT4, OID_INT8, Number, NumberArray, TextColumn, copy_rows

if TYPE_CHECKING:
    from tests.conftest import Db

TABLE = Table(
    "copied",
    MetaData(schema="pg_temp"),
    Column("id", BigInteger),
    Column("small", Integer),
    Column("name", Text),
    Column("numbers", ARRAY(Integer)),
    Column("wide", ARRAY(BigInteger)),
    Column("flags", ARRAY(Boolean)),
)
CREATE = (
    "CREATE TEMPORARY TABLE copied "
    "(id bigint, small integer, name text, numbers integer[], wide bigint[], flags boolean[]) ON COMMIT DROP"
)
TEXTS = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), count=st.integers(0, 40), width=st.integers(1, 4))
def test_everything_comes_back(db: Db, data: st.DataObject, count: int, width: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    ids = rng.integers(-(2**62), 2**62, count)
    small = rng.integers(-1, 3, count)
    names = [data.draw(TEXTS) for _ in range(count)]
    numbers = rng.integers(-1, 3, (count, width))
    wide = rng.integers(-1, 2**61, (count, width))
    flags = rng.integers(0, 2, (count, width)).astype(bool)
    with db.writer.begin() as connection:
        connection.exec_driver_sql(CREATE)
        columns: dict[str, Number | NumberArray | TextColumn] = {
            "id": Number(ids, OID_INT8),
            "small": Number(small, OID_INT4, missing=-1),
            "name": TextColumn(names),
            "numbers": NumberArray(numbers, OID_INT4, missing=-1),
            "wide": NumberArray(wide, OID_INT8, missing=-1),
            "flags": NumberArray(flags, OID_BOOL),
        }
        copy_rows(connection, TABLE, columns, count)
        rows = connection.execute(select(TABLE)).all()
        # the table takes ordinary rows too, so the layout on disk is the ordinary one
        connection.execute(insert(TABLE).values(id=1))
    assert [row.id for row in rows] == ids.tolist()
    assert [row.small for row in rows] == [None if v == -1 else v for v in small.tolist()]
    assert [row.name for row in rows] == names
    assert [row.numbers for row in rows] == [[None if v == -1 else v for v in line] for line in numbers.tolist()]
    assert [row.wide for row in rows] == [[None if v == -1 else v for v in line] for line in wide.tolist()]
    assert [row.flags for row in rows] == flags.tolist()
