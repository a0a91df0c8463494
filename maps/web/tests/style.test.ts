import { describe, expect, it } from 'vitest';

import type { FacilityType, LayerInfo } from '../src/api/types';
import { peopleBreaks } from '../src/map/palette';
import { buildStyle, lookOf, tileTemplate, type StyleInput } from '../src/map/style';

const layer = (id: string, rows = 5): LayerInfo => ({
  id, title_zh: id, title_en: id, geometry: 'polygon', rows, version: 3, extent: [114, 31, 115, 32], source: 's', datum: 'wgs84', changed_at: null, fields: [],
});
const TYPE: FacilityType = {
  code: 'EDU_PRIMARY', category: 'education', name_zh: '小学', name_en: 'Primary school', limit_s: 600, walk_minutes: 10, radius_m: 500, testable: true,
  demand_groups: ['a06_11'], clause: null, certainty: null, not_judged_reason: null,
};
const INPUT: StyleInput = {
  theme: 'light', lang: 'zh', layers: ['areas', 'buildings', 'streets', 'facilities', 'flood'].map((id) => layer(id)), types: [TYPE], states: {}, isSolid: false,
  gap: { mode: 'building', opacity: 1, type: 'EDU_PRIMARY', breaks: [], run: '1', profile: 'adult' },
};
const find = (input: StyleInput, id: string): { filter?: unknown; layout?: { visibility?: unknown } } => {
  const found = buildStyle(input).layers.find((one) => one.id === id);
  if (!found) throw new Error(`no layer ${id}`);
  return found;
};
const visibility = (input: StyleInput, id: string): unknown => find(input, id).layout?.visibility;

describe('the map style', () => {
  it('asks no other host and names no glyph or sprite server', () => {
    const style = buildStyle(INPUT);
    expect(style.glyphs).toBeUndefined();
    expect(style.sprite).toBeUndefined();
    for (const address of JSON.stringify(style).match(/https?:\/\/[^"]+/g) ?? []) expect(new URL(address).origin).toBe(location.origin);
  });

  it('draws only layers that are loaded', () => {
    const style = buildStyle({ ...INPUT, layers: [layer('buildings'), layer('water', 0)] });
    const sources = Object.keys(style.sources);
    expect(sources).toContain('buildings');
    expect(sources).not.toContain('water');
    for (const one of style.layers) if ('source' in one) expect(sources).toContain(one.source);
  });

  it('names every layer once', () => {
    const ids = buildStyle(INPUT).layers.map((one) => one.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('puts run, type and profile into the coverage tiles, and versions into the others', () => {
    const { sources } = buildStyle(INPUT);
    expect(JSON.stringify(sources.coverage)).toContain('/tiles/coverage/{z}/{x}/{y}.mvt?run=1&type=EDU_PRIMARY&profile=adult&v=3');
    expect(JSON.stringify(sources.buildings)).toContain('/tiles/buildings/{z}/{x}/{y}.mvt?v=3');
  });

  it('leaves the page’s own query out of tile addresses', () => {
    expect(tileTemplate('areas')).not.toContain('?');
  });

  it('has no coverage before there is a run', () => {
    expect(buildStyle({ ...INPUT, gap: { ...INPUT.gap, mode: 'none', run: null } }).sources.coverage).toBeUndefined();
  });

  it('shows buildings or areas, never both results', () => {
    expect(visibility(INPUT, 'coverage')).toBe('visible');
    expect(visibility(INPUT, 'gap-area')).toBe('none');
    const byArea: StyleInput = { ...INPUT, gap: { ...INPUT.gap, mode: 'area' } };
    expect(visibility(byArea, 'coverage')).toBe('none');
    expect(visibility(byArea, 'gap-area')).toBe('visible');
    const off: StyleInput = { ...INPUT, states: { coverage: { visible: false } } };
    expect([visibility(off, 'coverage'), visibility(off, 'gap-area')]).toEqual(['none', 'none']);
  });

  it('shows only facilities of the type on show, unless all were asked for', () => {
    expect(JSON.stringify(find(INPUT, 'facility').filter)).toContain('EDU_PRIMARY');
    const all: StyleInput = { ...INPUT, states: { facilities: { visible: true } } };
    expect(JSON.stringify(find(all, 'facility').filter)).not.toContain('EDU_PRIMARY');
  });

  it('raises buildings only in the solid view', () => {
    expect([visibility(INPUT, 'coverage'), visibility(INPUT, 'coverage-solid')]).toEqual(['visible', 'none']);
    const solid: StyleInput = { ...INPUT, isSolid: true };
    expect([visibility(solid, 'coverage'), visibility(solid, 'coverage-solid')]).toEqual(['none', 'visible']);
  });

  it('hides what is heavy or strange at first and what is empty always', () => {
    expect(lookOf({}, layer('incidents'), 'incidents').visible).toBe(false);
    expect(lookOf({}, layer('flood'), 'flood').visible).toBe(false);
    expect(lookOf({ flood: { visible: true, opacity: 0.4 } }, layer('flood'), 'flood')).toEqual({ visible: true, opacity: 0.4 });
    expect(lookOf({ water: { visible: true } }, layer('water', 0), 'water').visible).toBe(false);
  });
});

describe('classes of people in the gap', () => {
  it('are rising, round and at most five', () => {
    const breaks = peopleBreaks(Array.from({ length: 100 }, (_unused, index) => index * 37));
    expect(breaks).toHaveLength(4);
    expect([...breaks].sort((a, b) => a - b)).toEqual(breaks);
    for (const cut of breaks) expect(cut % 10 ** Math.max(String(cut).length - 2, 0)).toBe(0);
  });

  it('are none when nobody is in the gap, and never start at nought', () => {
    expect(peopleBreaks([0, 0])).toEqual([]);
    expect(peopleBreaks([1, 1, 1, 1])).toEqual([1]);
  });
});
