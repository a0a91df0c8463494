/** The base map, drawn from our own layers: land use, water, compounds, streets, railway and buildings. */
import type { ExpressionSpecification, LayerSpecification } from 'maplibre-gl';

import { expression, fading, filter, FONT, get, growing, isOneOf, matching } from './expressions';
import type { Palette } from './palette';

export interface LayerLook {
  visible: boolean;
  opacity: number;
}

export type LookOf = (layer: string) => LayerLook;

export const shown = (look: LayerLook): 'visible' | 'none' => (look.visible ? 'visible' : 'none');

const CLASS = get('highway');
export const STREET_CLASSES = {
  major: ['motorway', 'trunk', 'primary', 'motorway_link', 'trunk_link', 'primary_link'],
  mid: ['secondary', 'tertiary', 'secondary_link', 'tertiary_link'],
  path: ['footway', 'path', 'pedestrian', 'cycleway', 'steps', 'track', 'corridor', 'bridleway', 'elevator', 'crossing'],
};

const KIND = expression([
  'coalesce', ['get', 'kind'], ['get', 'class'], ['get', 'landuse'], ['get', 'use'], ['get', 'type'], ['get', 'leisure'], ['get', 'natural'], '',
]);

const LAND_KINDS: [keyof Palette['landuse'], string[]][] = [
  ['green', ['green', 'park', 'forest', 'wood', 'grass', 'meadow', 'garden', 'recreation_ground', 'village_green', 'scrub', '绿地', '公园', '林地']],
  ['sport', ['sport', 'pitch', 'sports_centre', 'stadium', 'playground', 'golf_course', '体育']],
  ['education', ['education', 'school', 'university', 'college', 'kindergarten', '教育']],
  ['medical', ['medical', 'hospital', 'clinic', '医疗']],
  ['commerce', ['commerce', 'commercial', 'retail', 'mall', 'office', 'mixed', '商业']],
  ['industry', ['industry', 'industrial', 'warehouse', 'logistics', 'brownfield', 'construction', '工业', '仓储']],
  ['administration', ['administration', 'civic', 'government', 'public', 'religious', '行政']],
  ['transport', ['transport', 'railway', 'depot', 'garages', 'parking', 'utility', '交通']],
  ['residential', ['residential', 'housing', 'old_town', 'village', '居住']],
  ['farmland', ['farmland', 'farmyard', 'orchard', 'allotments', 'vineyard', '农田', '耕地']],
];

const landColour = (colours: Palette): ExpressionSpecification =>
  matching(KIND, LAND_KINDS.map(([kind, names]) => [names, colours.landuse[kind]] as const), colours.landuse.other);

const isPolygon = filter(['==', ['geometry-type'], 'Polygon']);
const isLine = filter(['==', ['geometry-type'], 'LineString']);

export function landLayers(colours: Palette, look: LookOf): LayerSpecification[] {
  const land = look('landuse');
  return [
    { id: 'background', type: 'background', paint: { 'background-color': colours.land } },
    {
      id: 'landuse', type: 'fill', source: 'landuse', 'source-layer': 'landuse', filter: isPolygon,
      layout: { visibility: shown(land) },
      paint: { 'fill-color': landColour(colours), 'fill-opacity': fading([[9, 0.7], [12, 1]], land.opacity), 'fill-antialias': false },
    },
  ];
}

export function waterLayers(colours: Palette, look: LookOf): LayerSpecification[] {
  const water = look('water');
  return [
    {
      id: 'water', type: 'fill', source: 'water', 'source-layer': 'water', filter: isPolygon,
      layout: { visibility: shown(water) },
      paint: { 'fill-color': colours.water, 'fill-opacity': water.opacity },
    },
    {
      id: 'water-edge', type: 'line', source: 'water', 'source-layer': 'water', filter: isPolygon,
      layout: { visibility: shown(water) }, minzoom: 12,
      paint: { 'line-color': colours.waterEdge, 'line-width': growing([[12, 0.4], [18, 1.6]]), 'line-opacity': water.opacity },
    },
    {
      id: 'waterway', type: 'line', source: 'water', 'source-layer': 'water', filter: isLine,
      layout: { visibility: shown(water), 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': colours.water, 'line-width': growing([[9, 0.8], [14, 3], [18, 12]]), 'line-opacity': water.opacity },
    },
  ];
}

export function compoundLayers(colours: Palette, look: LookOf, { isDimmed }: { isDimmed: boolean }): LayerSpecification[] {
  const { opacity, ...rest } = look('compounds');
  const visibility = shown({ opacity, ...rest });
  const base = { source: 'compounds', 'source-layer': 'compounds', layout: { visibility } } as const;
  return [
    { id: 'compound', type: 'fill', ...base, minzoom: 12, paint: { 'fill-color': colours.compound, 'fill-opacity': fading([[12, 0.35], [15, 0.85]], isDimmed ? 0 : opacity), 'fill-antialias': false } },
    {
      id: 'wall', type: 'line', ...base, minzoom: 13.5,
      paint: {
        'line-color': colours.wall, 'line-width': growing([[13.5, 0.5], [16, 1.1], [19, 2.4]]), 'line-dasharray': [4, 1.6],
        'line-opacity': fading([[13.5, 0.4], [15, 1]], opacity),
      },
    },
  ];
}

const byClass = (major: number, mid: number, minor: number, service: number): ExpressionSpecification =>
  matching(CLASS, [[STREET_CLASSES.major, major], [STREET_CLASSES.mid, mid], [['service'], service]], minor);

const STREET_WIDTH = [
  [9, byClass(1.1, 0.5, 0, 0)], [12, byClass(2.2, 1.3, 0.5, 0.2)], [14, byClass(4.6, 3.2, 1.7, 0.9)],
  [16, byClass(11, 8, 5, 2.8)], [19, byClass(46, 34, 24, 14)],
] as const;
const CASING_WIDTH = [
  [9, byClass(1.6, 0.9, 0, 0)], [12, byClass(3.2, 2.1, 1, 0.5)], [14, byClass(6, 4.6, 2.8, 1.7)],
  [16, byClass(12.8, 9.8, 6.6, 4.2)], [19, byClass(49, 37, 27, 16.5)],
] as const;
const STREET_RANK = byClass(4, 3, 2, 1);

export function streetLayers(colours: Palette, look: LookOf): LayerSpecification[] {
  const streets = look('streets');
  const visibility = shown(streets);
  const base = { source: 'streets', 'source-layer': 'streets' } as const;
  const isRoad = filter(['!', ['match', CLASS, STREET_CLASSES.path, true, false]]);
  const round = { visibility, 'line-cap': 'round', 'line-join': 'round', 'line-sort-key': STREET_RANK } as const;
  const { major, mid, minor } = colours.casing;
  return [
    {
      id: 'street-path', type: 'line', ...base, minzoom: 14, filter: isOneOf(CLASS, STREET_CLASSES.path), layout: { visibility, 'line-cap': 'round' },
      paint: {
        'line-color': colours.street.path, 'line-width': growing([[14, 0.5], [16, 1.1], [19, 3]]), 'line-dasharray': [2.5, 1.6],
        'line-opacity': fading([[14, 0.35], [16, 0.85]], streets.opacity),
      },
    },
    {
      id: 'street-casing', type: 'line', ...base, filter: isRoad, layout: round,
      paint: {
        'line-color': matching(CLASS, [[STREET_CLASSES.major, major], [STREET_CLASSES.mid, mid]], minor),
        'line-width': growing(CASING_WIDTH, 1.5), 'line-opacity': fading([[9, 0.6], [12, 1]], streets.opacity),
      },
    },
    {
      id: 'street', type: 'line', ...base, filter: isRoad, layout: round,
      paint: {
        'line-color': matching(CLASS, [[STREET_CLASSES.major, colours.street.major], [STREET_CLASSES.mid, colours.street.mid]], colours.street.minor),
        'line-width': growing(STREET_WIDTH, 1.5), 'line-opacity': streets.opacity,
      },
    },
  ];
}

export function railLayers(colours: Palette, look: LookOf): LayerSpecification[] {
  const rail = look('railway');
  const visibility = shown(rail);
  const base = { source: 'railway', 'source-layer': 'railway' } as const;
  return [
    { id: 'rail', type: 'line', ...base, filter: isLine, layout: { visibility }, paint: { 'line-color': colours.rail, 'line-width': growing([[9, 0.8], [14, 2.2], [18, 5]]), 'line-opacity': rail.opacity } },
    {
      id: 'rail-sleepers', type: 'line', ...base, filter: isLine, minzoom: 12, layout: { visibility },
      paint: { 'line-color': colours.railGap, 'line-width': growing([[12, 0.8], [14, 1.3], [18, 3.2]]), 'line-dasharray': [5, 5], 'line-opacity': rail.opacity },
    },
    { id: 'rail-land', type: 'fill', ...base, filter: isPolygon, layout: { visibility }, paint: { 'fill-color': colours.landuse.transport ?? colours.land, 'fill-opacity': rail.opacity } },
  ];
}

const FLOORS = expression(['max', 1, ['coalesce', ['to-number', ['get', 'floors'], 3], 3]]);
export const HEIGHT_M = expression(['*', FLOORS, 3]);

/** @param isDimmed - buildings step back when areas carry the message */
export function buildingLayers(colours: Palette, look: LookOf, { isDimmed, isSolid }: { isDimmed: boolean; isSolid: boolean }): LayerSpecification[] {
  const buildings = look('buildings');
  const opacity = buildings.opacity * (isDimmed ? 0.55 : 1);
  const base = { source: 'buildings', 'source-layer': 'buildings', filter: isPolygon } as const;
  const flat = { visibility: shown({ ...buildings, visible: buildings.visible && !isSolid }) } as const;
  const colour = expression(['interpolate', ['linear'], FLOORS, 1, colours.building[0], 30, colours.building[1]]);
  return [
    {
      id: 'building-shadow', type: 'fill', ...base, minzoom: 15.2, layout: flat,
      paint: { 'fill-color': colours.shadow, 'fill-translate': growing2d([[15, 0.6], [19, 5]]), 'fill-opacity': opacity },
    },
    { id: 'building', type: 'fill', ...base, minzoom: 12.5, layout: flat, paint: { 'fill-color': colour, 'fill-opacity': fading([[12.5, 0.5], [14, 1]], opacity) } },
    { id: 'building-edge', type: 'line', ...base, minzoom: 15, layout: flat, paint: { 'line-color': colours.buildingEdge, 'line-width': growing([[15, 0.4], [19, 1.2]]), 'line-opacity': opacity } },
    {
      id: 'building-point', type: 'circle', source: 'buildings', 'source-layer': 'buildings', minzoom: 12.5, filter: filter(['==', ['geometry-type'], 'Point']), layout: { visibility: shown(buildings) },
      paint: { 'circle-color': colours.building[1], 'circle-radius': growing([[12.5, 1.2], [19, 8]]), 'circle-stroke-color': colours.buildingEdge, 'circle-stroke-width': 0.6, 'circle-opacity': opacity },
    },
    {
      id: 'building-solid', type: 'fill-extrusion', ...base, minzoom: 13, layout: { visibility: shown({ ...buildings, visible: buildings.visible && isSolid }) },
      paint: { 'fill-extrusion-color': colour, 'fill-extrusion-height': HEIGHT_M, 'fill-extrusion-opacity': 0.92 * opacity, 'fill-extrusion-vertical-gradient': true },
    },
  ];
}

function growing2d(stops: readonly (readonly [number, number])[]): ExpressionSpecification {
  return expression(['interpolate', ['linear'], ['zoom'], ...stops.flatMap(([zoom, shift]) => [zoom, ['literal', [shift, shift]]])]);
}

const name = get('name');

export function baseLabels(colours: Palette, look: LookOf): LayerSpecification[] {
  const halo = { 'text-halo-color': colours.halo, 'text-halo-width': 1.4, 'text-halo-blur': 0.4 } as const;
  return [
    {
      id: 'street-name', type: 'symbol', source: 'streets', 'source-layer': 'streets', minzoom: 13.5,
      filter: filter(['all', ['has', 'name'], ['step', ['zoom'], ['>=', STREET_RANK, 3], 15, true]]),
      layout: {
        visibility: shown(look('streets')), 'symbol-placement': 'line', 'symbol-spacing': 380, 'text-field': name, 'text-font': FONT.regular,
        'text-size': growing([[13.5, 10.5], [19, 14]]), 'text-letter-spacing': 0.06, 'text-max-angle': 30, 'text-padding': 6, 'symbol-sort-key': expression(['-', 0, STREET_RANK]),
      },
      paint: { 'text-color': colours.textMuted, ...halo },
    },
    {
      id: 'water-name', type: 'symbol', source: 'water', 'source-layer': 'water', minzoom: 12, filter: filter(['has', 'name']),
      layout: {
        visibility: shown(look('water')), 'text-field': name, 'text-font': FONT.medium,
        'text-size': growing([[12, 11], [18, 16]]), 'text-letter-spacing': 0.25, 'text-padding': 60,
      },
      paint: { 'text-color': colours.waterText, ...halo },
    },
    {
      id: 'compound-name', type: 'symbol', source: 'compounds', 'source-layer': 'compounds', minzoom: 14.6, filter: filter(['has', 'name']),
      layout: { visibility: shown(look('compounds')), 'text-field': name, 'text-font': FONT.medium, 'text-size': growing([[14.6, 10.5], [18, 14]]), 'text-max-width': 7, 'text-padding': 8 },
      paint: { 'text-color': colours.text, ...halo },
    },
    {
      id: 'building-name', type: 'symbol', source: 'buildings', 'source-layer': 'buildings', minzoom: 17.2, filter: filter(['has', 'name']),
      layout: { visibility: shown(look('buildings')), 'text-field': name, 'text-font': FONT.regular, 'text-size': 10.5, 'text-max-width': 6, 'text-padding': 3 },
      paint: { 'text-color': colours.textMuted, ...halo },
    },
  ];
}
