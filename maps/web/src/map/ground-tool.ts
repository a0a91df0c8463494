/** Picking streets and gates on the map, and drawing paths that meet its streets, by mouse and by touch. */
import type { Feature, Geometry, Position } from 'geojson';

import type { Place } from '../state/url';
import { gateState, keyOf, streetState, type KnownGround, type PathPoint } from '../whatif/ground';
import type { Map as MapLibreMap, MapGeoJSONFeature, MapMouseEvent, PointGeometry } from './maplibre';

export interface GroundHooks {
  mode: () => 'pick' | 'draw' | null;
  onPick: (found: KnownGround) => void;
  /** The path so far. */
  path: () => readonly Place[];
  onPoint: (place: PathPoint) => void;
  onEnd: () => void;
  /** What the pointer shows: features of the draft source, by their `part`. */
  onPointer: (features: Feature[]) => void;
}

const GATES = ['gate', 'ground-gate'];
const STREETS = ['street', 'street-casing', 'street-path'];
const PATHS = ['ground-closed', 'ground-open', 'ground-steps'];
const MOUSE_PX = 7;
const TOUCH_PX = 16;
/** How near to a street a point of a path must be to be put on it. */
const SNAP_PX = 12;
/** A second click this near is the second half of a double click. */
const SAME_PX = 6;

type Box = [[number, number], [number, number]];
const boxAround = ({ x, y }: PointGeometry, by: number): Box => [[x - by, y - by], [x + by, y + by]];

function among(map: MapLibreMap, layers: readonly string[], point: PointGeometry, by: number): MapGeoJSONFeature[] {
  return map.queryRenderedFeatures(boxAround(point, by), { layers: layers.filter((id) => map.getLayer(id) !== undefined) });
}

const linesOf = (shape: Geometry): Position[][] => (shape.type === 'LineString' ? [shape.coordinates] : shape.type === 'MultiLineString' ? shape.coordinates : []);

interface Foot {
  point: PointGeometry;
  distance: number;
}

/** The place on a stretch between two pixels that is nearest to a third. */
export function footOn(a: PointGeometry, b: PointGeometry, { x, y }: PointGeometry): Foot {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const square = dx * dx + dy * dy;
  const share = square === 0 ? 0 : Math.min(Math.max(((x - a.x) * dx + (y - a.y) * dy) / square, 0), 1);
  const point = { x: a.x + share * dx, y: a.y + share * dy };
  return { point, distance: Math.hypot(point.x - x, point.y - y) };
}

/** The place of a drawn line that is nearest to a pixel. */
function nearestOn(map: MapLibreMap, shape: Geometry, point: PointGeometry): Foot | null {
  let best: Foot | null = null;
  for (const line of linesOf(shape)) {
    const pixels = line.map(([lon = 0, lat = 0]) => map.project([lon, lat]));
    for (let index = 0; index + 1 < pixels.length; index += 1) {
      const [a, b] = [pixels[index], pixels[index + 1]];
      if (!a || !b) continue;
      const foot = footOn(a, b, point);
      if (best === null || foot.distance < best.distance) best = foot;
    }
  }
  return best;
}

const idOf = (feature: MapGeoJSONFeature): number | null => {
  const id = Number(feature.properties.id ?? feature.id);
  return Number.isInteger(id) && id > 0 ? id : null;
};

function readGround(feature: MapGeoJSONFeature, kind: 'street' | 'gate'): KnownGround | null {
  const id = idOf(feature);
  const { geometry } = feature;
  const { name, highway, foot, access, opens_to: opensTo } = feature.properties as Record<string, unknown>;
  const title = typeof name === 'string' ? name : null;
  if (id === null) return null;
  if (kind === 'gate') return geometry.type === 'Point' ? { kind, id, name: title, shape: geometry, now: gateState(opensTo) } : null;
  if (geometry.type !== 'LineString' && geometry.type !== 'MultiLineString') return null;
  return { kind, id, name: title, shape: geometry, now: streetState({ highway, foot, access }), highway: typeof highway === 'string' ? highway : null };
}

/** The gate, else the nearest street, under a pixel. */
export function groundUnder(map: MapLibreMap, point: PointGeometry, by: number): KnownGround | null {
  for (const feature of among(map, GATES, point, by)) {
    const gate = readGround(feature, 'gate');
    if (gate) return gate;
  }
  let best: { feature: MapGeoJSONFeature; distance: number } | null = null;
  for (const feature of among(map, STREETS, point, by)) {
    const distance = nearestOn(map, feature.geometry, point)?.distance ?? Infinity;
    if (best === null || distance < best.distance) best = { feature, distance };
  }
  return best && readGround(best.feature, 'street');
}

/** The place of a click, moved onto a street or path that lies near enough. */
export function snap(map: MapLibreMap, point: PointGeometry): PathPoint {
  let best: Foot | null = null;
  for (const feature of among(map, [...STREETS, ...PATHS], point, SNAP_PX)) {
    if (feature.source === 'streets' && streetState(feature.properties) === 'closed') continue;
    const foot = nearestOn(map, feature.geometry, point);
    if (foot && foot.distance <= SNAP_PX && (best === null || foot.distance < best.distance)) best = foot;
  }
  const { lng, lat } = map.unproject(best ? [best.point.x, best.point.y] : [point.x, point.y]);
  return { lon: lng, lat, isOn: best !== null };
}

const pointOf = ({ lon, lat }: Place): Geometry => ({ type: 'Point', coordinates: [lon, lat] });
const part = (name: string, geometry: Geometry): Feature => ({ type: 'Feature', geometry, properties: { part: name } });

/** What the pointer shows while a path is drawn: the next stretch, and a ring where it meets a street. */
function drawing(map: MapLibreMap, point: PointGeometry, last: Place | undefined): Feature[] {
  const place = snap(map, point);
  const next: Feature[] = last ? [part('next', { type: 'LineString', coordinates: [[last.lon, last.lat], [place.lon, place.lat]] })] : [];
  return [...next, ...(place.isOn ? [part('snap', pointOf(place))] : [])];
}

/** Listen on a map for as long as it lives. */
export function mountGroundTool(map: MapLibreMap, hooks: GroundHooks): void {
  let hovered = '';

  const show = (key: string, features: Feature[]): void => {
    if (key === hovered && key !== 'draw') return;
    hovered = key;
    hooks.onPointer(features);
  };
  const onMove = ({ point }: { point: PointGeometry }): void => {
    const mode = hooks.mode();
    if (mode === null) { show('', []); return; }
    const found = mode === 'pick' ? groundUnder(map, point, MOUSE_PX) : null;
    map.getCanvas().style.cursor = mode === 'draw' ? 'crosshair' : found ? 'pointer' : '';
    if (mode === 'draw') show('draw', drawing(map, point, hooks.path().at(-1)));
    else show(found ? keyOf(found) : '', found ? [part('hover', found.shape)] : []);
  };
  const onClick = ({ point, originalEvent }: MapMouseEvent): void => {
    const mode = hooks.mode();
    if (mode === null) return;
    if (mode === 'pick') {
      const isTouch = 'pointerType' in originalEvent && originalEvent.pointerType === 'touch';
      const found = groundUnder(map, point, isTouch ? TOUCH_PX : MOUSE_PX);
      if (isTouch) show('', []); // a finger leaves nothing behind
      if (found) hooks.onPick(found);
      return;
    }
    const last = hooks.path().at(-1);
    const place = snap(map, point);
    if (last) {
      const [a, b] = [map.project([last.lon, last.lat]), map.project([place.lon, place.lat])];
      if (Math.hypot(a.x - b.x, a.y - b.y) < SAME_PX) return;
    }
    hooks.onPoint(place);
  };
  map.on('mousemove', onMove);
  map.on('mouseout', () => show('', []));
  map.on('click', onClick);
  map.on('dblclick', (event) => {
    if (hooks.mode() === null) return;
    event.preventDefault(); // no zooming
    if (hooks.mode() === 'draw') hooks.onEnd();
  });
}
