/** A remote value that follows its inputs: loading, ready or failed; answers that arrive too late are dropped. */
import { effect, signal, type ReadonlySignal } from '@preact/signals';

import { ApiError } from '../api/client';

export type Remote<T> =
  | { state: 'idle' }
  | { state: 'loading'; last: T | null }
  | { state: 'ready'; value: T }
  | { state: 'error'; error: ApiError };

export interface Resource<T> {
  readonly remote: ReadonlySignal<Remote<T>>;
  readonly retry: () => void;
}

/** The value shown now: the ready one, or while a newer one is loading the last one. */
export function valueOf<T>(remote: Remote<T>): T | null {
  if (remote.state === 'ready') return remote.value;
  return remote.state === 'loading' ? remote.last : null;
}

/** Any failure as one a screen can show. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(-1, { title: 'unexpected', detail: error instanceof Error ? error.message : String(error) });
}

/**
 * Fetch again whenever `inputs()` gives another key.
 *
 * @param inputs - reads signals; null means there is nothing to fetch
 * @param load - fetches for these inputs; aborted when they change
 * @param keepsLast - keep showing the last value while the next one loads
 */
export function createResource<Inputs, T>(
  inputs: () => Inputs | null,
  load: (inputs: Inputs, signal: AbortSignal) => Promise<T>,
  { keepsLast = false }: { keepsLast?: boolean } = {},
): Resource<T> {
  const remote = signal<Remote<T>>({ state: 'idle' });
  const attempt = signal(0);
  let lastKey: string | null = null;
  let running: AbortController | null = null;

  effect(() => {
    const wanted = inputs();
    const key = wanted === null ? null : `${attempt.value}:${JSON.stringify(wanted)}`;
    if (key === lastKey) return;
    lastKey = key;
    running?.abort();
    running = null;
    if (wanted === null) {
      remote.value = { state: 'idle' };
      return;
    }
    const control = new AbortController();
    running = control;
    remote.value = { state: 'loading', last: keepsLast ? valueOf(remote.peek()) : null };
    load(wanted, control.signal).then(
      (value) => {
        if (running === control) remote.value = { state: 'ready', value };
      },
      (error: unknown) => {
        if (running === control) remote.value = { state: 'error', error: asApiError(error) };
      },
    );
  });

  return { remote, retry: () => (attempt.value += 1) };
}
