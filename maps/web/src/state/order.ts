/** A run that is ordered from this page: how far it is, stopping it, and showing it once it is done. */
import { batch, signal } from '@preact/signals';

import { ApiError } from '../api/client';
import { cancelJob, fetchJob, followJob, orderRun } from '../api/endpoints';
import type { Job, RunDetail, RunRequest } from '../api/types';
import { newer, showNewer } from './newer';
import { asApiError } from './resource';
import { edits, isWhatIf } from './whatif';

/** Kept for this tab, so that a reload goes on following. */
const KEY = 'onemap.job';
const AGAIN_MS = 2_000;

export const job = signal<Job | null>(null);
export const isOrdering = signal(false);
export const isLost = signal(false);
export const orderFault = signal<ApiError | null>(null);
/** How the last run that was ordered here ended, until the next one. */
export const ended = signal<'done' | 'cancelled' | null>(null);

export const isOpen = ({ state }: Pick<Job, 'state'>): boolean => state === 'queued' || state === 'running';

function remember(id: string | null): void {
  try {
    if (id === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, id);
  } catch {
    // storage is switched off: a reload forgets the job, and the run is noticed once it is there
  }
}

const remembered = (): string | null => {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
};

/** Why a job failed, as the server tells it. */
export const faultOf = (found: Job): ApiError => new ApiError(found.error?.status ?? 500, found.error ?? { title: found.message });

function take(found: Job): void {
  batch(() => {
    isLost.value = false;
    job.value = isOpen(found) ? found : null;
    if (isOpen(found)) return;
    remember(null);
    if (found.state === 'failed') { orderFault.value = faultOf(found); return; }
    if (found.state === 'cancelled') { ended.value = 'cancelled'; return; }
    if (isWhatIf.peek() && edits.peek().length > 0) { newer.value = 'run'; return; } // a scenario is not moved to another run unasked
    ended.value = 'done';
    showNewer();
  });
}

function follow(id: string): void {
  remember(id);
  followJob(id, take, (isOver) => {
    isLost.value = true;
    if (isOver) setTimeout(() => void ask(id), AGAIN_MS);
  });
}

/** Where the stream is refused: take what the job says, or why nothing more can be said of it. */
async function ask(id: string): Promise<void> {
  try {
    const found = await fetchJob(id);
    take(found);
    if (isOpen(found)) follow(id);
  } catch (error) {
    remember(null);
    batch(() => { job.value = null; isLost.value = false; orderFault.value = asApiError(error); });
  }
}

export async function order(request: RunRequest): Promise<boolean> {
  if (isOrdering.peek()) return false;
  batch(() => { isOrdering.value = true; orderFault.value = null; ended.value = null; });
  try {
    const made = await orderRun(request);
    take(made);
    if (isOpen(made)) follow(made.id);
    return true;
  } catch (error) {
    orderFault.value = asApiError(error);
    return false;
  } finally {
    isOrdering.value = false;
  }
}

export async function cancel(): Promise<void> {
  const id = job.peek()?.id;
  if (id === undefined) return;
  await cancelJob(id).catch((error: unknown) => (orderFault.value = asApiError(error)));
}

/** Go on following what was ordered before a reload. */
export async function resume(): Promise<void> {
  const id = remembered();
  if (id === null || job.peek() !== null) return;
  const found = await fetchJob(id).catch(() => null);
  if (found === null || !isOpen(found)) { remember(null); return; }
  take(found);
  follow(id);
}

/** What a new run is asked for: like the run on show, but for what the form holds. */
export function requestLike(shown: RunDetail | null, form: { profiles: readonly string[]; at: string; name: string }): RunRequest {
  const { types = [], minutes = null, area = null } = shown?.request ?? {};
  return {
    profiles: [...form.profiles],
    ...(types.length > 0 ? { types } : {}),
    ...(minutes === null ? {} : { minutes }),
    ...(area === null ? {} : { area }),
    ...(form.at === '' ? {} : { at: form.at }),
    ...(form.name === '' ? {} : { name: form.name }),
  };
}
