"""Everything one analysis needs of the store, as arrays: network, homes, sites, and how walkers link them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from geo.circles.circle import Surroundings, survey
from geo.circles.near import NearIndex, index_ways
from geo.costs import WalkProfile, find_walkable
from geo.driving_turns import Drive
from geo.errors import RequestError
from geo.link import Entrances, Ways
from geo.reach import Homes, Walk, prepare_walk
from geo.units import NO_COST
from layers.catalog import Pack, Profile, read_pack, read_profiles
from layers.driving import load_drive
from layers.engine import allow_computing
from layers.ground import load_ground
from layers.homes import Areas, Buildings, fetch_areas, load_buildings, load_home_links
from layers.network import Streetscape, fetch_versions, load_streetscape
from layers.sites import Sites, fetch_sites, load_entrances

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from geo.units import BoolArray
    from layers.hours import Clock
    from layers.parts.within import Within
    from layers.settings import Settings


@dataclass(frozen=True)
class Tread:
    """One profile on the network: its costs, where homes and sites meet it, and what may be linked to."""

    walk: Walk
    homes: Homes
    entrances: Entrances
    ways: Ways

    @cached_property
    def surroundings(self) -> Surroundings:
        """Return what circles are drawn from, laid out once."""
        # a drive is laid out from facility to building already, and nobody drives to the place of a circle
        return survey(self.walk, self.homes, self.entrances, both_ways=not isinstance(self.walk, Drive))

    @cached_property
    def near(self) -> NearIndex:
        """Return the ways one may start from by cells of a grid, laid out once."""
        return index_ways(self.ways)


@dataclass(frozen=True)
class Study:
    """The store at one moment, ready to be walked.

    Attributes
    ----------
    versions
        Version of every loaded layer.
    pack
        The standards pack with its city file.
    profiles
        Shipped profiles by code.
    streetscape, buildings, sites, areas
        What was loaded.
    within
        The part of the study area this is; None for all of it.
    clock
        What is closed at the moment this is about; None where hours do not count.
    """

    settings: Settings
    versions: dict[str, int]
    pack: Pack
    profiles: dict[str, Profile]
    streetscape: Streetscape
    buildings: Buildings
    sites: Sites
    areas: Areas
    within: Within | None = None
    clock: Clock | None = None
    treads: dict[str, Tread] = field(default_factory=dict)


def load_study(connection: Connection, settings: Settings, *, within: Within | None = None) -> Study:
    """Return the store as it is now; one transaction sees one state of all layers.

    Parameters
    ----------
    connection
        An open connection; reads only. Use one in a repeatable-read transaction.
    settings
        Where caches are kept, link distances and the city file.
    within
        The part of the study area to load; None for all of it.

    Raises
    ------
    NotReady
        Streets, buildings or facilities are not loaded.
    """
    allow_computing(connection)
    streetscape = load_streetscape(connection, settings.cache_dir, within=within)
    return Study(
        settings=settings,
        versions=fetch_versions(connection),
        pack=read_pack(city_file=settings.city_file),
        profiles=read_profiles(),
        streetscape=streetscape,
        buildings=load_buildings(connection, streetscape, settings.cache_dir, within=within),
        sites=fetch_sites(connection, streetscape, within=within),
        areas=fetch_areas(connection, within=within),
        within=within,
    )


def make_walk_profile(profile: Profile) -> WalkProfile:
    """Return the walking profile of a shipped one; who cannot use steps is taken to be on wheels.

    Raises
    ------
    RequestError
        The profile drives.
    """
    if profile.is_vehicle:
        raise RequestError(f"profile {profile.code} drives, this is walked", parameter="profile")
    return WalkProfile(
        code=profile.code,
        pace_m_s=profile.pace_m_s,
        steps=profile.steps,
        steps_factor=profile.steps_factor,
        needs_wheelchair=not profile.steps,
        max_slope=profile.max_slope,
        climb_factor=profile.climb_factor,
        crossing_s=profile.crossing_s,
    )


def load_tread(connection: Connection, study: Study, profile: Profile) -> Tread:
    """Return the homes and sites linked for one profile; kept with the study.

    Parameters
    ----------
    connection
        An open connection; reads only.
    study
        What to link.
    profile
        Who walks or drives.
    """
    if profile.code in study.treads:
        return study.treads[profile.code]
    allow_computing(connection)
    walk, is_open, kind = _load_walk(connection, study, profile)
    if study.clock is not None:
        kind += f" closed_gates={study.clock.gate_id.tolist()}"
    settings = study.settings
    ways = Ways(
        study.streetscape.network,
        is_open,
        study.streetscape.barriers,
        settings.link_max_m,
        settings.entrance_within_m,
    )
    links = load_home_links(study.buildings, ways=ways, kind=kind, cache_dir=settings.cache_dir)
    entrances = load_entrances(
        connection, study.sites, study.streetscape, ways=ways, kind=kind, cache_dir=settings.cache_dir
    )
    tread = Tread(walk, Homes(links, study.buildings.zone), entrances, ways)
    study.treads[profile.code] = tread
    return tread


def _load_walk(connection: Connection, study: Study, profile: Profile) -> tuple[Walk, BoolArray, str]:
    """Return the network laid out for a profile, the edges it may use, and a name for who may use the same ones."""
    scape = study.streetscape
    if profile.is_vehicle:
        drive, key = load_drive(connection, scape, profile, study.settings.cache_dir, within=study.within)
        return drive, (drive.cost_ab != NO_COST) | (drive.cost_ba != NO_COST), f"drive={key}"
    walker = make_walk_profile(profile)
    ground, name = load_ground(connection, scape, study.settings.cache_dir, within=study.within)
    # profiles that may use the same edges link to the same places, whatever their pace
    kind = f"steps={walker.steps} wheels={walker.needs_wheelchair}"
    if ground is not None and walker.max_slope is not None:
        kind += f" slope={walker.max_slope} ground={name}"
    return prepare_walk(scape.network, walker, ground), find_walkable(scape.network, walker, ground), kind
