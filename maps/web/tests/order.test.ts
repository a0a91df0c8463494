import { describe, expect, it, vi } from 'vitest';

import type { Job, RunDetail } from '../src/api/types';

// the order reaches the map through the screen's state, and the map wants WebGL and a worker
vi.mock('../src/map/maplibre', () => ({ Map: vi.fn(), ScaleControl: vi.fn() }));
const { faultOf, isOpen, requestLike } = await import('../src/state/order');

const job = (more: Partial<Job>): Job => ({ id: 'j', kind: 'gap-run', state: 'running', progress: 0, message: '', result: null, error: null, ...more });
const shown = (request: RunDetail['request']): RunDetail => ({ id: 1, name: null, created_at: '', state: 'done', profiles: ['adult'], types: [], versions: {}, duration_s: null, people: null, columns: [], totals: [], ...(request ? { request } : {}) });
const form = { profiles: ['adult', 'older'], at: '', name: '' };

describe('a new run', () => {
  it('asks for what the form holds and leaves out what is empty', () => {
    expect(requestLike(null, form)).toEqual({ profiles: ['adult', 'older'] });
    expect(requestLike(null, { profiles: ['adult'], at: '2026-11-23T20:00', name: 'Evening' })).toEqual({ profiles: ['adult'], at: '2026-11-23T20:00', name: 'Evening' });
  });

  it('keeps types, limit and area of the run on show, but not its name or moment', () => {
    const before = { types: ['A'], profiles: ['child'], minutes: 10, area: '01', at: '2026-01-01T08:00', name: 'old' };
    expect(requestLike(shown(before), form)).toEqual({ types: ['A'], profiles: ['adult', 'older'], minutes: 10, area: '01' });
    expect(requestLike(shown({ types: [], minutes: null, area: null }), form)).toEqual({ profiles: ['adult', 'older'] });
  });
});

describe('a job', () => {
  it('is open until it has ended', () => {
    expect((['queued', 'running', 'done', 'failed', 'cancelled'] as const).filter((state) => isOpen({ state }))).toEqual(['queued', 'running']);
  });

  it('fails in the server’s words', () => {
    const fault = faultOf(job({ state: 'failed', error: { title: 'No streets', detail: 'There are no streets', hint: 'Load some.' } }));
    expect([fault.message, fault.hint]).toEqual(['There are no streets', 'Load some.']);
    expect(faultOf(job({ state: 'failed', message: 'gone' })).message).toBe('gone');
  });
});
