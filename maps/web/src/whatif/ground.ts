/** Edits of streets, gates and paths as values. Paths drawn are known as -1, -2 … */
import type { Edit, LineShape } from '../api/scenario-types';
import type { Place } from '../state/url';
import { pointAt } from './edits';

export type StreetState = 'closed' | 'open';
export type GateState = 'closed' | 'residents' | 'all';

type Shape = { type: 'Point'; coordinates: number[] } | { type: 'LineString'; coordinates: number[][] } | { type: 'MultiLineString'; coordinates: number[][][] };

/** A street or gate of the map as it is without edits. */
export type KnownGround = { id: number; name: string | null; shape: Shape } & ({ kind: 'street'; now: StreetState; highway: string | null } | { kind: 'gate'; now: GateState });

/** A point of a path being drawn, and whether it was put on a street. */
export interface PathPoint extends Place {
  isOn: boolean;
}

export const keyOf = ({ kind, id }: Pick<KnownGround, 'kind' | 'id'>): string => `${kind}/${id}`;

/** A row of the list: what stands differently than in the run. */
export type GroundRow =
  | { kind: 'street'; id: number; state: StreetState }
  | { kind: 'gate'; id: number; state: GateState }
  | { kind: 'path'; id: number; state: 'drawn' | 'closed'; line: LineShape; steps: boolean };

const FOOT_YES = new Set(['yes', 'designated', 'permissive', 'official', 'destination']);
const NOT_ON_FOOT = new Set(['no', 'use_sidepath', 'private', 'residents', 'customers', 'permit']);
const NO_ENTRY = new Set(['no', 'military', 'private', 'residents', 'customers', 'permit']);
const CLOSED_CLASSES = new Set(['motorway', 'motorway_link', 'bus_guideway', 'raceway', 'construction', 'proposed']);

/** Whether people on foot may use a street, by the rule a run has; what only residents may use counts as closed. */
export function streetState({ highway, foot, access }: { highway?: unknown; foot?: unknown; access?: unknown }): StreetState {
  const has = (words: ReadonlySet<string>, value: unknown): boolean => typeof value === 'string' && words.has(value);
  if (has(NOT_ON_FOOT, foot)) return 'closed';
  return !has(FOOT_YES, foot) && (has(CLOSED_CLASSES, highway) || has(NO_ENTRY, access)) ? 'closed' : 'open';
}

export const gateState = (opensTo: unknown): GateState => (opensTo === 'all' ? 'all' : 'residents');

const isOfStreet = (edit: Edit, id: number): boolean => 'street_id' in edit && edit.street_id === id;
const isOfGate = (edit: Edit, id: number): boolean => 'gate_id' in edit && edit.gate_id === id;

/** Close or open a street; null leaves it as the run has it. */
export function setStreet(edits: readonly Edit[], id: number, state: StreetState | null): Edit[] {
  const rest = edits.filter((edit) => !isOfStreet(edit, id));
  return state === null ? rest : [...rest, { op: state === 'closed' ? 'close_street' : 'open_street', street_id: id }];
}

/** Close a gate, or open it to residents or to all; null leaves it as the run has it. */
export function setGate(edits: readonly Edit[], id: number, state: GateState | null): Edit[] {
  const rest = edits.filter((edit) => !isOfGate(edit, id));
  if (state === null) return rest;
  return [...rest, state === 'closed' ? { op: 'close_gate', gate_id: id } : { op: 'open_gate', gate_id: id, opens_to: state }];
}

export function streetNow(edits: readonly Edit[], id: number): StreetState | null {
  const last = edits.filter((edit) => isOfStreet(edit, id)).at(-1);
  return last === undefined ? null : last.op === 'close_street' ? 'closed' : 'open';
}

export function gateNow(edits: readonly Edit[], id: number): GateState | null {
  const last = edits.filter((edit) => isOfGate(edit, id)).at(-1);
  if (last === undefined) return null;
  return last.op === 'open_gate' ? (last.opens_to ?? 'all') : 'closed';
}

/** What clicking a gate leads to, one after the other: first what a planner tries most, at last as it was. */
const GATE_WAYS: Record<GateState, readonly GateState[]> = { residents: ['all', 'closed'], all: ['closed', 'residents'], closed: ['all', 'residents'] };

/** One more click on a street or a gate. */
export function toggle(edits: readonly Edit[], ground: KnownGround): Edit[] {
  if (ground.kind === 'street') {
    const other = ground.now === 'open' ? 'closed' : 'open';
    return setStreet(edits, ground.id, streetNow(edits, ground.id) === null ? other : null);
  }
  const ways = GATE_WAYS[ground.now];
  const now = gateNow(edits, ground.id);
  return setGate(edits, ground.id, now === null ? (ways[0] ?? null) : (ways[ways.indexOf(now) + 1] ?? null));
}

export function drawPath(edits: readonly Edit[], places: readonly Place[], steps: boolean): Edit[] {
  return [...edits, { op: 'draw_path', geometry: { type: 'LineString', coordinates: places.map((place) => pointAt(place).coordinates) }, ...(steps ? { steps } : {}) }];
}

/** Which ends of a path being drawn meet no street: such an end leads nowhere. */
export function looseEnds(places: readonly PathPoint[]): 'start' | 'end' | 'both' | null {
  const [isFrom, isTo] = [places[0]?.isOn ?? true, places.at(-1)?.isOn ?? true];
  if (isFrom) return isTo || places.length < 2 ? null : 'end';
  return isTo || places.length < 2 ? 'start' : 'both';
}

/** Where in the list the path known as -1, -2 … is drawn. */
function findDrawn(edits: readonly Edit[], id: number): number {
  return edits.flatMap((edit, index) => (edit.op === 'draw_path' ? [index] : []))[-id - 1] ?? -1;
}

/** Take a drawn path back; those drawn after it move up. */
export function forgetPath(edits: readonly Edit[], id: number): Edit[] {
  const at = findDrawn(edits, id);
  return edits
    .filter((edit, index) => index !== at && !isOfStreet(edit, id))
    .map((edit) => ('street_id' in edit && edit.street_id < id ? { ...edit, street_id: edit.street_id + 1 } : edit));
}

/** Streets, gates and paths that edits speak of, in the order of the edits. */
export function listGround(edits: readonly Edit[]): GroundRow[] {
  const rows = new Map<string, GroundRow>();
  let drawn = 0;
  for (const edit of edits) {
    if (edit.op === 'draw_path') {
      drawn -= 1;
      rows.set(`street/${drawn}`, { kind: 'path', id: drawn, state: streetNow(edits, drawn) === 'closed' ? 'closed' : 'drawn', line: edit.geometry, steps: edit.steps === true });
    } else if ('street_id' in edit && edit.street_id > 0) {
      rows.set(`street/${edit.street_id}`, { kind: 'street', id: edit.street_id, state: streetNow(edits, edit.street_id) ?? 'open' });
    } else if ('gate_id' in edit) {
      rows.set(`gate/${edit.gate_id}`, { kind: 'gate', id: edit.gate_id, state: gateNow(edits, edit.gate_id) ?? 'closed' });
    }
  }
  return [...rows.values()];
}

const EARTH_M = 6_371_008.8;

/** Length along places, in metres. */
export function lengthOf(places: readonly Place[]): number {
  const radians = Math.PI / 180;
  return places.slice(1).reduce((sum, { lon, lat }, index) => {
    const from = places[index] ?? { lon, lat };
    const half = Math.sin(((lat - from.lat) * radians) / 2) ** 2 + Math.cos(lat * radians) * Math.cos(from.lat * radians) * Math.sin(((lon - from.lon) * radians) / 2) ** 2;
    return sum + 2 * EARTH_M * Math.asin(Math.sqrt(half));
  }, 0);
}
