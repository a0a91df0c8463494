"""Rows read in blocks against the driver's own rows: every type, nulls, negative numbers, many texts, any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from psycopg import sql

from layers.copy_read import BLOCK_IDS, MOST_BLOCKS, Rows, fetch_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from tests.conftest import Db

TABLE = """
    CREATE TEMPORARY TABLE sample (
        id bigint, small smallint, whole integer, long bigint, flag boolean, part double precision, word text,
        geom geometry)
"""
NAMES = ("id", "small", "whole", "long", "flag", "part", "word", "geom")
GEOMETRIES = (
    "POINT (114.5 30.5)",
    "POINT EMPTY",
    "POLYGON ((0 0, 1 0, 1 1, 0 0))",
    None,
    "POINT (-1e-9 1e9)",
    "MULTIPOINT ((1 2))",
    "POINT Z (1 2 3)",
)
LINES = ("LINESTRING (0 0, 1 1.5)", "LINESTRING (3 4, 5 6, -7 8)")


@pytest.fixture
def connection(db: Db) -> Iterator[Connection]:
    """Return a connection with a table of its own that goes with it."""
    with db.owner.connect() as connection:
        yield connection
        connection.rollback()


def fill(connection: Connection, ids: list[int], geometries: tuple[str | None, ...] = GEOMETRIES) -> None:
    """Store rows with every second value of a column null, in the order of `ids`."""
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        cursor.execute(TABLE)
        for number, key in enumerate(ids):
            values = (
                -3 - number,
                2**31 - 1 - number,
                -(2**63) + number,
                bool(number % 3),
                -number / 7,
                "区" * (key % 5),
            )
            row = [None if (number + column) % 4 == 0 else value for column, value in enumerate(values)]
            geometry = geometries[number % len(geometries)]
            cursor.execute(
                "INSERT INTO sample VALUES (%s, %s, %s, %s, %s, %s, %s, ST_GeomFromText(%s))", [key, *row, geometry]
            )


def fetch(connection: Connection) -> Rows:
    """Return the table's rows as blocks."""

    def build(low: sql.Composable, high: sql.Composable) -> sql.Composed:
        return sql.SQL(
            "SELECT id, small, whole, long, flag, part, word, ST_AsBinary(geom, 'NDR') AS g FROM sample "
            "WHERE id >= {low} AND id < {high}"
        ).format(low=low, high=high)

    return fetch_rows(connection, build, NAMES, bounds="SELECT min(id), max(id) FROM sample")


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [7],
        [5, 3, 9, 1, 2, 8, 4],
        [1, 2, 3, BLOCK_IDS, BLOCK_IDS + 1, 3 * BLOCK_IDS + 5, 4],
        [-(2**40), 0, 2**40, 5, BLOCK_IDS * MOST_BLOCKS * 2],
        list(range(1500, 0, -1)),
    ],
)
def test_blocks_hold_what_the_driver_reads(connection: Connection, ids: list[int]) -> None:
    fill(connection, ids)
    found = fetch(connection)
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        wanted = cursor.execute(
            "SELECT id, small, whole, long, flag, part, word, ST_AsBinary(geom) FROM sample ORDER BY id"
        ).fetchall()
    columns = list(zip(*wanted, strict=True)) or [()] * len(NAMES)
    assert found.count == len(ids)
    assert found.id.tolist() == list(columns[0])
    for number, name in enumerate(NAMES[1:5], start=1):
        missing = [-77 if value is None else int(value) for value in columns[number]]
        assert found.read_numbers(name, missing=-77).tolist() == missing, name
    floats = found.read_floats("part")
    assert [None if np.isnan(value) else value for value in floats.tolist()] == list(columns[5])
    assert found.read_words("word").tolist() == list(columns[6])
    places, is_null = found.read_places("geom")
    assert is_null.tolist() == [value is None for value in columns[7]]
    for made, value in zip(places.make_geometry()[~is_null], [v for v in columns[7] if v is not None], strict=True):
        assert shapely.equals_identical(made, shapely.from_wkb(value))


def test_lines_come_as_corners(connection: Connection) -> None:
    ids = [1, 2, 3, BLOCK_IDS * 2]
    fill(connection, ids, LINES)
    found = fetch(connection).read_lines("geom")
    assert found is not None
    xy, corners = found
    assert corners.tolist() == [2, 3, 2, 3]
    wanted = shapely.get_coordinates([shapely.from_wkt(LINES[n % 2]) for n in range(4)])
    assert xy.tolist() == wanted.tolist()


@pytest.mark.parametrize("other", ["LINESTRING Z (0 0 1, 1 1 1)", "POINT (1 1)", None, "MULTILINESTRING ((0 0, 1 1))"])
def test_other_shapes_among_lines_are_left_to_shapely(connection: Connection, other: str | None) -> None:
    fill(connection, [1, 2, 3], (LINES[0], other, LINES[1]))
    assert fetch(connection).read_lines("geom") is None


def test_many_different_texts_are_told_apart(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.execute("INSERT INTO sample (id, word) SELECT n, 'word ' || n % 3001 FROM generate_series(1, 30000) n")
    code, words = fetch(connection).read_codes("word")
    assert (words.shape[0], words[-1]) == (3002, None)
    assert words[code].tolist() == [f"word {n % 3001}" for n in range(1, 30_001)]
