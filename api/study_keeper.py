"""The store as arrays, kept between requests and loaded again when a layer changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Engine

    from layers.circle import Circles
    from layers.settings import Settings
    from layers.study import Study


class StudyKeeper:
    """Keeps one study and walks it in threads.

    Attributes
    ----------
    engine
        Reader for work in threads.
    """

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self._lock = threading.Lock()
        self._stamps: dict[str, str] | None = None
        self._study: Study | None = None

    def find_circles(self, *, lon: float, lat: float, minutes: Sequence[float], profile: str) -> Circles:
        """Return circles around a place; see :func:`layers.circle.find_circles`."""
        from layers.circle import find_circles

        with self.engine.connect() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            study = self._load(connection)
            # profiles are linked on first use, which fills the study
            with self._lock:
                return find_circles(connection, study, lon=lon, lat=lat, minutes=minutes, profile=profile)

    def _load(self, connection: Connection) -> Study:
        from layers.network import fetch_stamps
        from layers.study import load_study

        with self._lock:
            stamps = fetch_stamps(connection)
            if self._study is None or stamps != self._stamps:
                self._study = load_study(connection, self.settings)
                self._stamps = stamps
            return self._study
