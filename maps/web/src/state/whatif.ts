/** The scenario being tried out: its edits, what they change, and the scenarios that were saved. */
import { batch, computed, effect, signal } from '@preact/signals';

import { ApiError } from '../api/client';
import { fetchItem } from '../api/endpoints';
import type { Difference, Edit, ScenarioBrief, ScenarioDetail } from '../api/scenario-types';
import { deleteScenario, fetchScenario, fetchScenarios, rebaseScenario, saveScenario, tryEdits } from '../api/scenarios';
import type { Item } from '../api/types';
import { labelPoint } from '../map/geometry';
import { addFacility, closeFacility, forgetFacility, fromBatches, listMarkers, moveFacility, NOTHING, redo, resizeFacility, step, storedIds, undo, type History, type KnownFacility } from '../whatif/edits';
import { buildingStates, changedTypes } from '../whatif/difference';
import { latestOnly } from '../whatif/latest';
import { change } from './actions';
import { asApiError, createResource } from './resource';
import { isNarrow, profileCode, runValue, screen, sheet, typeCode } from './store';
import type { Place } from './url';

/** Pause between two drafts while something is dragged, in milliseconds. */
const PAUSE_MS = 80;

export const isWhatIf = computed(() => screen.value.tab === 'whatif');
/** True while the next click on the map places a facility. */
export const isPlacing = signal(false);
export const capacity = signal<number | null>(null);
export const history = signal<History>(NOTHING);
/** The edits while something is dragged; they become a step when it is dropped. */
const dragged = signal<readonly Edit[] | null>(null);
export const edits = computed(() => dragged.value ?? history.value.now);
export const known = signal<ReadonlyMap<number, KnownFacility>>(new Map());
/** The facility whose buttons are shown; negative for an added one. */
export const chosenId = signal<number | null>(null);

export const difference = signal<Difference | null>(null);
export const isTrying = signal(false);
export const fault = signal<ApiError | null>(null);
/** The stored scenario that equals the edits, while it does. */
const stored = signal<{ scenario: ScenarioBrief; edits: readonly Edit[] } | null>(null);
export const opened = computed(() => (stored.value?.edits === edits.value ? stored.value.scenario : null));
export const isBusy = signal(false);

const listAgain = signal(0);
export const saved = createResource(() => (isWhatIf.value ? { again: listAgain.value } : null), (_inputs, abort) => fetchScenarios(abort), { keepsLast: true });

export const markers = computed(() => listMarkers(edits.value, known.value));
export const states = computed(() => {
  const found = difference.value;
  const type = typeCode.value;
  return isWhatIf.value && found !== null && type !== null ? buildingStates(found, type, profileCode.value) : new Map<number, number>();
});

interface Question {
  run: string;
  edits: readonly Edit[];
}

const drafts = latestOnly(
  (question: Question, abort) => tryEdits(question.run, question.edits, abort),
  (_question, end) =>
    batch(() => {
      isTrying.value = false;
      if ('answer' in end) {
        difference.value = end.answer.difference;
        fault.value = null;
      } else fault.value = asApiError(end.error);
    }),
  PAUSE_MS,
);

function forgetAnswer(): void {
  drafts.stop();
  batch(() => {
    difference.value = null;
    isTrying.value = false;
    fault.value = null;
  });
}

let answered: { run: string; edits: readonly Edit[] } | null = null;
effect(() => {
  const detail = runValue.value;
  const now = history.value.now;
  const moving = dragged.value;
  const wanted = screen.value.run;
  if (detail === null || !isWhatIf.value) return;
  const run = String(detail.id);
  if (wanted !== 'latest' && wanted !== run && wanted !== detail.name) return; // the run on show is about to change
  if (moving === null && answered?.edits === now && answered.run === run) return;
  answered = moving === null ? { run, edits: now } : null;
  const asked = moving ?? now;
  if (asked.length === 0) { forgetAnswer(); return; }
  isTrying.value = true;
  const question = { run, edits: asked };
  if (moving === null) drafts.now(question);
  else drafts.soon(question);
});

function factsOf(item: Item, id: number): KnownFacility | null {
  const point = labelPoint(item.geometry);
  const { type, name, capacity: holds } = item.properties;
  if (!point || typeof type !== 'string') return null;
  return { id, type, name: typeof name === 'string' ? name : null, place: { lon: point[0], lat: point[1] }, capacity: typeof holds === 'number' ? holds : null };
}

export function know(facility: KnownFacility): void {
  if (!known.peek().has(facility.id)) known.value = new Map([...known.peek(), [facility.id, facility]]);
}

/** Read where the facilities of an opened scenario stand. */
async function knowAll(ids: readonly number[]): Promise<void> {
  for (const id of ids.filter((one) => !known.peek().has(one))) {
    const facility = await fetchItem('facilities', String(id)).then((item) => factsOf(item, id)).catch(() => null);
    if (facility) know(facility);
  }
}

/** Make edits the newest step. */
export function commit(next: readonly Edit[]): void {
  batch(() => {
    dragged.value = null;
    history.value = step(history.peek(), next);
  });
}

export function place(at: Place): void {
  const type = typeCode.peek();
  if (type === null) return;
  batch(() => {
    isPlacing.value = false;
    commit(addFacility(history.peek().now, type, at, capacity.peek()));
    chosenId.value = -history.peek().now.filter((edit) => edit.op === 'add_facility').length;
    if (isNarrow.peek()) sheet.value = 'half';
  });
}

export function drag(id: number, at: Place): void {
  batch(() => {
    dragged.value = moveFacility(history.peek().now, id, at);
    chosenId.value = id;
  });
}

export const drop = (id: number, at: Place): void => commit(moveFacility(history.peek().now, id, at));
export const cancelDrag = (): void => { dragged.value = null; };
export const resize = (id: number, to: number | null): void => commit(resizeFacility(history.peek().now, id, to));
export const close = (id: number): void => commit(closeFacility(history.peek().now, id));

export function forget(id: number): void {
  batch(() => {
    chosenId.value = null;
    commit(forgetFacility(history.peek().now, id));
  });
}

function walk(next: History): void {
  batch(() => {
    dragged.value = null;
    chosenId.value = null;
    history.value = next;
  });
}

export const stepBack = (): void => walk(undo(history.peek()));
export const stepForward = (): void => walk(redo(history.peek()));
export const clear = (): void => walk(step(history.peek(), []));

function show(scenario: ScenarioDetail): void {
  const found = fromBatches(scenario.done, scenario.to_redo);
  batch(() => {
    drafts.stop();
    answered = { run: String(scenario.run_id), edits: found.now }; // what is stored needs no trying out, and where layers changed since it could not be
    stored.value = { scenario, edits: found.now };
    walk(found);
    difference.value = scenario.difference;
    isTrying.value = false;
    fault.value = null;
    const type = changedTypes(scenario.difference, profileCode.peek())[0]?.type;
    change({ run: String(scenario.run_id), ...(type === undefined ? {} : { type }) });
  });
  void knowAll(storedIds(found.now));
}

/** Do something with stored scenarios, one thing at a time; a failure is shown in words. */
async function work(task: () => Promise<void>): Promise<void> {
  if (isBusy.peek()) return;
  isBusy.value = true;
  try {
    await task();
    fault.value = null;
  } catch (error) {
    fault.value = asApiError(error);
  } finally {
    batch(() => {
      isBusy.value = false;
      listAgain.value += 1;
    });
  }
}

export const save = (name: string | null): Promise<void> =>
  work(async () => {
    const run = runValue.peek()?.id;
    const now = history.peek().now;
    if (run === undefined || now.length === 0) return;
    stored.value = { scenario: await saveScenario(String(run), now, name), edits: now };
  });

export const open = (id: number): Promise<void> => work(async () => show(await fetchScenario(id)));
export const rebase = (id: number): Promise<void> => work(async () => show(await rebaseScenario(id)));

export const remove = (id: number): Promise<void> =>
  work(async () => {
    await deleteScenario(id);
    if (stored.peek()?.scenario.id === id) stored.value = null;
  });
