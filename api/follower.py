"""Runs that follow, while the server runs: when the layers change, jobs bring those runs up to date."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from geo.errors import OneMapError
from layers.network import fetch_stamps
from layers.runs.follow import JOB_KIND, find_behind, order_following

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from api.job_runner import JobRunner

logger = logging.getLogger(__name__)

LOOK_S = 5.0
"""Layers are looked at this often; several loads within it are followed at once."""


class Follower:
    """Orders jobs for runs that follow and are behind.

    Parameters
    ----------
    writer
        The database, as a role that may write.
    jobs
        Does what is ordered.
    """

    def __init__(self, writer: AsyncEngine, jobs: JobRunner) -> None:
        self._writer = writer
        self._jobs = jobs
        self._seen: dict[str, str] | None = None

    async def watch(self) -> None:
        """Look for changes until cancelled; a database that is away for a while is looked for again."""
        while True:
            try:
                await self.look()
            except OneMapError as error:
                logger.warning("runs that follow were not looked at: %s", error)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Order what is needed if a layer changed since the last look."""
        async with self._writer.begin() as connection:
            ordered = await connection.run_sync(self._order)
        for job_id in ordered:
            self._jobs.submit(job_id, JOB_KIND)

    def _order(self, conn: Connection) -> list[uuid.UUID]:
        stamps = fetch_stamps(conn)
        if stamps == self._seen:
            return []
        orders = [order_following(conn, run_id) for run_id in find_behind(conn)]
        # a job under way may have read the layers before they changed: look again when it is done
        self._seen = stamps if all(is_new for _, is_new in orders) else None
        return [job_id for job_id, is_new in orders if is_new]
