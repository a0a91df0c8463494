"""Opening hours: what is open at a moment asked for (``--at``), and a study in which the rest is closed.

Hours are written as in OpenStreetMap (``Mo-Fr 08:00-18:00; PH off``) and are local wall-clock time, so the moment is,
too. What has no hours, or none that can be read, counts as open and is counted in the run: a missing entry is no
evidence of a locked door.

References
----------
OpenStreetMap wiki, "Key:opening_hours/specification".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, LiteralString

import numpy as np
from opening_hours import OpeningHours, ParserError  # type: ignore[attr-defined]
from psycopg import sql
from sqlalchemy import func, select

from geo.errors import RequestError
from geo.metric import is_in_china
from geo.network import CLOSED_ON_FOOT
from layers.network import fetch_columns, whole_numbers
from layers.parts.within import pick_rows
from layers.tables import layer_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from geo.units import BoolArray, IntArray, ObjectArray
    from layers.network import Streetscape
    from layers.sites import Sites
    from layers.study import Study

EARLIEST, LATEST = datetime(1990, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - local wall-clock time

CLOSED_GATES = "closed_gates"
"""Names the gates shut at a moment among what a streetscape was made from."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What is closed at a moment.

    Attributes
    ----------
    at
        The moment in local time, ``YYYY-MM-DDTHH:MM``.
    facility_id, gate_id
        Store ids of what is closed then, ascending.
    counts
        Facilities and gates closed, facilities without hours, and hours that could not be read.
    """

    at: str
    facility_id: IntArray
    gate_id: IntArray
    counts: dict[str, int]


def parse_at(text: str) -> datetime:
    """Return a moment given as local time.

    Parameters
    ----------
    text
        ``2026-11-23T20:00`` or ``2026-11-23 20:00``; seconds may follow.

    Raises
    ------
    RequestError
        It is no such time, carries a time zone, or lies before 1990 or after 2099.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    has_time = "T" in text or ":" in text
    if moment is None or moment.tzinfo is not None or not has_time or not EARLIEST <= moment < LATEST:
        raise RequestError(
            f"weighing opening hours at {text!r}: expected a local time such as 2026-11-23T20:00, from 1990 to 2099",
            hint="give date and time without a time zone: hours are those on the door",
            parameter="at",
        )
    return moment


def write_at(text: str | None) -> str | None:
    """Return a moment as requests keep it, to the minute; None stays None. Raises as :func:`parse_at`."""
    return None if text is None else parse_at(text).strftime("%Y-%m-%dT%H:%M")


@dataclass(frozen=True, slots=True)
class _Judged:
    is_closed: BoolArray
    is_unreadable: BoolArray


def find_closed(hours: Sequence[str | None], at: datetime, *, country: str | None) -> _Judged:
    """Return which hours say that the door is shut at a moment.

    Parameters
    ----------
    hours
        Texts in the syntax of OpenStreetMap, None where there are none.
    at
        Local time.
    country
        Country whose public holidays count, for example ``CN``; None for no holidays.

    Returns
    -------
    Shut and unreadable by row; what is unreadable, unknown or not given is not shut.
    """
    texts = sorted({text for text in hours if text})
    known: dict[str | None, tuple[bool, bool]] = {None: (False, False), "": (False, False)}
    for text in texts:
        try:
            known[text] = (OpeningHours(text, country=country).is_closed(at), False)
        except ParserError:
            known[text] = (False, True)
    answer = np.array([known[text] for text in hours], dtype=bool).reshape(-1, 2)
    return _Judged(answer[:, 0], answer[:, 1])


def read_clock(connection: Connection, at: str) -> Clock:
    """Return what is closed at a moment, of the whole store.

    Parameters
    ----------
    connection
        An open connection; reads only.
    at
        Local time, as :func:`parse_at` takes it.

    Raises
    ------
    RequestError
        The moment cannot be read.
    """
    moment, country = parse_at(at), _find_country(connection)
    facility_id, facility_hours = _fetch(
        connection, "SELECT id, opening_hours FROM onemap.facility WHERE valid_to IS NULL ORDER BY id"
    )
    gate_id, gate_hours = _fetch(connection, "SELECT id, hours FROM onemap.gate WHERE valid_to IS NULL ORDER BY id")
    facilities = find_closed(facility_hours.tolist(), moment, country=country)
    gates = find_closed(gate_hours.tolist(), moment, country=country)
    return Clock(
        at=moment.strftime("%Y-%m-%dT%H:%M"),
        facility_id=facility_id[facilities.is_closed],
        gate_id=gate_id[gates.is_closed],
        counts={
            "facilities_closed": int(facilities.is_closed.sum()),
            "facilities_without_hours": sum(not text for text in facility_hours),
            "gates_closed": int(gates.is_closed.sum()),
            "hours_unreadable": int(facilities.is_unreadable.sum() + gates.is_unreadable.sum()),
        },
    )


def _fetch(connection: Connection, query: LiteralString) -> tuple[IntArray, ObjectArray]:
    found = fetch_columns(connection, query, ("id", "hours"))
    return whole_numbers(found["id"]), np.asarray(found["hours"], dtype=object)


def _find_country(connection: Connection) -> str | None:
    """Return the country whose public holidays count, from where the streets are."""
    middle = func.ST_Centroid(layer_version.c.extent)
    place = connection.execute(
        select(func.ST_X(middle), func.ST_Y(middle)).where(layer_version.c.layer == "streets")
    ).one_or_none()
    return "CN" if place is not None and place[0] is not None and is_in_china(place[0], place[1]) else None


def set_clock(connection: Connection, study: Study, at: str | None) -> Study:
    """Return the study as it is at a moment: closed facilities serve nobody, closed gates let nobody pass.

    Parameters
    ----------
    connection
        An open connection that sees the state the study was made from; reads only.
    study
        The store as arrays; not changed.
    at
        Local time; None leaves hours out of account.

    Raises
    ------
    RequestError
        The moment cannot be read.
    """
    if at is None or (study.clock is not None and study.clock.at == write_at(at)):
        return study
    clock = read_clock(connection, at)
    scape = study.streetscape
    if clock.gate_id.size:
        # in the order in which the streetscape holds the gates' points
        query = sql.SQL("SELECT g.id FROM onemap.gate g WHERE g.valid_to IS NULL{} ORDER BY g.id")
        found = fetch_columns(connection, query.format(pick_rows(study.within, "gates", "gate", "g.id")), ("id",))
        scape = _close_gates(scape, clock, is_open=~np.isin(whole_numbers(found["id"]), clock.gate_id))
    return replace(study, streetscape=scape, sites=close_sites(study.sites, clock), clock=clock, treads={})


def _close_gates(scape: Streetscape, clock: Clock, *, is_open: BoolArray) -> Streetscape:
    network = scape.network
    gate = network.edge_gate
    shut = np.flatnonzero((gate >= 0) & np.isin(network.gate_id[np.maximum(gate, 0)], clock.gate_id))
    flags = np.array(network.edge_flags)
    flags[shut] |= CLOSED_ON_FOOT
    return replace(
        scape,
        network=replace(network, edge_flags=flags),
        gate_point=scape.gate_point[is_open],
        # caches of links are named by it
        made_from={**scape.made_from, CLOSED_GATES: clock.gate_id.tolist()},
    )


def close_sites(sites: Sites, clock: Clock) -> Sites:
    """Return the facilities, of which those closed are of no type: they keep their rows and serve nobody."""
    kind = sites.type.copy()
    kind[np.isin(sites.facility_id, clock.facility_id)] = None
    return replace(sites, type=kind)
