"""Streets, walls and gates as they are loaded, for edits that change the network itself."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import text

from geo.errors import Conflict
from geo.joins import join_streets
from geo.whatif.edits import Town
from layers.driving import TURN_LAYER, load_vehicle
from layers.hours import CLOSED_GATES
from layers.network import fetch_columns, fetch_stamps, fetch_streets, fetch_walls, list_sources, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from geo.whatif.rules import ByVehicle
    from layers.catalog import Profile
    from layers.study import Study


class TownSource:
    """Reads what a study's network was compiled from when it is first needed, and keeps it."""

    def __init__(self, engine: Engine, study: Study) -> None:
        self._engine = engine
        self._study = study
        self._lock = threading.Lock()
        self._town: Town | None = None

    def __call__(self) -> Town:
        """Return streets, walls and gates.

        Raises
        ------
        Conflict
            They have changed since the study was made.
        """
        with self._lock:
            if self._town is None:
                with read_unchanged(self._engine, self._study) as connection:
                    self._town = load_town(connection, self._study)
            return self._town


class VehicleSource:
    """Reads how a vehicle drives a study's streets when that is first needed, and keeps it.

    Parameters
    ----------
    engine
        Reader of the database.
    study, town
        The store as arrays, and its streets.
    profile
        A profile with a vehicle.
    turns
        State of the layer of turn bans when the study was made, None without such a layer.
    """

    def __init__(self, engine: Engine, study: Study, town: TownSource, profile: Profile, *, turns: str | None) -> None:
        self._engine = engine
        self._study = study
        self._town = town
        self._profile = profile
        self._turns = turns
        self._lock = threading.Lock()
        self._vehicle: ByVehicle | None = None

    def __call__(self) -> ByVehicle:
        """Return the vehicle's rules.

        Raises
        ------
        Conflict
            Streets or turn bans have changed since the study was made.
        """
        streets = self._town().streets
        with self._lock:
            if self._vehicle is None:
                with read_unchanged(self._engine, self._study) as connection:
                    if fetch_stamps(connection).get(TURN_LAYER) != self._turns:
                        raise _tell_changed("turn bans")
                    self._vehicle = load_vehicle(connection, streets, self._profile)
            return self._vehicle


def _tell_changed(what: str) -> Conflict:
    return Conflict(
        f"Reading the {what} of a scenario: they changed since its base run was made",
        hint="Rebase the scenario on a newer run.",
    )


@contextmanager
def read_unchanged(engine: Engine, study: Study) -> Iterator[Connection]:
    """Lend a connection that sees the streets and gates a study was made from.

    Parameters
    ----------
    engine
        Reader of the database.
    study
        The store as arrays.

    Raises
    ------
    Conflict
        Streets, compounds or gates have changed since.
    """
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        made_from = {name: value for name, value in study.streetscape.made_from.items() if name != CLOSED_GATES}
        if list_sources(connection) != made_from:
            raise _tell_changed("streets")
        yield connection


def load_town(connection: Connection, study: Study) -> Town:
    """Return what the network of a study was compiled from, with the gates that are shut at its moment.

    Parameters
    ----------
    connection
        From :func:`read_unchanged`.
    study
        The store as arrays.
    """
    closed = [] if study.clock is None else study.clock.gate_id.tolist()
    made_from = study.streetscape.made_from
    metric_crs = made_from["metric_crs"]
    walls, gates, gate_point = fetch_walls(connection, metric_crs)
    streets = fetch_streets(connection, metric_crs)
    if made_from["join_m"] is not None:
        streets, _ = join_streets(streets, tolerance_m=made_from["join_m"])
    found = fetch_columns(connection, "SELECT id FROM onemap.gate WHERE valid_to IS NULL ORDER BY id", ("id",))
    return Town(
        streets=streets,
        walls=walls,
        gates=gates,
        gate_point_id=np.asarray(whole_numbers(found["id"])),
        gate_point=gate_point,
        barriers=study.streetscape.barriers,
        metric_crs=metric_crs,
        closed_gates=frozenset(closed),
        max_link_m=study.settings.link_max_m,
        outline_reach_m=study.settings.entrance_within_m,
    )
