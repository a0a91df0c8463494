import { describe, expect, it, vi } from 'vitest';

import type { AreaRow, FacilityType, LayerInfo } from '../src/api/types';
import type { RankRow } from '../src/panels/ranking';

// panels reach the map, and the map reaches for WebGL and a worker, which this environment has not
vi.mock('../src/map/maplibre', () => ({ Map: vi.fn(), ScaleControl: vi.fn() }));

const { completenessOf, passesRadius } = await import('../src/panels/building-card');
const { compareVersions } = await import('../src/panels/freshness');
const { groupLayers } = await import('../src/panels/layer-tree');
const { fromArea, fromBuilding, sortRows } = await import('../src/panels/ranking');
const { groupTypes } = await import('../src/panels/type-picker');
const { firstType, sumAreas } = await import('../src/state/store');

const rank = (name: string, gap: number, share: number | null): RankRow => ({ id: name, name, gap, people: gap * 2, share, missing_s: null, place: null, detail: null });

describe('the ranking', () => {
  const rows = [rank('b', 5, 0.9), rank('a10', 9, null), rank('a9', 9, 0.1)];
  const order = (key: Parameters<typeof sortRows>[1]): string => sortRows(rows, key, 'en').map((row) => row.name).join(' ');

  it('puts most people in the gap first, names within a tie', () => expect(order('gap')).toBe('a9 a10 b'));
  it('puts the least covered share first when asked', () => expect(order('share').startsWith('a10')).toBe(true));
  it('counts numbers inside names', () => expect(order('name')).toBe('a9 a10 b'));

  it('calls rows without a code unassigned', () => {
    const row: AreaRow = { area_code: null, level: 'grid', name: null, type: 'T', profile: 'adult', people: 3, covered: 1, gap: 2, unknown: 0, share_covered: 1 / 3, radius_covered: null };
    expect(fromArea(row, 'Unassigned').name).toBe('Unassigned');
  });

  it('tells a building beyond reach from one that is late', () => {
    const row = { building_id: 7, source_id: 'b-7', lon: 1, lat: 2, area_code: null, people: 3, type: 'T', profile: 'adult', limit_s: 300, radius_m: 1, facility_id: null, status: 'gap' as const };
    expect(fromBuilding({ ...row, reach_s: null }).missing_s).toBeNull();
    expect(fromBuilding({ ...row, reach_s: 345.5 }).missing_s).toBe(45.5);
  });
});

describe('the radius test', () => {
  it('counts the exact metre as near enough', () => {
    expect(passesRadius(300, 300)).toBe(true);
    expect(passesRadius(300.001, 300)).toBe(false);
  });
  it('fails where there is nothing and says nothing where no radius is set', () => {
    expect(passesRadius(null, 300)).toBe(false);
    expect(passesRadius(10, null)).toBeNull();
  });
});

describe('completeness', () => {
  const card = (profile: string) => ({ profile, met: 1, required: 2, share: 0.5, missing: [], not_judged: [] });
  it('is that of the profile on show', () => {
    expect(completenessOf({ completeness: [card('adult'), card('older')] }, 'older')?.profile).toBe('older');
  });
  it('may be absent', () => expect(completenessOf({ completeness: [] }, 'adult')).toBeNull());
});

describe('everybody’s totals', () => {
  const own = { type: 'T', profile: 'adult', people: 1, covered: 1, gap: 0, unknown: 0, share_covered: 1, radius_covered: 1 };
  const area = (covered: number, gap: number): AreaRow => ({ ...own, demand_group: 'all', area_code: 'x', level: 'grid', name: 'x', people: covered + gap, covered, gap, radius_covered: covered });
  it('add up the areas', () => {
    expect(sumAreas(own, [area(3, 1), area(0, 4)])).toMatchObject({ people: 8, covered: 3, gap: 5, share_covered: 3 / 8, radius_covered: 3 });
  });
  it('wait for areas of the same type and group', () => {
    expect(sumAreas(own, [])).toBeNull();
    expect(sumAreas(own, [{ ...area(1, 1), demand_group: 'a06_11' }])).toBeNull();
    expect(sumAreas(own, [{ ...area(1, 1), type: 'U' }])).toBeNull();
  });
});

describe('the type to open on', () => {
  const total = (type: string, gap: number) => ({ type, profile: 'adult', people: 10, covered: 10 - gap, gap, unknown: 0, share_covered: null, radius_covered: null });
  const sites = (type: string, facilities: number) => ({ type, profile: 'adult', limit_s: 300, demand_group: 'all', facilities });
  const totals = [total('A', 10), total('B', 3), total('C', 7)];
  const types = ['A', 'B', 'C'];

  it('is the one with sites and most people in the gap', () => {
    expect(firstType({ types, totals, columns: [sites('A', 0), sites('B', 2), sites('C', 1)] })).toBe('C');
  });
  it('may lack sites where every type does', () => {
    expect(firstType({ types, totals, columns: types.map((type) => sites(type, 0)) })).toBe('A');
  });
});

describe('lists to choose from', () => {
  const type = (code: string, category: string, nameZh: string): FacilityType => ({
    code, category, name_zh: nameZh, name_en: code.toLowerCase(), limit_s: 300, walk_minutes: 5, radius_m: null, testable: true, demand_groups: [], clause: null, certainty: null, not_judged_reason: null,
  });
  const types = [type('EDU_PRIMARY', 'education', '小学'), type('MED_CHC', 'medical', '社区卫生服务中心'), type('EDU_JUNIOR', 'education', '初中')];

  it('group types by category in the pack’s order', () => {
    expect(groupTypes(types, '').map((group) => [group.category, group.types.length])).toEqual([['education', 2], ['medical', 1]]);
  });
  it('find types in Chinese, in English and by code', () => {
    expect(['卫生', 'med_chc', 'MED'].map((query) => groupTypes(types, query).flatMap((group) => group.types).length)).toEqual([1, 1, 1]);
  });
  it('find layers and keep results on top', () => {
    const entry = (id: string, title: string) => ({ id, title, layer: undefined });
    const found = groupLayers([entry('flood', '洪水'), entry('coverage', '缺口'), entry('streets', '道路')], '');
    expect(found.map((row) => row.group)).toEqual(['results', 'places', 'reference']);
    expect(groupLayers([entry('flood', '洪水')], 'FLO')).toHaveLength(1);
    expect(groupLayers([entry('flood', '洪水')], 'x')).toHaveLength(0);
  });
});

describe('freshness', () => {
  const layer = (id: string, version: number): LayerInfo => ({ id, title_zh: null, title_en: null, geometry: null, rows: 1, version, extent: null, source: null, datum: null, changed_at: null, fields: [] });
  it('sees a layer that moved on, and leaves alone one the run never used', () => {
    const rows = compareVersions([layer('streets', 4), layer('areas', 2), layer('flood', 9)], { streets: 3, areas: 2 });
    expect(rows.map((row) => row.isStale)).toEqual([true, false, false]);
  });
});
