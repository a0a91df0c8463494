import { afterEach, describe, expect, it, vi } from 'vitest';

import { ApiError, apiUrl, getJson } from '../src/api/client';

const answer = (status: number, body: string, type: string): void => {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { status, headers: { 'content-type': type } })));
};
const failure = async (): Promise<ApiError> => {
  try {
    await getJson('api/catalogue');
  } catch (error) {
    if (error instanceof ApiError) return error;
  }
  throw new Error('no ApiError came');
};

describe('asking the server', () => {
  afterEach(() => vi.stubGlobal('fetch', () => new Promise(() => undefined)));

  it('stays on this host and leaves empty parameters out', () => {
    const url = new URL(apiUrl('/gaps/runs', { type: 'A+B', area: null, after: '', limit: 5 }));
    expect(url.origin).toBe(location.origin);
    expect([...url.searchParams]).toEqual([['type', 'A+B'], ['limit', '5']]);
  });

  it('carries the problem’s detail, hint and parameter', async () => {
    answer(422, JSON.stringify({ title: 'Bad request', detail: 'lon is 999', hint: 'Give degrees.', parameter: 'lon' }), 'application/problem+json');
    expect(await failure()).toMatchObject({ status: 422, message: 'lon is 999', hint: 'Give degrees.', parameter: 'lon', isNotReady: false });
  });

  it('knows "nothing there yet" from a fault', async () => {
    answer(503, JSON.stringify({ detail: 'no run yet', hint: 'Run `onemap gaps run`.' }), 'application/problem+json');
    expect((await failure()).isNotReady).toBe(true);
    answer(503, 'busy', 'text/plain');
    expect((await failure()).isNotReady).toBe(false);
  });

  it('turns a lost network into status 0', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    expect((await failure()).status).toBe(0);
  });

  it('survives a problem that is not JSON after all', async () => {
    answer(500, '<html>', 'application/json');
    expect((await failure()).status).toBe(500);
  });
});
