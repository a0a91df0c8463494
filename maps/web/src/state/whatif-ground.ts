/** What a scenario does to streets, gates and paths, and which tool the map is held with. */
import { batch, computed, effect, signal } from '@preact/signals';

import { fetchItem } from '../api/endpoints';
import type { Item } from '../api/types';
import { drawPath, forgetPath, gateState, keyOf, listGround, setGate, setStreet, streetState, toggle, type GateState, type GroundRow, type KnownGround, type PathPoint, type StreetState } from '../whatif/ground';
import { chosenId, commit, edits, history, isPlacing, isWhatIf } from './whatif';

export type Tool = 'facility' | 'street' | 'path';
export const TOOLS: readonly Tool[] = ['facility', 'street', 'path'];

export const tool = signal<Tool>('facility');
/** True while a click on the map closes or opens what lies there. */
export const isPicking = computed(() => isWhatIf.value && tool.value === 'street');
/** True while a click on the map adds a point to a path. */
export const isDrawing = computed(() => isWhatIf.value && tool.value === 'path');
/** The path being drawn, as far as it goes. */
export const path = signal<readonly PathPoint[]>([]);
export const hasSteps = signal(false);

export const ground = computed(() => listGround(edits.value));
export const knownGround = signal<ReadonlyMap<string, KnownGround>>(new Map());
/** The row of the list that is lit up on the map. */
export const chosenGround = signal<string | null>(null);

export function chooseTool(next: Tool): void {
  batch(() => {
    tool.value = next;
    isPlacing.value = false;
    path.value = [];
  });
}

/** Tiles may carry a name that the layer's own columns do not. */
function know(found: KnownGround): void {
  const before = knownGround.peek();
  const key = keyOf(found);
  knownGround.value = new Map([...before, [key, { ...found, name: found.name ?? before.get(key)?.name ?? null }]]);
}

function factsOf(item: Item, { kind, id }: { kind: 'street' | 'gate'; id: number }): KnownGround | null {
  const { geometry, properties } = item;
  const name = typeof properties.name === 'string' ? properties.name : null;
  if (kind === 'gate') return geometry?.type === 'Point' ? { kind, id, name, shape: geometry, now: gateState(properties.opens_to) } : null;
  if (geometry?.type !== 'LineString' && geometry?.type !== 'MultiLineString') return null;
  return { kind, id, name, shape: geometry, now: streetState(properties), highway: typeof properties.highway === 'string' ? properties.highway : null };
}

const asked = new Set<string>();

/** Read the whole of a street or gate: tiles hold it in pieces, and those of an opened scenario may be far away. */
async function learn(row: { kind: 'street' | 'gate'; id: number }): Promise<void> {
  const key = keyOf(row);
  if (asked.has(key)) return;
  asked.add(key);
  const found = await fetchItem(`${row.kind}s`, String(row.id)).then((item) => factsOf(item, row)).catch(() => null);
  if (found) know(found);
  else asked.delete(key);
}

effect(() => {
  if (!isWhatIf.value) return;
  for (const row of ground.value) if (row.kind !== 'path' && row.id > 0) void learn(row);
});

// one row of the list is lit up at a time
effect(() => {
  if (chosenId.value !== null) chosenGround.value = null;
});

/** Close or open what was clicked; each further click is the next choice, the last one leaves it as it was. */
export function change(found: KnownGround): void {
  batch(() => {
    if (!knownGround.peek().has(keyOf(found))) know(found);
    commit(toggle(history.peek().now, knownGround.peek().get(keyOf(found)) ?? found));
    chosenGround.value = keyOf(found);
    chosenId.value = null;
  });
}

export const turnStreet = (id: number, state: StreetState): void => commit(setStreet(history.peek().now, id, state));
export const turnGate = (id: number, state: GateState): void => commit(setGate(history.peek().now, id, state));

export function forgetGround(row: GroundRow): void {
  const { now } = history.peek();
  commit(row.kind === 'path' ? forgetPath(now, row.id) : row.kind === 'gate' ? setGate(now, row.id, null) : setStreet(now, row.id, null));
}

export const addPoint = (place: PathPoint): void => { path.value = [...path.peek(), place]; };
export const dropPoint = (): void => { path.value = path.peek().slice(0, -1); };
export const giveUpPath = (): void => { path.value = []; };

/** Make what was drawn an edit; a single point is no path. */
export function endPath(): void {
  const places = path.peek();
  if (places.length < 2) return;
  batch(() => {
    path.value = [];
    commit(drawPath(history.peek().now, places, hasSteps.peek()));
    chosenId.value = null;
    chosenGround.value = `path/-${history.peek().now.filter((edit) => edit.op === 'draw_path').length}`;
  });
}
