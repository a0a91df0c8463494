/** What stands on the base map: gap results, facilities, gates, incidents, other layers, circles and the selection. */
import type { DataDrivenPropertyValueSpecification, ExpressionSpecification, LayerSpecification } from 'maplibre-gl';

import type { FacilityType, LayerInfo } from '../api/types';
import { HEIGHT_M, shown, type LookOf } from './base-layers';
import { expression, fading, filter, FONT, get, growing, matching } from './expressions';
import { MISSING_BREAKS_MIN, type Palette } from './palette';

/** How the gap result is drawn: not at all, by building, or by area. */
export interface GapLook {
  mode: 'none' | 'building' | 'area';
  opacity: number;
  type: string | null;
  breaks: readonly number[];
}

const halo = (colours: Palette): { 'text-halo-color': string; 'text-halo-width': number; 'text-halo-blur': number } => ({
  'text-halo-color': colours.halo, 'text-halo-width': 1.5, 'text-halo-blur': 0.4,
});

/** Covered, unknown, no way, or the colour for the minutes missing. */
export function coverageColour(colours: Palette): ExpressionSpecification {
  const [a, b, c] = MISSING_BREAKS_MIN;
  const minutes = ['/', ['to-number', ['get', 'missing_s'], 0], 60];
  const isMissing = ['any', ['!', ['has', 'missing_s']], ['==', ['get', 'missing_s'], null]];
  return expression([
    'case',
    ['==', ['get', 'status'], 'covered'], colours.covered,
    ['==', ['get', 'status'], 'unknown'], colours.unknown,
    isMissing, colours.noRoute,
    ['<=', minutes, a], colours.missing[0],
    ['<=', minutes, b], colours.missing[1],
    ['<=', minutes, c], colours.missing[2],
    colours.missing[3],
  ]);
}

/** The step colours of people in the gap; nobody in the gap is left clear. */
export function peopleColour(colours: Palette, breaks: readonly number[]): DataDrivenPropertyValueSpecification<string> {
  const value = ['coalesce', ['get', 'gap'], 0];
  const steps = breaks.flatMap((cut, index) => [cut, colours.people[index + 1] ?? colours.people[4]]);
  return expression(['case', ['<=', value, 0], 'rgba(0, 0, 0, 0)', steps.length === 0 ? colours.people[2] : ['step', value, colours.people[0], ...steps]]);
}

export function gapAreaLayers(colours: Palette, gap: GapLook): LayerSpecification[] {
  const visibility = gap.mode === 'area' ? 'visible' : 'none';
  const isHovered = ['boolean', ['feature-state', 'hovered'], false];
  return [
    {
      id: 'gap-area', type: 'fill', source: 'gap-areas', layout: { visibility },
      paint: { 'fill-color': peopleColour(colours, gap.breaks), 'fill-opacity': expression(['case', isHovered, Math.min(gap.opacity, 0.95), 0.78 * gap.opacity]) },
    },
  ];
}

export function gapAreaEdges(colours: Palette, gap: GapLook): LayerSpecification[] {
  const visibility = gap.mode === 'area' ? 'visible' : 'none';
  const isHovered = ['boolean', ['feature-state', 'hovered'], false];
  return [
    {
      id: 'gap-area-edge', type: 'line', source: 'gap-areas', layout: { visibility, 'line-join': 'round' },
      paint: {
        'line-color': expression(['case', isHovered, colours.accent, colours.border]),
        'line-width': expression(['case', isHovered, 3, 1]),
        'line-opacity': expression(['case', isHovered, 1, 0.7]),
      },
    },
  ];
}

export function coverageLayers(colours: Palette, gap: GapLook, isSolid: boolean): LayerSpecification[] {
  const isOn = gap.mode === 'building';
  const base = { source: 'coverage', 'source-layer': 'coverage' } as const;
  const colour = coverageColour(colours);
  const flat = { visibility: isOn && !isSolid ? 'visible' : 'none' } as const;
  const isPolygon = filter(['==', ['geometry-type'], 'Polygon']);
  return [
    {
      id: 'coverage-wide', type: 'line', ...base, maxzoom: 15, filter: isPolygon, layout: { ...flat, 'line-join': 'round' },
      paint: { 'line-color': colour, 'line-width': growing([[9, 1.4], [13, 1.6], [15, 0.6]]), 'line-opacity': gap.opacity },
    },
    { id: 'coverage', type: 'fill', ...base, filter: isPolygon, layout: flat, paint: { 'fill-color': colour, 'fill-opacity': gap.opacity } },
    {
      id: 'coverage-point', type: 'circle', ...base, filter: filter(['==', ['geometry-type'], 'Point']), layout: { visibility: isOn ? 'visible' : 'none' },
      paint: { 'circle-color': colour, 'circle-radius': growing([[9, 1], [13, 2.2], [19, 9]]), 'circle-opacity': gap.opacity, 'circle-stroke-color': colours.halo, 'circle-stroke-width': fading([[13, 0], [15, 0.8]]) },
    },
    {
      id: 'coverage-solid', type: 'fill-extrusion', ...base, minzoom: 13, filter: isPolygon, layout: { visibility: isOn && isSolid ? 'visible' : 'none' },
      paint: { 'fill-extrusion-color': colour, 'fill-extrusion-height': HEIGHT_M, 'fill-extrusion-opacity': 0.95 * gap.opacity },
    },
  ];
}

export function areaEdgeLayers(colours: Palette, look: LookOf): LayerSpecification[] {
  const areas = look('areas');
  const width = (rank: number): ExpressionSpecification => growing([[9, 0.5 * rank], [14, 0.9 * rank], [19, 1.6 * rank]]);
  const level = get('level');
  const line = (id: string, names: string[], rank: number, minzoom: number, dash: number[] | null): LayerSpecification => ({
    id, type: 'line', source: 'areas', 'source-layer': 'areas', minzoom, filter: filter(['match', level, names, true, false]),
    layout: { visibility: shown(areas), 'line-join': 'round' },
    paint: { 'line-color': colours.border, 'line-width': width(rank), 'line-opacity': (rank > 1 ? 0.75 : 0.5) * areas.opacity, ...(dash ? { 'line-dasharray': dash } : {}) },
  });
  return [
    // unseen, but there to be asked what lies below a place
    { id: 'area-hit', type: 'fill', source: 'areas', 'source-layer': 'areas', paint: { 'fill-opacity': 0 } },
    line('area-grid', ['grid'], 0.7, 15.5, [2, 3]),
    line('area-community', ['community'], 1, 12.5, [4, 2.5]),
    line('area-subdistrict', ['subdistrict', 'unit', 'town'], 1.7, 9, [8, 3, 2, 3]),
    line('area-district', ['district', 'city'], 2.3, 0, null),
  ];
}

const categoryOf = (types: readonly FacilityType[], valueOf: (category: string) => unknown, otherwise: unknown): ExpressionSpecification => {
  const codes = new Map<string, string[]>();
  for (const type of types) codes.set(type.category, [...(codes.get(type.category) ?? []), type.code]);
  return matching(get('type'), [...codes].map(([category, names]) => [names, valueOf(category)] as const), otherwise);
};

export function facilityLayers(colours: Palette, look: LookOf, types: readonly FacilityType[], only: string | null): LayerSpecification[] {
  const facilities = look('facilities');
  const visibility = shown(facilities);
  const base = { source: 'facilities', 'source-layer': 'facilities', filter: only === null ? filter(['has', 'type']) : filter(['==', get('type'), only]) } as const;
  const isEmphasised = only !== null;
  const firstIcon = isEmphasised ? 9 : 15.4;
  return [
    {
      id: 'facility-dot', type: 'circle', ...base, minzoom: 12.2, maxzoom: 15.4, layout: { visibility: isEmphasised ? 'none' : visibility },
      paint: {
        'circle-color': categoryOf(types, (category) => colours.category[category] ?? colours.text, colours.text), 'circle-radius': growing([[12.2, 1.3], [15.4, 4.2]]),
        'circle-stroke-color': colours.halo, 'circle-stroke-width': fading([[12.2, 0.2], [14, 0.9]]), 'circle-opacity': facilities.opacity, 'circle-stroke-opacity': facilities.opacity,
      },
    },
    {
      id: 'facility', type: 'symbol', ...base, minzoom: firstIcon,
      layout: {
        visibility, 'icon-image': categoryOf(types, (category) => `category-${category}`, 'category-other'),
        'icon-size': isEmphasised ? growing([[9, 0.34], [12, 0.62], [15, 0.95], [19, 1.15]]) : growing([[15.4, 0.55], [17.5, 0.9]]),
        'icon-allow-overlap': isEmphasised, 'icon-padding': isEmphasised ? 1 : 5, 'icon-optional': false, 'text-optional': true,
        'text-field': expression(['step', ['zoom'], '', isEmphasised ? 14 : 16, ['coalesce', ['get', 'name'], '']]),
        'text-font': FONT.medium, 'text-size': 11.5, 'text-anchor': 'top', 'text-offset': [0, 1.05], 'text-max-width': 8,
        'symbol-sort-key': expression(['-', 0, ['to-number', ['get', 'capacity'], 0]]),
      },
      paint: { 'icon-opacity': facilities.opacity, 'text-opacity': facilities.opacity, 'text-color': colours.textStrong, ...halo(colours) },
    },
  ];
}

/** @param isPicking - gates are there to be clicked, so they are large enough to be hit */
export function pointLayers(colours: Palette, look: LookOf, isPicking: boolean): LayerSpecification[] {
  const gates = look('gates');
  const incidents = look('incidents');
  return [
    {
      id: 'gate', type: 'circle', source: 'gates', 'source-layer': 'gates', minzoom: isPicking ? 14 : 15, layout: { visibility: shown(gates) },
      paint: {
        'circle-radius': growing(isPicking ? [[14, 3.2], [16, 5.5], [19, 9]] : [[15, 1.8], [19, 6]]), 'circle-color': colours.disc, 'circle-opacity': gates.opacity, 'circle-stroke-opacity': gates.opacity,
        'circle-stroke-color': matching(get('opens_to'), [[['all'], colours.gateOpen]], colours.gateResidents), 'circle-stroke-width': growing(isPicking ? [[14, 1.8], [19, 3.5]] : [[15, 1.2], [19, 3]]),
      },
    },
    {
      id: 'incident', type: 'circle', source: 'incidents', 'source-layer': 'incidents', minzoom: 10, layout: { visibility: shown(incidents) },
      paint: {
        'circle-radius': growing([[10, 1], [14, 2.6], [18, 6]]), 'circle-color': colours.incident, 'circle-opacity': 0.7 * incidents.opacity,
        'circle-stroke-color': colours.halo, 'circle-stroke-width': fading([[13, 0], [15, 0.8]]),
      },
    },
  ];
}

/** A colour for a layer without a look of its own: steady while the layers stay the same. */
export function referenceColour(colours: Palette, layers: readonly LayerInfo[], id: string): string {
  if (id === 'population') return colours.population;
  const index = layers.findIndex((layer) => layer.id === id);
  return colours.reference[Math.max(index, 0) % colours.reference.length] ?? colours.text;
}

/** Layers the catalogue lists that have no look of their own, drawn by geometry. */
export function referenceLayers(colours: Palette, look: LookOf, layers: readonly LayerInfo[], all: readonly LayerInfo[]): LayerSpecification[] {
  return layers.flatMap((layer): LayerSpecification[] => {
    const colour = referenceColour(colours, all, layer.id);
    const { opacity, visible } = look(layer.id);
    const visibility = shown({ opacity, visible });
    const base = { source: layer.id, 'source-layer': layer.id, layout: { visibility } } as const;
    return [
      { id: `ref-${layer.id}-fill`, type: 'fill', ...base, filter: filter(['==', ['geometry-type'], 'Polygon']), paint: { 'fill-color': colour, 'fill-opacity': 0.28 * opacity } },
      { id: `ref-${layer.id}-line`, type: 'line', ...base, filter: filter(['!=', ['geometry-type'], 'Point']), paint: { 'line-color': colour, 'line-width': growing([[9, 0.8], [15, 1.8]]), 'line-opacity': 0.9 * opacity } },
      {
        id: `ref-${layer.id}-point`, type: 'circle', ...base, filter: filter(['==', ['geometry-type'], 'Point']),
        paint: { 'circle-color': colour, 'circle-radius': growing([[9, 1.6], [15, 4.5]]), 'circle-opacity': opacity, 'circle-stroke-color': colours.halo, 'circle-stroke-width': 1 },
      },
    ];
  });
}

export function circleLayers(colours: Palette, minutesText: string): LayerSpecification[] {
  const colour = expression(['match', get('minutes'), 5, colours.circle[0], 10, colours.circle[1], colours.circle[2]]);
  return [
    { id: 'circle', type: 'fill', source: 'circles', paint: { 'fill-color': colour, 'fill-opacity': 0.08 } },
    { id: 'circle-edge', type: 'line', source: 'circles', layout: { 'line-join': 'round' }, paint: { 'line-color': colour, 'line-width': growing([[10, 1.2], [16, 2.4]]), 'line-opacity': 0.95 } },
    {
      id: 'circle-text', type: 'symbol', source: 'circles',
      layout: { 'symbol-placement': 'line', 'symbol-spacing': 420, 'text-field': expression(['concat', ['to-string', get('minutes')], minutesText]), 'text-font': FONT.bold, 'text-size': 12, 'text-max-angle': 60 },
      paint: { 'text-color': colour, ...halo(colours) },
    },
  ];
}

export function startLayers(colours: Palette): LayerSpecification[] {
  return [
    { id: 'start-ring', type: 'circle', source: 'start', paint: { 'circle-radius': 11, 'circle-color': colours.accent, 'circle-opacity': 0.22 } },
    { id: 'start', type: 'circle', source: 'start', paint: { 'circle-radius': 5.5, 'circle-color': colours.accent, 'circle-stroke-color': '#ffffff', 'circle-stroke-width': 2.2 } },
  ];
}

export function selectionLayers(colours: Palette): LayerSpecification[] {
  const polygonOrLine = filter(['!=', ['geometry-type'], 'Point']);
  return [
    { id: 'selected-halo', type: 'line', source: 'selected', filter: polygonOrLine, layout: { 'line-join': 'round' }, paint: { 'line-color': colours.halo, 'line-width': 6.5 } },
    { id: 'selected', type: 'line', source: 'selected', filter: polygonOrLine, layout: { 'line-join': 'round' }, paint: { 'line-color': colours.accent, 'line-width': 3 } },
    {
      id: 'selected-point', type: 'circle', source: 'selected', filter: filter(['==', ['geometry-type'], 'Point']),
      paint: { 'circle-radius': growing([[10, 9], [17, 18]]), 'circle-color': colours.accent, 'circle-opacity': 0.16, 'circle-stroke-color': colours.accent, 'circle-stroke-width': 3 },
    },
  ];
}

export function areaLabels(colours: Palette, look: LookOf, gap: GapLook): LayerSpecification[] {
  const areas = look('areas');
  const level = get('level');
  const label = (id: string, names: string[], minzoom: number, maxzoom: number, size: [number, number], font: string[], spacing: number): LayerSpecification => ({
    id, type: 'symbol', source: 'area-labels', minzoom, maxzoom, filter: filter(['match', level, names, true, false]),
    layout: {
      visibility: areas.visible && gap.mode !== 'area' ? 'visible' : 'none', 'text-field': get('name'), 'text-font': font,
      'text-size': growing([[minzoom, size[0]], [maxzoom, size[1]]]), 'text-letter-spacing': spacing, 'text-max-width': 8, 'text-padding': 10,
    },
    paint: { 'text-color': colours.text, 'text-opacity': areas.opacity, ...halo(colours) },
  });
  return [
    label('area-name-community', ['community'], 13.6, 16.5, [11, 14], FONT.medium, 0.06),
    label('area-name-subdistrict', ['subdistrict', 'unit', 'town'], 10.5, 14.5, [12, 18], FONT.bold, 0.16),
    label('area-name-district', ['district', 'city'], 7, 11.5, [13, 20], FONT.bold, 0.2),
    {
      id: 'gap-area-name', type: 'symbol', source: 'gap-labels', layout: {
        visibility: gap.mode === 'area' ? 'visible' : 'none', 'text-font': FONT.bold, 'text-size': growing([[10, 10.5], [15, 14]]), 'text-max-width': 9, 'text-padding': 4, 'text-line-height': 1.25,
        'text-field': expression(['case', ['==', get('text'), ''], get('name'), ['format', get('name'), { 'font-scale': 0.9 }, '\n', {}, get('text'), { 'font-scale': 1.12 }]]),
        'symbol-sort-key': expression(['-', 0, ['coalesce', get('gap'), 0]]),
      },
      paint: { 'text-color': expression(['case', ['==', get('text'), ''], colours.textMuted, colours.textStrong]), ...halo(colours) },
    },
  ];
}
