/** Edits of a scenario as values: added to, moved, taken away, undone. Facilities added are known as -1, -2 … */
import type { AddFacility, Edit, PlaceShape, PointShape } from '../api/scenario-types';
import { labelPoint } from '../map/geometry';
import type { Place } from '../state/url';

/** A facility that an edit speaks of, with where it stands before the edits. */
export interface KnownFacility {
  id: number;
  type: string;
  name: string | null;
  place: Place;
}

export interface Marker {
  id: number;
  kind: 'added' | 'moved' | 'closed';
  type: string;
  name: string | null;
  place: Place;
  /** Where a moved facility stood. */
  from: Place | null;
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

const idOf = (edit: Edit): number | null => ('facility_id' in edit ? (edit.facility_id ?? null) : null);

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
      markers.set(added, { id: added, kind: 'added', type: edit.type, name: edit.name ?? null, place: placeOf(edit.geometry), from: null });
    } else if (edit.op === 'move_facility' || edit.op === 'close_facility') {
      const { facility_id: id } = edit;
      const facility = markers.get(id) ?? known.get(id);
      if (!facility) continue;
      const isNew = id < 0;
      if (edit.op === 'close_facility') markers.set(id, { ...base(facility), kind: 'closed', from: null });
      else markers.set(id, { ...base(facility), kind: isNew ? 'added' : 'moved', place: placeOf(edit.geometry), from: isNew ? null : (known.get(id)?.place ?? null) });
    }
  }
  return [...markers.values()];
}

const base = ({ id, type, name, place }: KnownFacility): KnownFacility => ({ id, type, name, place });

/** Ids of stored facilities that edits speak of. */
export const storedIds = (edits: readonly Edit[]): number[] => [...new Set(edits.map(idOf).filter((id): id is number => id !== null && id > 0))];

const METRES_PER_DEGREE = 111_320;

/** A place some metres to the east and north. */
export function shift({ lon, lat }: Place, eastM: number, northM: number): Place {
  return { lon: lon + eastM / (METRES_PER_DEGREE * Math.cos((lat * Math.PI) / 180)), lat: lat + northM / METRES_PER_DEGREE };
}
