"""The store as arrays, kept between requests and loaded again when a layer changed."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import text

from geo.circles.outline import WIDTH_M
from geo.errors import OneMapError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine

    from layers.circle import Circles
    from layers.settings import Settings
    from layers.study import Study

FIRST_HOME = (
    "SELECT ST_X(p) AS lon, ST_Y(p) AS lat FROM (SELECT ST_PointOnSurface(geom) AS p FROM onemap.building "
    "WHERE valid_to IS NULL ORDER BY id LIMIT 1) AS first"
)


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
        self._warmed: threading.Event | None = None

    @property
    def is_warm(self) -> bool:
        """Return whether nothing is being prepared that a first request would wait for."""
        return self._warmed is None or self._warmed.is_set()

    def start_warming(self, *, then: Callable[[], None] | None = None, later: Callable[[], None] | None = None) -> None:
        """Compile the kernels and load the layers in a thread, so that the first click need not wait for it.

        Parameters
        ----------
        then
            What else to prepare, after the layers.
        later
            What to prepare when all that is ready.
        """
        warmed = self._warmed = threading.Event()

        def work() -> None:
            try:
                self._warm(then)
            finally:
                warmed.set()
            if later is not None:
                with suppress(OneMapError):
                    later()

        threading.Thread(target=work, daemon=True).start()

    def _warm(self, then: Callable[[], None] | None) -> None:
        from geo.warm import warm_kernels
        from layers.runs.result import DEFAULT_PROFILE
        from layers.study import load_tread

        # the circle itself is of no interest: it uses every kernel a request will use, on arrays of the same kind
        with suppress(OneMapError), self.engine.connect() as connection:
            home = connection.execute(text(FIRST_HOME)).first()
            if home is not None:
                self.find_circles(lon=home.lon, lat=home.lat, minutes=[5], profile=DEFAULT_PROFILE)
                study = self.load(connection)
                with self._lock:
                    tread = load_tread(connection, study, study.profiles[DEFAULT_PROFILE])
                warm_kernels(tread.walk, tread.homes, tread.entrances)
        if then is not None:
            with suppress(OneMapError):
                then()

    def find_circles(
        self, *, lon: float, lat: float, minutes: Sequence[float], profile: str, width_m: float = WIDTH_M
    ) -> Circles:
        """Return circles around a place; see :func:`layers.circle.find_circles`."""
        from layers.circle import find_circles, prepare_circles

        with self.engine.connect() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            study = self.load(connection)
            # profiles are linked on first use, which fills the study
            with self._lock:
                prepare_circles(connection, study, profile=profile)
            return find_circles(connection, study, lon=lon, lat=lat, minutes=minutes, profile=profile, width_m=width_m)

    def load(self, connection: Connection) -> Study:
        """Return the store as arrays, from memory where no layer has changed.

        Parameters
        ----------
        connection
            An open connection; one transaction sees one state of all layers.
        """
        from layers.network import fetch_stamps
        from layers.study import load_study

        with self._lock:
            stamps = fetch_stamps(connection)
            if self._study is None or stamps != self._stamps:
                self._study = load_study(connection, self.settings)
                self._stamps = stamps
            return self._study
