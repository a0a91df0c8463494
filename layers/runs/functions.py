"""What the database itself does with stored runs: read a value out of a slice, and drop results nobody refers to.

Importing this module registers the definitions; they are made and dropped with the tables.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

import layers.runs.tables  # noqa: F401 - the tables that runs refer to
from layers.tables import SCHEMA, metadata, run

INT_AT = f"{SCHEMA}.int_at"
"""Name of the function that returns the whole number at a place (0-based) of a slice: four bytes, high byte first."""

# one plain expression, so that PostgreSQL puts it into the query in place of a call
_MAKE_INT_AT = f"""
CREATE OR REPLACE FUNCTION {INT_AT}(slice bytea, place integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT (get_byte($1, $2 * 4) << 24) | (get_byte($1, $2 * 4 + 1) << 16)
      | (get_byte($1, $2 * 4 + 2) << 8) | get_byte($1, $2 * 4 + 3)'
"""

# the row is locked first: of two runs deleted at once the second sees that it was the last
_MAKE_DROP_RESULT = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.drop_unused_result() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM {SCHEMA}.run_result WHERE id = OLD.result_id FOR UPDATE;
  DELETE FROM {SCHEMA}.run_result
  WHERE id = OLD.result_id AND NOT EXISTS (SELECT 1 FROM {SCHEMA}.run WHERE result_id = OLD.result_id);
  RETURN NULL;
END $$
"""  # noqa: S608 - only the schema's name is put in
_MAKE_TRIGGER = f"""
CREATE TRIGGER drop_unused_result AFTER DELETE OR UPDATE OF result_id ON {SCHEMA}.run
FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.drop_unused_result()
"""


def _define(statement: str) -> DDL:
    # % would be taken for a parameter
    return DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]


event.listen(metadata, "after_create", _define(_MAKE_INT_AT))
event.listen(run, "after_create", _define(_MAKE_DROP_RESULT))
event.listen(run, "after_create", _define(_MAKE_TRIGGER))
event.listen(metadata, "after_drop", _define(f"DROP FUNCTION IF EXISTS {INT_AT}(bytea, integer)"))
event.listen(run, "after_drop", _define(f"DROP FUNCTION IF EXISTS {SCHEMA}.drop_unused_result()"))
