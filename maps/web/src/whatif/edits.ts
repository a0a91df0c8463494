/** Edits of a scenario as values: added to, moved, taken away, undone. Facilities added are known as -1, -2 … */
import type { AddFacility, CloseFacility, Edit, MoveFacility, PlaceShape, PointShape, ResizeFacility } from '../api/scenario-types';
import { labelPoint } from '../map/geometry';
import type { Place } from '../state/url';

/** A facility that an edit speaks of, with where it stands before the edits. */
export interface KnownFacility {
  id: number;
  type: string;
  name: string | null;
  place: Place;
  /** Seats, beds or whatever its type is counted in. */
  capacity: number | null;
}

export interface Marker {
  id: number;
  kind: 'added' | 'moved' | 'closed' | 'resized';
  type: string;
  name: string | null;
  place: Place;
  /** Where a moved facility stood. */
  from: Place | null;
  capacity: number | null;
  /** What it held before the edits. */
  capacityBefore: number | null;
}

export interface History {
  past: readonly (readonly Edit[])[];
  now: readonly Edit[];
  future: readonly (readonly Edit[])[];
}

export const NOTHING: History = { past: [], now: [], future: [] };

export const step = (history: History, next: readonly Edit[]): History => ({ past: [...history.past, history.now], now: next, future: [] });

export function undo(history: History): History {
  const last = history.past.at(-1);
  return last === undefined ? history : { past: history.past.slice(0, -1), now: last, future: [history.now, ...history.future] };
}

export function redo(history: History): History {
  const [next, ...future] = history.future;
  return next === undefined ? history : { past: [...history.past, history.now], now: next, future };
}

/** The history of a stored scenario: one step per batch. */
export function fromBatches(done: readonly (readonly Edit[])[], toRedo: readonly (readonly Edit[])[]): History {
  const steps: (readonly Edit[])[] = [[]];
  for (const one of [...done, ...toRedo]) steps.push([...(steps.at(-1) ?? []), ...one]);
  return { past: steps.slice(0, done.length), now: steps[done.length] ?? [], future: steps.slice(done.length + 1) };
}

const round = (degrees: number): number => Number(degrees.toFixed(7));

export const pointAt = ({ lon, lat }: Place): PointShape => ({ type: 'Point', coordinates: [round(lon), round(lat)] });

export function placeOf(shape: PlaceShape): Place {
  const [lon = 0, lat = 0] = shape.type === 'Point' ? shape.coordinates : (labelPoint(shape) ?? []);
  return { lon, lat };
}

const idOf = (edit: Edit): number | null => ('facility_id' in edit ? edit.facility_id : null);

export function addFacility(edits: readonly Edit[], type: string, place: Place, capacity: number | null): Edit[] {
  return [...edits, { op: 'add_facility', type, geometry: pointAt(place), ...(capacity === null ? {} : { capacity }) }];
}

/** Where in the list the facility known as -1, -2 … is added. */
function findAdded(edits: readonly Edit[], id: number): number {
  const places = edits.flatMap((edit, index) => (edit.op === 'add_facility' ? [index] : []));
  return places[-id - 1] ?? -1;
}

const isMoveOf = (edit: Edit, id: number): boolean => edit.op === 'move_facility' && edit.facility_id === id;

/** Move a facility: one that was added is added elsewhere, any other has one move only, to where it is now. */
export function moveFacility(edits: readonly Edit[], id: number, place: Place): Edit[] {
  const rest = edits.filter((edit) => !isMoveOf(edit, id));
  const geometry = pointAt(place);
  if (id > 0) return [...rest, { op: 'move_facility', facility_id: id, geometry }];
  const at = findAdded(rest, id);
  return rest.map((edit, index) => (index === at ? { ...(edit as AddFacility), geometry } : edit));
}

const isResizeOf = (edit: Edit, id: number): boolean => edit.op === 'resize_facility' && edit.facility_id === id;

/** Give a facility another capacity; null gives back what it had, or for an added one leaves it open. */
export function resizeFacility(edits: readonly Edit[], id: number, capacity: number | null): Edit[] {
  const rest = edits.filter((edit) => !isResizeOf(edit, id));
  if (id > 0) return capacity === null ? rest : [...rest, { op: 'resize_facility', facility_id: id, capacity }];
  const at = findAdded(rest, id);
  return rest.map((edit, index) => {
    if (index !== at || edit.op !== 'add_facility') return edit;
    const { op, type, geometry, name } = edit;
    return { op, type, geometry, ...(name === undefined ? {} : { name }), ...(capacity === null ? {} : { capacity }) };
  });
}

/** Close a facility; where it was moved before does not matter then. */
export const closeFacility = (edits: readonly Edit[], id: number): Edit[] => [...edits.filter((edit) => idOf(edit) !== id), { op: 'close_facility', facility_id: id }];

/** Take back everything said of one facility; those added after a removed one move up. */
export function forgetFacility(edits: readonly Edit[], id: number): Edit[] {
  const at = id < 0 ? findAdded(edits, id) : -1;
  return edits
    .filter((edit, index) => index !== at && idOf(edit) !== id)
    .map((edit) => {
      const other = idOf(edit);
      return id < 0 && other !== null && other < id ? ({ ...edit, facility_id: other + 1 } as Edit) : edit;
    });
}

/** What stands on the map for these edits; facilities nobody knows the place of are left out. */
export function listMarkers(edits: readonly Edit[], known: ReadonlyMap<number, KnownFacility>): Marker[] {
  const markers = new Map<number, Marker>();
  let added = 0;
  for (const edit of edits) {
    if (edit.op === 'add_facility') {
      added -= 1;
      const capacity = edit.capacity ?? null;
      markers.set(added, { id: added, kind: 'added', type: edit.type, name: edit.name ?? null, place: placeOf(edit.geometry), from: null, capacity, capacityBefore: null });
    } else if ('facility_id' in edit) {
      const before = markers.get(edit.facility_id) ?? asMarker(known.get(edit.facility_id));
      if (before) markers.set(edit.facility_id, follow(before, edit, known.get(edit.facility_id)?.place ?? null));
    }
  }
  return [...markers.values()];
}

const asMarker = (facility: KnownFacility | undefined): Marker | undefined => facility && { ...facility, kind: 'resized', from: null, capacityBefore: facility.capacity };

/** A marker after one more edit; `stood` is where a stored facility stands. */
function follow(marker: Marker, edit: MoveFacility | CloseFacility | ResizeFacility, stood: Place | null): Marker {
  if (edit.op === 'close_facility') return { ...marker, kind: 'closed', from: null };
  if (edit.op === 'resize_facility') return { ...marker, capacity: edit.capacity };
  const place = placeOf(edit.geometry);
  return marker.id < 0 ? { ...marker, place } : { ...marker, kind: 'moved', place, from: stood };
}

/** Ids of stored facilities that edits speak of. */
export const storedIds = (edits: readonly Edit[]): number[] => [...new Set(edits.map(idOf).filter((id): id is number => id !== null && id > 0))];

const METRES_PER_DEGREE = 111_320;

/** A place some metres to the east and north. */
export function shift({ lon, lat }: Place, eastM: number, northM: number): Place {
  return { lon: lon + eastM / (METRES_PER_DEGREE * Math.cos((lat * Math.PI) / 180)), lat: lat + northM / METRES_PER_DEGREE };
}
