"""What a run judges, by whom and for whom, worked out before anything is searched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geo.errors import NotFound, NothingLinked, RequestError
from geo.gaps import weigh_people
from geo.reach import Homes, check_bound
from layers.catalog import NOT_JUDGED, choose_profiles
from layers.hours import set_clock
from layers.runs.result import EVERYBODY, NETWORK_COUNTS, Column
from layers.study import Tread, load_tread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from geo.gaps import PeopleBasis
    from geo.network import Network
    from geo.units import Int32Array, IntArray
    from layers.catalog import FacilityType, Pack, Profile
    from layers.homes import Buildings
    from layers.runs.result import GapRequest
    from layers.sites import Sites
    from layers.study import Study

BOUND_FACTOR = 2
"""Reach is searched to this many times the limit (design rule "Walking")."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One type by one profile: what becomes a column.

    Attributes
    ----------
    kind
        The type.
    profile
        Code of the profile that judges it.
    limit_s
        Longest way that counts as covered, in seconds.
    """

    kind: FacilityType
    profile: str
    limit_s: int


@dataclass(frozen=True, slots=True)
class Part:
    """The columns of a run that one profile judges.

    Attributes
    ----------
    profile
        Its code.
    tread
        Its costs, the homes judged and the entrances of all facilities.
    numbers
        Which columns, from 0.
    """

    profile: str
    tread: Tread
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class RunPlan:
    """Everything a run searches with.

    Attributes
    ----------
    judged, columns
        One a column of the result.
    study
        The store as arrays, as it is at the moment asked for.
    rows
        Rows of the buildings judged in ``study.buildings``, ascending, shape (n,).
    parts
        One a profile; together they hold every column once.
    site_rows
        For each column the facilities that serve it, rows of ``study.sites``.
    bounds_s
        For each column how far reach is searched, in seconds.
    weights
        For each column the people of its demand group in every building; equal groups share an array, shape (n,).
    """

    study: Study
    judged: tuple[Judged, ...]
    columns: tuple[Column, ...]
    rows: IntArray
    parts: tuple[Part, ...]
    site_rows: tuple[Int32Array, ...]
    bounds_s: tuple[int, ...]
    weights: tuple[Int32Array, ...]


def prepare_run(connection: Connection, study: Study, request: GapRequest, *, must_link: bool = True) -> RunPlan:
    """Return what a run searches with, its buildings and facilities linked.

    Parameters
    ----------
    connection
        An open connection; reads only.
    study
        The store as arrays.
    request
        What to judge.
    must_link
        Whether at least one building must lie near a way; False for a part of a study area.

    Raises
    ------
    NotFound, RequestError
        The request names a type, profile or area that does not exist or cannot be judged.
    NothingLinked
        No building lies within the link distance of any street.
    """
    judged = choose_judged(study.pack, study.profiles, request)
    study = set_clock(connection, study, request.at)
    rows = choose_buildings(study, request.area)
    parts = []
    for code in dict.fromkeys(one.profile for one in judged):
        numbers = tuple(number for number, one in enumerate(judged) if one.profile == code)
        tread = _take_homes(load_tread(connection, study, study.profiles[code]), rows)
        by_name = code in request.profiles or bool(request.types)
        if must_link and by_name and not tread.homes.links.is_linked.any():
            raise NothingLinked(
                f"no building of {rows.shape[0]} lies within {study.settings.link_max_m:g} m of a street open to "
                f"profile {code}",
                hint="check that streets and buildings cover the same place and were loaded with the right datum",
            )
        parts.append(Part(code, tread, numbers))
    linked = {part.profile: part.tread.entrances.facility for part in parts}
    weights = weigh_columns(judged, study.buildings, rows)
    columns, site_rows = make_columns(
        judged, study.sites, study.pack, linked=linked, bases=[basis for _, basis in weights]
    )
    return RunPlan(
        study=study,
        judged=tuple(judged),
        columns=columns,
        rows=rows,
        parts=tuple(parts),
        site_rows=site_rows,
        bounds_s=tuple(one.limit_s * BOUND_FACTOR for one in judged),
        weights=tuple(weight for weight, _ in weights),
    )


def choose_judged(pack: Pack, profiles: Mapping[str, Profile], request: GapRequest) -> list[Judged]:
    """Return the types to judge, each by the profiles that move as it is reached: walked ones first.

    Raises
    ------
    NotFound
        A type is not in the pack, or there is no such profile.
    RequestError
        A type has no limit and none was given, nobody asked for moves as it is reached, or the minutes are out of
        range.
    """
    if request.minutes is not None:
        check_bound(request.minutes * 60 * BOUND_FACTOR)
    for code in request.profiles:
        if code not in profiles:
            raise NotFound(f"there is no profile {code}; found {', '.join(sorted(profiles))}", parameter="profile")
    named = [pack[code] for code in dict.fromkeys(request.types)]
    chosen: list[Judged] = []
    # "all types" are those of the pack one walks to; those reached by vehicle come with a profile that drives
    by_vehicle = pack.driven if any(profiles[code].is_vehicle for code in request.profiles) else ()
    for kind in named or (*pack.testable, *by_vehicle):
        limit = _find_limit(kind, request)
        judges = choose_profiles(kind, request.profiles, profiles)
        if not judges and named:
            raise RequestError(
                f"type {kind.code} ({kind.name_zh}) is walked to; profile {', '.join(request.profiles)} judges types "
                "reached by vehicle",
                hint="leave it out, or ask for a walking profile too",
                parameter="types",
            )
        chosen += [Judged(kind, profile, limit) for profile in judges]
    # all types of the first profile, then all of the second: as they are asked for, and those nobody asked for last
    order = {code: number for number, code in enumerate(request.profiles)}
    return sorted(
        chosen, key=lambda one: (profiles[one.profile].is_vehicle, order.get(one.profile, len(order)), one.profile)
    )


def _find_limit(kind: FacilityType, request: GapRequest) -> int:
    own = kind.drive_limit_s if kind.mode == "drive" else kind.limit_s
    limit = own if request.minutes is None else round(request.minutes * 60)
    if limit is None or not (kind.testable or kind.mode in {"walk", "drive"}):
        reason = NOT_JUDGED[kind.not_judged_reason][1] if kind.not_judged_reason else "it has no limit"
        raise RequestError(
            f"type {kind.code} ({kind.name_zh}) cannot be judged by its standard: {reason}",
            hint="leave it out, or give a limit with --minutes",
            parameter="types",
        )
    return limit


def choose_buildings(study: Study, area: str | None) -> IntArray:
    """Return the rows of the buildings to judge: all, or those in an area and the areas below it.

    Raises
    ------
    NotFound
        There is no such area.
    """
    count = study.buildings.building_id.shape[0]
    if area is None:
        return np.arange(count, dtype=np.int64)
    tree = study.areas.tree
    if area not in tree.code:
        raise NotFound(f"there is no area {area}", hint="onemap layers shows what is loaded", parameter="area")
    inside = np.zeros(len(tree.code) + 1, dtype=bool)
    inside[tree.code.index(area)] = True
    for row in np.argsort(tree.depth, kind="stable"):
        if tree.parent[row] >= 0 and inside[tree.parent[row]]:
            inside[row] = True
    return np.flatnonzero(inside[study.buildings.deepest])


def _take_homes(tread: Tread, rows: IntArray) -> Tread:
    homes = tread.homes
    if rows.shape[0] == homes.zone.shape[0]:
        return tread
    links = homes.links
    taken = type(links)(links.edge[rows], links.place_mm[rows], links.off_mm[rows])
    return replace(tread, homes=Homes(taken, homes.zone[rows]))


def weigh_columns(
    judged: Sequence[Judged], buildings: Buildings, rows: IntArray
) -> list[tuple[Int32Array, PeopleBasis]]:
    """Return the people of every column's demand group, and what they were counted by.

    Parameters
    ----------
    judged
        The columns.
    buildings
        The housing layer.
    rows
        Rows of the buildings judged, shape (n,).

    Returns
    -------
    list of (Int32Array, str)
        One a column; columns of one demand group share the array, shape (n,).
    """
    found: dict[tuple[str, ...], tuple[Int32Array, PeopleBasis]] = {}
    for one in judged:
        groups = one.kind.demand_groups
        if groups not in found:
            counts = buildings.take_people(rows, groups)
            weight, basis = weigh_people(counts, groups)
            found[groups] = weight.astype(np.int32), basis
    return [found[one.kind.demand_groups] for one in judged]


def make_columns(
    judged: Sequence[Judged],
    sites: Sites,
    pack: Pack,
    *,
    linked: Mapping[str, IntArray],
    bases: Sequence[PeopleBasis],
) -> tuple[tuple[Column, ...], tuple[Int32Array, ...]]:
    """Return the columns of a result and the facilities that serve each.

    Parameters
    ----------
    judged
        Types by profile.
    sites
        All facilities; of them only types and number are looked at.
    pack
        The standards pack.
    linked
        For each profile the rows of the facilities that have an entrance, any order, repeats allowed.
    bases
        For each column what its people were counted by, of :func:`weigh_columns`.
    """
    has_entrance = {}
    for profile, rows in linked.items():
        has_entrance[profile] = np.zeros(sites.facility_id.shape[0], dtype=bool)
        has_entrance[profile][rows] = True
    rows_of = {code: sites.rows_of(code, pack) for code in dict.fromkeys(one.kind.code for one in judged)}
    columns = tuple(
        Column(
            type=one.kind.code,
            profile=one.profile,
            limit_s=one.limit_s,
            radius_limit_m=one.kind.radius_m,
            demand_group=one.kind.demand_group_code or EVERYBODY,
            people_basis=basis,
            facilities=int(rows_of[one.kind.code].shape[0]),
            facilities_unlinked=int((~has_entrance[one.profile][rows_of[one.kind.code]]).sum()),
        )
        for one, basis in zip(judged, bases, strict=True)
    )
    return columns, tuple(rows_of[one.kind.code] for one in judged)


def count_network(network: Network) -> dict[str, int]:
    """Return nodes, edges and parts of a network, and the gates that open onto no way."""
    parts, share = network.measure_parts()
    figures = (
        network.node_count,
        network.edge_count,
        parts,
        round(share * 1000),
        int(network.find_unattached_gates().shape[0]),
    )
    return dict(zip(NETWORK_COUNTS, figures, strict=True))
