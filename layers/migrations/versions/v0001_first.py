"""All tables of the first release."""

from __future__ import annotations

from alembic import op

import layers.runs.functions
import layers.scenarios.tables  # noqa: F401 - registers its tables
from layers.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table and index."""
    metadata.create_all(op.get_bind(), checkfirst=False)


def downgrade() -> None:
    """Drop every table."""
    metadata.drop_all(op.get_bind())
