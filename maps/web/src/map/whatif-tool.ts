/** Placing, choosing and dragging facilities on the map, by mouse and by touch. */
import type { Place } from '../state/url';
import type { KnownFacility } from '../whatif/edits';
import type { Map as MapLibreMap, MapGeoJSONFeature, MapMouseEvent, PointGeometry } from './maplibre';

export interface WhatIfHooks {
  isOn: () => boolean;
  isPlacing: () => boolean;
  onPlace: (place: Place) => void;
  /** A marker by its id, or a facility of the map; null for open ground. */
  onChoose: (facility: KnownFacility | number | null) => void;
  onDrag: (id: number, place: Place) => void;
  onDrop: (id: number, place: Place) => void;
  onCancel: () => void;
}

interface Press {
  what: KnownFacility | number;
  start: PointGeometry;
  hasMoved: boolean;
}

interface Pointed {
  point: PointGeometry;
  lngLat: { lng: number; lat: number };
}

const MARKERS = ['whatif-marker'];
const FACILITIES = ['facility', 'facility-dot'];
const TOLERANCE_PX = 5;
const DRAG_PX = 4;

const idOf = (value: unknown): number | null => (typeof value === 'number' ? value : typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : null);

function readFacility(feature: MapGeoJSONFeature, at: Place): KnownFacility | null {
  const { type, name, capacity } = feature.properties as { type?: unknown; name?: unknown; capacity?: unknown };
  const id = idOf(feature.properties.id ?? feature.id);
  if (id === null || typeof type !== 'string') return null;
  const [lon = at.lon, lat = at.lat] = feature.geometry.type === 'Point' ? feature.geometry.coordinates : [];
  return { id, type, name: typeof name === 'string' ? name : null, place: { lon, lat }, capacity: typeof capacity === 'number' ? capacity : null };
}

/** What of a scenario lies under a point: a marker that can be dragged, or a facility of the map. */
function findTarget(map: MapLibreMap, { point, lngLat }: Pointed): KnownFacility | number | null {
  const box: [[number, number], [number, number]] = [[point.x - TOLERANCE_PX, point.y - TOLERANCE_PX], [point.x + TOLERANCE_PX, point.y + TOLERANCE_PX]];
  const among = (layers: string[]): MapGeoJSONFeature | undefined => map.queryRenderedFeatures(box, { layers: layers.filter((id) => map.getLayer(id) !== undefined) })[0];
  const marker = among(MARKERS);
  if (marker) return idOf(marker.properties.id);
  const facility = among(FACILITIES);
  return facility ? readFacility(facility, { lon: lngLat.lng, lat: lngLat.lat }) : null;
}

const placeOf = ({ lngLat }: Pointed): Place => ({ lon: lngLat.lng, lat: lngLat.lat });

/** Listen on a map; returns what stops it. */
export function mountWhatIfTool(map: MapLibreMap, hooks: WhatIfHooks): () => void {
  let press: Press | null = null;

  const onDown = (event: Pointed & { preventDefault: () => void }): void => {
    if (!hooks.isOn() || hooks.isPlacing()) return;
    const what = findTarget(map, event);
    if (what === null) return;
    event.preventDefault(); // the map stays where it is
    press = { what, start: event.point, hasMoved: false };
  };
  const onMove = (event: Pointed): void => {
    if (!hooks.isOn()) return;
    if (press === null) {
      map.getCanvas().style.cursor = hooks.isPlacing() ? 'crosshair' : findTarget(map, event) === null ? '' : 'grab';
      return;
    }
    if (!press.hasMoved) {
      if (Math.hypot(event.point.x - press.start.x, event.point.y - press.start.y) < DRAG_PX) return;
      press.hasMoved = true;
      hooks.onChoose(press.what);
    }
    map.getCanvas().style.cursor = 'grabbing';
    hooks.onDrag(typeof press.what === 'number' ? press.what : press.what.id, placeOf(event));
  };
  const onUp = (event: Pointed): void => {
    if (press?.hasMoved === true) hooks.onDrop(typeof press.what === 'number' ? press.what : press.what.id, placeOf(event));
    press = null;
  };
  const onClick = (event: MapMouseEvent): void => {
    if (!hooks.isOn()) return;
    if (hooks.isPlacing()) hooks.onPlace(placeOf(event));
    else hooks.onChoose(findTarget(map, event));
  };
  const onTouchStart = (event: Pointed & { points: unknown[]; preventDefault: () => void }): void => {
    if (event.points.length === 1) onDown(event);
    else giveUp();
  };
  const giveUp = (): void => {
    if (press?.hasMoved === true) hooks.onCancel();
    press = null;
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && press !== null) giveUp();
  };

  map.on('mousedown', onDown);
  map.on('mousemove', onMove);
  map.on('mouseup', onUp);
  map.on('touchstart', onTouchStart);
  map.on('touchmove', onMove);
  map.on('touchend', onUp);
  map.on('touchcancel', giveUp);
  map.on('click', onClick);
  addEventListener('keydown', onKey);
  return () => removeEventListener('keydown', onKey);
}
