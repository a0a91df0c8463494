/** Changed buildings and the facilities of a scenario, drawn over the result of the run. */
import type { ExpressionSpecification, LayerSpecification } from 'maplibre-gl';

import type { FacilityType } from '../api/types';
import { CHANGE } from '../whatif/difference';
import { expression, filter, FONT, get, growing, matching } from './expressions';
import type { Palette } from './palette';

const state = ['coalesce', ['feature-state', 'change'], CHANGE.none];

function byState(values: { gain: unknown; loss: unknown; nearer: unknown; farther: unknown }, otherwise: unknown): ExpressionSpecification {
  const { gain, loss, nearer, farther } = values;
  return expression(['match', state, CHANGE.gain, gain, CHANGE.loss, loss, CHANGE.nearer, nearer, CHANGE.farther, farther, otherwise]);
}

/** Buildings wear the state that `PlannerMap.setChanged` gives them. */
export function changeLayers(colours: Palette, isOn: boolean): LayerSpecification[] {
  const base = { source: 'coverage', 'source-layer': 'coverage' } as const;
  const visibility = isOn ? 'visible' : 'none';
  const colour = byState(colours.change, 'rgba(0, 0, 0, 0)');
  const isPolygon = filter(['==', ['geometry-type'], 'Polygon']);
  const strength = byState({ gain: 1, loss: 1, nearer: 0.55, farther: 0.55 }, 0);
  return [
    { id: 'change', type: 'fill', ...base, filter: isPolygon, layout: { visibility }, paint: { 'fill-color': colour, 'fill-opacity': strength } },
    {
      id: 'change-edge', type: 'line', ...base, filter: isPolygon, layout: { visibility, 'line-join': 'round' },
      paint: { 'line-color': colour, 'line-opacity': strength, 'line-width': byState({ gain: 2.2, loss: 2.2, nearer: 0.8, farther: 0.8 }, 0) },
    },
    {
      id: 'change-point', type: 'circle', ...base, filter: filter(['==', ['geometry-type'], 'Point']), layout: { visibility },
      paint: { 'circle-color': colour, 'circle-opacity': strength, 'circle-radius': growing([[9, 1.4], [13, 3], [19, 11]]) },
    },
  ];
}

const iconOf = (types: readonly FacilityType[]): ExpressionSpecification =>
  matching(get('type'), types.map((type) => [[type.code], `category-${type.category}`] as const), 'category-other');

export function markerLayers(colours: Palette, types: readonly FacilityType[]): LayerSpecification[] {
  const isPoint = filter(['==', ['geometry-type'], 'Point']);
  const isClosed = ['==', get('kind'), 'closed'];
  const colour = expression(['case', isClosed, colours.change.loss, colours.accent]);
  return [
    { id: 'whatif-way', type: 'line', source: 'whatif', filter: filter(['==', ['geometry-type'], 'LineString']), paint: { 'line-color': colours.accent, 'line-width': 2, 'line-dasharray': [2, 2] } },
    {
      id: 'whatif-marker', type: 'circle', source: 'whatif', filter: isPoint,
      paint: {
        'circle-radius': expression(['case', ['boolean', get('chosen'), false], 21, 17]), 'circle-color': colour, 'circle-opacity': expression(['case', ['boolean', get('chosen'), false], 0.38, 0.22]),
        'circle-stroke-color': colour, 'circle-stroke-width': 3,
      },
    },
    {
      id: 'whatif-icon', type: 'symbol', source: 'whatif', filter: isPoint,
      layout: { 'icon-image': types.length === 0 ? 'category-other' : iconOf(types), 'icon-size': 1, 'icon-allow-overlap': true, 'icon-ignore-placement': false },
      paint: { 'icon-opacity': expression(['case', isClosed, 0.5, 1]) },
    },
    {
      id: 'whatif-text', type: 'symbol', source: 'whatif', filter: isPoint,
      layout: { 'text-field': get('text'), 'text-font': FONT.bold, 'text-size': 12, 'text-anchor': 'top', 'text-offset': [0, 1.9], 'text-max-width': 10, 'text-allow-overlap': true, 'text-ignore-placement': false },
      paint: { 'text-color': colours.textStrong, 'text-halo-color': colours.halo, 'text-halo-width': 1.8 },
    },
  ];
}
