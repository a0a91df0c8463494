"""Everything one analysis needs of the store, as arrays: network, homes, sites, and how walkers link them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from geo.circles import Surroundings, survey
from geo.costs import WalkProfile, find_walkable
from geo.link import Entrances, Ways
from geo.reach import Homes, Walk, prepare_walk
from layers.catalog import Pack, Profile, read_pack, read_profiles
from layers.homes import Areas, Buildings, fetch_areas, load_buildings, load_home_links
from layers.network import Streetscape, fetch_versions, load_streetscape
from layers.sites import Sites, fetch_sites, load_entrances

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from layers.part_within import Within
    from layers.settings import Settings


@dataclass(frozen=True)
class Tread:
    """One profile on the network: its costs, and where homes and sites meet it."""

    walk: Walk
    homes: Homes
    entrances: Entrances

    @cached_property
    def surroundings(self) -> Surroundings:
        """Return what circles are drawn from, laid out once."""
        return survey(self.walk, self.homes, self.entrances)


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
        Shipped walking profiles by code.
    streetscape, buildings, sites, areas
        What was loaded.
    """

    settings: Settings
    versions: dict[str, int]
    pack: Pack
    profiles: dict[str, Profile]
    streetscape: Streetscape
    buildings: Buildings
    sites: Sites
    areas: Areas
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
    )


def make_walk_profile(profile: Profile) -> WalkProfile:
    """Return the walking profile of a shipped one; who cannot use steps is taken to be on wheels."""
    return WalkProfile(
        code=profile.code,
        pace_m_s=profile.pace_m_s,
        steps=profile.steps,
        steps_factor=profile.steps_factor,
        needs_wheelchair=not profile.steps,
    )


def load_tread(connection: Connection, study: Study, profile: WalkProfile) -> Tread:
    """Return the homes and sites linked for one profile; kept with the study.

    Parameters
    ----------
    connection
        An open connection; reads only.
    study
        What to link.
    profile
        Who walks.
    """
    if profile.code in study.treads:
        return study.treads[profile.code]
    network = study.streetscape.network
    settings = study.settings
    ways = Ways(
        network,
        find_walkable(network, profile),
        study.streetscape.barriers,
        settings.link_max_m,
        settings.entrance_within_m,
    )
    # profiles that may use the same edges link to the same places, whatever their pace
    kind = f"steps={profile.steps} wheels={profile.needs_wheelchair}"
    links = load_home_links(study.buildings, ways=ways, kind=kind, cache_dir=settings.cache_dir)
    entrances = load_entrances(
        connection, study.sites, study.streetscape, ways=ways, kind=kind, cache_dir=settings.cache_dir
    )
    tread = Tread(prepare_walk(network, profile), Homes(links, study.buildings.zone), entrances)
    study.treads[profile.code] = tread
    return tread
