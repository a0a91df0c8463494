import { describe, expect, it, vi } from 'vitest';

import type { AreaChange, BuildingChange, Difference, Edit, TypeChange } from '../src/api/scenario-types';
import { buildingStates, CHANGE, changedTypes, changeOf, topAreas } from '../src/whatif/difference';
import { addFacility, closeFacility, forgetFacility, fromBatches, listMarkers, moveFacility, NOTHING, redo, resizeFacility, shift, step, storedIds, undo, type KnownFacility } from '../src/whatif/edits';
import { latestOnly } from '../src/whatif/latest';

const a = { lon: 121.5, lat: 31.2 };
const b = { lon: 121.6, lat: 31.3 };
const clinic: KnownFacility = { id: 7, type: 'MED_CHC', name: 'Old clinic', place: a, capacity: 40 };
const known = new Map([[7, clinic]]);

describe('edits', () => {
  it('add a facility and move it by adding it elsewhere', () => {
    const added = addFacility([], 'MED_CHC', a, 40);
    expect(added).toEqual([{ op: 'add_facility', type: 'MED_CHC', geometry: { type: 'Point', coordinates: [121.5, 31.2] }, capacity: 40 }]);
    expect(moveFacility(added, -1, b)).toEqual([{ ...added[0], geometry: { type: 'Point', coordinates: [121.6, 31.3] } }]);
    expect(addFacility([], 'MED_CHC', a, null)[0]).not.toHaveProperty('capacity');
  });

  it('keep one move of a facility, and none of a closed one', () => {
    const moved = moveFacility(moveFacility([], 7, a), 7, b);
    expect(moved).toEqual([{ op: 'move_facility', facility_id: 7, geometry: { type: 'Point', coordinates: [121.6, 31.3] } }]);
    expect(closeFacility(moved, 7)).toEqual([{ op: 'close_facility', facility_id: 7 }]);
  });

  it('count added facilities anew when one is taken back', () => {
    const two = addFacility(addFacility([], 'A', a, null), 'B', b, null);
    const edits: Edit[] = [...two, { op: 'move_facility', facility_id: -2, geometry: { type: 'Point', coordinates: [1, 2] } }];
    expect(forgetFacility(edits, -1)).toEqual([two[1], { ...edits[2], facility_id: -1 }]);
    expect(forgetFacility(edits, -2)).toEqual([two[0]]);
  });

  it('keep one capacity of a facility, the newest', () => {
    const twice = resizeFacility(resizeFacility([], 7, 60), 7, 80);
    expect(twice).toEqual([{ op: 'resize_facility', facility_id: 7, capacity: 80 }]);
    expect(resizeFacility(twice, 7, null)).toEqual([]);
    expect(closeFacility(twice, 7)).toEqual([{ op: 'close_facility', facility_id: 7 }]);
  });

  it('resize an added facility by adding it so', () => {
    const added = addFacility(addFacility([], 'A', a, 3), 'B', b, null);
    expect(resizeFacility(added, -2, 9)).toEqual([added[0], { ...added[1], capacity: 9 }]);
    expect(resizeFacility(added, -1, null)[0]).not.toHaveProperty('capacity');
  });

  it('round places to what GeoJSON carries', () => {
    expect(addFacility([], 'A', { lon: 1 / 3, lat: 2 / 3 }, null)[0]).toMatchObject({ geometry: { coordinates: [0.3333333, 0.6666667] } });
  });

  it('name stored facilities only', () => {
    expect(storedIds([...closeFacility(moveFacility([], 7, b), 9), { op: 'resize_facility', facility_id: -1, capacity: 5 }])).toEqual([7, 9]);
  });
});

describe('markers', () => {
  it('tell added, moved and closed facilities apart', () => {
    const edits = closeFacility(addFacility(moveFacility([], 7, b), 'A', a, null), 8);
    expect(listMarkers(edits, known)).toEqual([
      { id: 7, kind: 'moved', type: 'MED_CHC', name: 'Old clinic', place: b, from: a, capacity: 40, capacityBefore: 40 },
      { id: -1, kind: 'added', type: 'A', name: null, place: a, from: null, capacity: null, capacityBefore: null },
    ]);
    expect(listMarkers(closeFacility([], 7), known)[0]).toMatchObject({ kind: 'closed', place: a });
  });

  it('tell what a resized facility held', () => {
    expect(listMarkers(resizeFacility([], 7, 60), known)).toMatchObject([{ kind: 'resized', place: a, capacity: 60, capacityBefore: 40 }]);
    expect(listMarkers(resizeFacility(moveFacility([], 7, b), 7, 60), known)).toMatchObject([{ kind: 'moved', place: b, from: a, capacity: 60, capacityBefore: 40 }]);
  });

  it('follow an added facility that others moved', () => {
    const edits: Edit[] = [...addFacility([], 'A', a, null), { op: 'move_facility', facility_id: -1, geometry: { type: 'Point', coordinates: [b.lon, b.lat] } }];
    expect(listMarkers(edits, known)).toMatchObject([{ id: -1, kind: 'added', place: b, from: null }]);
  });

  it('shift by metres', () => {
    const moved = shift({ lon: 0, lat: 60 }, 111_320, 111_320);
    expect(moved.lat).toBeCloseTo(61, 9);
    expect(moved.lon).toBeCloseTo(2, 9);
  });
});

describe('the steps', () => {
  const one = addFacility([], 'A', a, null);
  const two = addFacility(one, 'A', b, null);
  it('go back and forth, and forget the way not taken', () => {
    const history = step(step(NOTHING, one), two);
    expect(undo(history).now).toBe(one);
    expect(redo(undo(history))).toEqual(history);
    expect(step(undo(history), []).future).toEqual([]);
    expect(undo(NOTHING)).toBe(NOTHING);
    expect(redo(NOTHING)).toBe(NOTHING);
  });
  it('of a stored scenario are its batches', () => {
    const history = fromBatches([one], [[{ op: 'close_facility', facility_id: 7 }]]);
    expect(history.now).toEqual(one);
    expect(undo(history).now).toEqual([]);
    expect(redo(history).now).toHaveLength(2);
  });
});

const covered = (count: number, gap: number) => ({ covered: count, gap, unknown: 0, facilities: 1, capacity: null });
const type = (code: string, gained: number, lost: number, changed: number, profile = 'adult'): TypeChange => ({
  type: code, profile, demand_group: 'all', people: 100, people_gained: gained, people_lost: lost, buildings_gained: 0, buildings_lost: 0, buildings_changed: changed, before: covered(1, 2), after: covered(1, 2),
});
const area = (code: string | null, before: number, after: number, more: Partial<AreaChange> = {}): AreaChange => ({
  area_code: code, parent_code: 'p', level: 'community', name: code, type: 'T', profile: 'adult', demand_group: 'all', before: covered(before, 0), after: covered(after, 5), ...more,
});
const building = (id: number, before: string, after: string, s: [number | null, number | null] = [10, 10]): BuildingChange => ({
  building_id: id, type: 'T', profile: 'adult', status_before: before, status_after: after, reach_s_before: s[0], reach_s_after: s[1],
});
const difference = (rows: Partial<Difference>): Difference => ({ types: [], areas: [], buildings_changed: 0, buildings: [], ...rows });

describe('a difference', () => {
  it('lists types that change, most people first', () => {
    const found = difference({ types: [type('A', 0, 0, 0), type('B', 1, 2, 3), type('C', 0, 9, 1), type('D', 0, 0, 4), type('E', 50, 0, 1, 'older')] });
    expect(changedTypes(found, 'adult').map((row) => row.type)).toEqual(['C', 'B', 'D']);
  });

  it('lists the five areas that change most, of one level, type and group', () => {
    const areas = [area('a', 0, 1), area('b', 9, 0), area('c', 5, 5), area('d', 0, 3), area('e', 0, 3), area(null, 0, 4), area('f', 0, 2),
      area('x', 0, 99, { level: 'grid' }), area('y', 0, 99, { demand_group: 'a06_11' }), area('z', 0, 99, { type: 'U' })];
    const top = topAreas(difference({ areas }), { type: 'T', profile: 'adult', level: 'community', group: 'all' });
    expect(top.map((row) => [row.code, row.change])).toEqual([['b', -9], [null, 4], ['d', 3], ['e', 3], ['f', 2]]);
    expect(top[0]?.gap).toBe(5);
  });

  it('colours a building by what becomes of it', () => {
    expect(changeOf(building(1, 'gap', 'covered'))).toBe(CHANGE.gain);
    expect(changeOf(building(1, 'covered', 'gap'))).toBe(CHANGE.loss);
    expect(changeOf(building(1, 'covered', 'unknown'))).toBe(CHANGE.loss);
    expect(changeOf(building(1, 'gap', 'gap', [null, 900]))).toBe(CHANGE.nearer);
    expect(changeOf(building(1, 'gap', 'gap', [900, null]))).toBe(CHANGE.farther);
    expect(changeOf(building(1, 'gap', 'gap', [null, null]))).toBe(CHANGE.none);
  });

  it('colours only the type on show and leaves out what stays', () => {
    const rows = [building(1, 'gap', 'covered'), building(2, 'gap', 'gap'), { ...building(3, 'gap', 'covered'), type: 'U' }, { ...building(4, 'gap', 'covered'), profile: 'older' }];
    expect([...buildingStates(difference({ buildings: rows }), 'T', 'adult')]).toEqual([[1, CHANGE.gain]]);
  });
});

describe('asking only for the latest', () => {
  function setUp() {
    vi.useFakeTimers();
    const asked: { question: string; answer: (text: string) => void; signal: AbortSignal }[] = [];
    const shown: string[] = [];
    const latest = latestOnly<string, string>(
      (question, signal) => new Promise((resolve) => asked.push({ question, answer: resolve, signal })),
      (question, end) => shown.push('answer' in end ? `${question}=${end.answer}` : 'error'),
      50,
    );
    const answer = async (index: number): Promise<void> => {
      asked[index]?.answer('ok');
      await vi.advanceTimersByTimeAsync(50);
    };
    return { asked, shown, latest, answer, questions: () => asked.map((one) => one.question) };
  }

  it('keeps one question under way and asks the newest of those that came meanwhile', async () => {
    const { shown, latest, answer, questions } = setUp();
    for (const question of ['a', 'b', 'c']) latest.soon(question);
    expect(questions()).toEqual(['a']);
    await answer(0);
    expect(questions()).toEqual(['a', 'c']);
    await answer(1);
    expect(shown).toEqual(['a=ok', 'c=ok']);
  });

  it('drops the answer that a drop on the map overtook', async () => {
    const { asked, shown, latest, answer } = setUp();
    latest.soon('drag');
    latest.now('drop');
    expect(asked[0]?.signal.aborted).toBe(true);
    await answer(1);
    await answer(0);
    expect(shown).toEqual(['drop=ok']);
  });

  it('shows nothing after it was stopped', async () => {
    const { shown, latest, answer, questions } = setUp();
    latest.soon('a');
    latest.soon('b');
    latest.stop();
    await answer(0);
    expect(shown).toEqual([]);
    expect(questions()).toEqual(['a']);
  });
});
