import { signal } from '@preact/signals';
import { describe, expect, it } from 'vitest';

import { createResource, valueOf } from '../src/state/resource';

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe('a remote value', () => {
  it('follows its inputs and drops answers that come too late', async () => {
    const input = signal('a');
    const answers = new Map<string, (value: string) => void>();
    const resource = createResource(() => input.value, (key) => new Promise<string>((resolve) => answers.set(key, resolve)));
    input.value = 'b';
    answers.get('b')?.('second');
    answers.get('a')?.('first');
    await tick();
    expect(resource.remote.value).toEqual({ state: 'ready', value: 'second' });
  });

  it('aborts what is no longer wanted', () => {
    const input = signal<string | null>('a');
    const signals: AbortSignal[] = [];
    const resource = createResource(() => input.value, (_key, abort) => {
      signals.push(abort);
      return new Promise<string>(() => undefined);
    });
    input.value = null;
    expect(signals[0]?.aborted).toBe(true);
    expect(resource.remote.value.state).toBe('idle');
  });

  it('keeps the last value while the next one loads, where asked to', async () => {
    const input = signal(1);
    const resource = createResource(() => input.value, (key) => Promise.resolve(key * 10), { keepsLast: true });
    await tick();
    input.value = 2;
    expect(resource.remote.value.state).toBe('loading');
    expect(valueOf(resource.remote.value)).toBe(10);
    await tick();
    expect(valueOf(resource.remote.value)).toBe(20);
  });

  it('tells a failure and can try again', async () => {
    let tries = 0;
    const resource = createResource(() => 'x', () => (tries++ === 0 ? Promise.reject(new Error('no')) : Promise.resolve('yes')));
    await tick();
    expect(resource.remote.value).toMatchObject({ state: 'error' });
    resource.retry();
    await tick();
    expect(resource.remote.value).toEqual({ state: 'ready', value: 'yes' });
  });
});
