"""Columns sent in the binary form of COPY come back as they were, and rows are told apart by their content."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from geo.errors import DataError
from layers.copy_binary import copy_pieces
from layers.loading.wire import encode_column, encode_constant, finish_rows, hash_rows, join_rows, split_stream

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from tests.conftest import Db

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
MOMENTS = (datetime.fromisoformat("1000-01-01"), datetime.fromisoformat("2999-01-01"))
KINDS: dict[str, tuple[TypeEngine[Any], st.SearchStrategy[Any]]] = {
    "short": (SmallInteger(), st.integers(-(2**15), 2**15 - 1)),
    "whole": (Integer(), st.integers(-(2**31), 2**31 - 1)),
    "long": (BigInteger(), st.integers(-(2**63), 2**63 - 1)),
    "number": (Float(), st.floats(allow_nan=False)),
    "flag": (Boolean(), st.booleans()),
    "day": (Date(), st.dates(date(1000, 1, 1), date(2999, 12, 31))),
    "moment": (
        DateTime(timezone=True),
        st.datetimes(*MOMENTS, timezones=st.just(UTC)),
    ),
    "words": (Text(), TEXTS),
    "bytes": (LargeBinary(), st.binary(max_size=40)),
    "list": (ARRAY(Text()), st.lists(TEXTS, max_size=3)),
}
TABLE = Table("sent", MetaData(), *(Column(name, kind) for name, (kind, _) in KINDS.items()), Column("more", JSONB()))
ROWS = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in KINDS.items()})
MORE = st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS, max_size=2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(ROWS, MORE), min_size=1, max_size=12))
def test_everything_comes_back(db: Db, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    frame = pd.DataFrame([row for row, _ in rows], dtype=object)
    pieces = [piece for name, (kind, _) in KINDS.items() for piece in encode_column(frame[name], kind)]
    pieces += encode_column([more for _, more in rows], JSONB())
    with db.owner.connect() as conn, conn.begin() as transaction:
        table = TABLE.to_metadata(MetaData())
        table._prefixes = ["TEMPORARY"]
        table.create(conn)
        copy_pieces(conn, table, [column.name for column in table.columns], split_stream(finish_rows(11, pieces)))
        found = conn.execute(select(table)).all()
        transaction.rollback()
    expected = [(*(None if pd.isna(row[name]) is True else row[name] for name in KINDS), more) for row, more in rows]
    assert [tuple(row) for row in found] == expected


def test_a_number_too_large_for_its_column_is_refused() -> None:
    with pytest.raises(DataError, match="2147483648"):
        encode_column([1, 2**31], Integer())


def test_rows_are_told_apart_by_where_a_value_stands() -> None:
    def hash_of(*columns: list[Any]) -> list[bytes]:
        pieces = [piece for column in columns for piece in encode_column(column, Text())]
        return [bytes(one) for one in hash_rows(join_rows(pieces)).to_pylist()]

    assert hash_of(["a", None, "a"], [None, "a", None])[0] == hash_of(["a"], [None])[0]
    assert len({*hash_of(["a", None, "", "ab"], [None, "a", "a", ""])}) == 4


def test_constants_repeat() -> None:
    assert join_rows(encode_constant(b"xy", 3)).to_pylist() == [b"\0\0\0\x02xy"] * 3
    assert list(split_stream(join_rows(encode_constant(b"", 0)))) == []
