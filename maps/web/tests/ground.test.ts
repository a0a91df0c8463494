import { describe, expect, it, vi } from 'vitest';

import type { Edit } from '../src/api/scenario-types';
import { drawPath, forgetPath, gateNow, lengthOf, listGround, looseEnds, setGate, setStreet, streetNow, streetState, toggle, type KnownGround } from '../src/whatif/ground';

// the tool reaches for MapLibre, which wants a worker this environment has not
vi.mock('../src/map/maplibre', () => ({ Map: vi.fn(), ScaleControl: vi.fn() }));
const { footOn } = await import('../src/map/ground-tool');

const line = { type: 'LineString' as const, coordinates: [[0, 0], [1, 1]] };
const street = (now: 'open' | 'closed'): KnownGround => ({ kind: 'street', id: 5, name: null, shape: line, now, highway: 'service' });
const gate = (now: 'residents' | 'all' | 'closed'): KnownGround => ({ kind: 'gate', id: 3, name: null, shape: { type: 'Point', coordinates: [0, 0] }, now });
const clicks = (ground: KnownGround, count: number): Edit[] => Array.from({ length: count }).reduce<Edit[]>((edits) => toggle(edits, ground), []);
const a = { lon: 1, lat: 2 };
const b = { lon: 3, lat: 4 };

describe('streets', () => {
  it('are closed by the tags that close them for a run', () => {
    const closed = [{ foot: 'no' }, { foot: 'private', access: 'yes' }, { access: 'private' }, { highway: 'motorway' }, { highway: 'service', access: 'no' }];
    const open = [{}, { highway: 'motorway', foot: 'yes' }, { access: 'private', foot: 'designated' }, { highway: 'footway', foot: null, access: null }];
    expect(closed.map(streetState)).toEqual(closed.map(() => 'closed'));
    expect(open.map(streetState)).toEqual(open.map(() => 'open'));
  });

  it('close with a click and are as they were with the next', () => {
    expect(clicks(street('open'), 1)).toEqual([{ op: 'close_street', street_id: 5 }]);
    expect(clicks(street('closed'), 1)).toEqual([{ op: 'open_street', street_id: 5 }]);
    expect(clicks(street('open'), 2)).toEqual([]);
  });

  it('hold one edit each', () => {
    const edits = setStreet(setStreet([{ op: 'close_street', street_id: 6 }], 5, 'closed'), 5, 'open');
    expect(edits).toEqual([{ op: 'close_street', street_id: 6 }, { op: 'open_street', street_id: 5 }]);
    expect([streetNow(edits, 5), streetNow(edits, 6), streetNow(edits, 7)]).toEqual(['open', 'closed', null]);
  });
});

describe('gates', () => {
  it('go through their states click by click, back to what they were', () => {
    const states = (now: 'residents' | 'all'): unknown[] => [1, 2, 3].map((count) => gateNow(clicks(gate(now), count), 3));
    expect(states('residents')).toEqual(['all', 'closed', null]);
    expect(states('all')).toEqual(['closed', 'residents', null]);
  });

  it('open to everybody where an edit names nobody', () => {
    expect(gateNow([{ op: 'open_gate', gate_id: 3 }], 3)).toBe('all');
    expect(setGate([{ op: 'open_gate', gate_id: 3 }], 3, 'residents')).toEqual([{ op: 'open_gate', gate_id: 3, opens_to: 'residents' }]);
  });
});

describe('paths', () => {
  it('are lines of rounded places', () => {
    expect(drawPath([], [{ lon: 1 / 3, lat: 0 }, b], false)).toEqual([{ op: 'draw_path', geometry: { type: 'LineString', coordinates: [[0.3333333, 0], [3, 4]] } }]);
    expect(drawPath([], [a, b], true)[0]).toHaveProperty('steps', true);
  });

  it('move up when one before them is taken back', () => {
    const two = drawPath(drawPath([], [a, b], false), [b, a], true);
    const edits: Edit[] = [...two, { op: 'close_street', street_id: -1 }, { op: 'close_street', street_id: -2 }, { op: 'close_street', street_id: 9 }];
    expect(forgetPath(edits, -1)).toEqual([two[1], { op: 'close_street', street_id: -1 }, { op: 'close_street', street_id: 9 }]);
    expect(forgetPath(edits, -2)).toEqual([two[0], { op: 'close_street', street_id: -1 }, { op: 'close_street', street_id: 9 }]);
  });

  it('tell which ends meet no street while they are drawn', () => {
    const places = (...on: boolean[]) => on.map((isOn) => ({ ...a, isOn }));
    expect([places(), places(true), places(false), places(true, false, true), places(true, true, false), places(false, true), places(false, false)].map(looseEnds)).toEqual([null, null, 'start', null, 'end', 'start', 'both']);
  });

  it('have a length in metres', () => {
    expect(lengthOf([{ lon: 0, lat: 0 }, { lon: 0, lat: 1 }])).toBeCloseTo(111_195, -1);
    expect(lengthOf([a])).toBe(0);
  });
});

describe('the list of ground', () => {
  it('holds one row for each thing, in the order of the edits', () => {
    const edits: Edit[] = [...setGate(setStreet([], 5, 'closed'), 3, 'residents'), ...drawPath([], [a, b], true), { op: 'close_street', street_id: -1 }, { op: 'close_facility', facility_id: 1 }];
    expect(listGround(edits).map((row) => [row.kind, row.id, row.state])).toEqual([['street', 5, 'closed'], ['gate', 3, 'residents'], ['path', -1, 'closed']]);
  });
});

describe('the foot of a pixel on a stretch', () => {
  it('lies on it, at an end at most', () => {
    expect(footOn({ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 4, y: 3 })).toEqual({ point: { x: 4, y: 0 }, distance: 3 });
    expect(footOn({ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 13, y: 4 })).toEqual({ point: { x: 10, y: 0 }, distance: 5 });
    expect(footOn({ x: 1, y: 1 }, { x: 1, y: 1 }, { x: 1, y: 3 }).distance).toBe(2);
  });
});
