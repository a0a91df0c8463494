/** Streets, gates and paths that a scenario changes, and the path that is being drawn. */
import type { LayerSpecification } from 'maplibre-gl';

import { expression, filter, FONT, get, growing } from './expressions';
import type { Palette } from './palette';

const isLine = ['==', ['geometry-type'], 'LineString'];
const isPoint = ['==', ['geometry-type'], 'Point'];
const isLook = (look: string): unknown[] => ['==', get('look'), look];
const isChosen = ['boolean', get('chosen'), false];
const WIDTH = growing([[12, 3], [15, 5], [19, 12]]);

/** Below the markers of facilities. Closed is red and broken, open is blue and whole, steps are dotted. */
export function groundLayers(colours: Palette): LayerSpecification[] {
  const { gain, loss } = colours.change;
  const source = 'whatif-ground';
  const line = (id: string, look: string, colour: string, dash: number[] | null): LayerSpecification => ({
    id, type: 'line', source, filter: filter(['all', isLine, isLook(look)]), layout: { 'line-join': 'round', 'line-cap': dash === null ? 'round' : 'butt' },
    paint: { 'line-color': colour, 'line-width': WIDTH, ...(dash === null ? {} : { 'line-dasharray': dash }) },
  });
  return [
    {
      id: 'ground-casing', type: 'line', source, filter: filter(isLine), layout: { 'line-join': 'round', 'line-cap': 'round' },
      paint: { 'line-color': expression(['case', isChosen, colours.accent, colours.halo]), 'line-width': growing([[12, 6], [15, 9], [19, 18]]), 'line-opacity': expression(['case', isChosen, 0.5, 0.9]) },
    },
    line('ground-closed', 'closed', loss, [1.4, 0.8]),
    line('ground-open', 'open', gain, null),
    line('ground-steps', 'steps', gain, [0.5, 0.4]),
  ];
}

/** Gates, and what is said of gates and lines: above every other label. */
export function groundMarks(colours: Palette): LayerSpecification[] {
  const { gain, loss } = colours.change;
  const source = 'whatif-ground';
  const colour = expression(['match', get('look'), 'closed', loss, gain]);
  const isGate = ['==', get('kind'), 'gate'];
  return [
    {
      id: 'ground-gate', type: 'circle', source, filter: filter(['all', isPoint, isGate]),
      paint: {
        'circle-radius': growing([[12, 5], [15, 8], [19, 12]]), 'circle-color': colours.disc, 'circle-stroke-color': colour,
        'circle-stroke-width': expression(['case', isChosen, 5, 3.5]),
      },
    },
    {
      id: 'ground-gate-bar', type: 'symbol', source, filter: filter(['all', isPoint, isGate, isLook('closed')]),
      layout: { 'text-field': '×', 'text-font': FONT.bold, 'text-size': 17, 'text-allow-overlap': true, 'text-ignore-placement': true },
      paint: { 'text-color': loss },
    },
    {
      id: 'ground-text', type: 'symbol', source, filter: filter(isPoint), minzoom: 13.5,
      layout: {
        'text-field': get('text'), 'text-font': FONT.bold, 'text-size': 12, 'text-max-width': 10,
        'text-variable-anchor': ['top', 'bottom', 'left', 'right'], 'text-justify': 'auto', 'text-radial-offset': expression(['case', isGate, 1.2, 0.8]),
      },
      paint: { 'text-color': colour, 'text-halo-color': colours.halo, 'text-halo-width': 1.8 },
    },
  ];
}

/** What lies under the pointer and the path being drawn, above everything else. */
export function draftLayers(colours: Palette): LayerSpecification[] {
  const source = 'whatif-draft';
  const isPart = (part: string): unknown[] => ['==', get('part'), part];
  return [
    { id: 'draft-hover', type: 'line', source, filter: filter(['all', isLine, isPart('hover')]), layout: { 'line-join': 'round', 'line-cap': 'round' }, paint: { 'line-color': colours.accent, 'line-width': growing([[12, 7], [15, 11], [19, 24]]), 'line-opacity': 0.4 } },
    { id: 'draft-hover-gate', type: 'circle', source, filter: filter(['all', isPoint, isPart('hover')]), paint: { 'circle-radius': growing([[12, 9], [15, 13], [19, 18]]), 'circle-color': colours.accent, 'circle-opacity': 0.35 } },
    { id: 'draft-casing', type: 'line', source, filter: filter(['all', isLine, isPart('path')]), layout: { 'line-join': 'round', 'line-cap': 'round' }, paint: { 'line-color': colours.halo, 'line-width': 7 } },
    { id: 'draft-path', type: 'line', source, filter: filter(['all', isLine, isPart('path')]), layout: { 'line-join': 'round', 'line-cap': 'round' }, paint: { 'line-color': colours.change.gain, 'line-width': 4 } },
    { id: 'draft-next', type: 'line', source, filter: filter(['all', isLine, isPart('next')]), paint: { 'line-color': colours.change.gain, 'line-width': 2.5, 'line-dasharray': [2, 1.6] } },
    { id: 'draft-point', type: 'circle', source, filter: filter(['all', isPoint, isPart('point')]), paint: { 'circle-radius': expression(['case', get('isOn'), 5.5, 4]), 'circle-color': expression(['case', get('isOn'), colours.change.gain, colours.disc]), 'circle-stroke-color': expression(['case', get('isOn'), colours.disc, colours.change.gain]), 'circle-stroke-width': 2.5 } },
    { id: 'draft-snap', type: 'circle', source, filter: filter(['all', isPoint, isPart('snap')]), paint: { 'circle-radius': 9, 'circle-opacity': 0, 'circle-stroke-color': colours.change.gain, 'circle-stroke-width': 2.5 } },
  ];
}
