import { describe, expect, it } from 'vitest';

import { DEFAULTS, readHash, writeHash, type UrlState } from '../src/state/url';

const FULL: UrlState = {
  view: { lon: 114.619, lat: 31.1805, zoom: 15.25, bearing: 20, pitch: 45 },
  lang: 'en',
  theme: 'dark',
  tab: 'layers',
  run: '7',
  type: 'EDU_PRIMARY',
  profile: 'older',
  level: 'community',
  everyone: true,
  sort: 'share',
  area: '990101001001',
  selection: { layer: 'buildings', id: '42' },
  circle: { lon: 114.6, lat: 31.2 },
  layers: { buildings: { visible: true, opacity: 0.5 }, streets: { visible: false }, 'large-community': { visible: true } },
};

describe('the address', () => {
  it('gives back every choice it was given', () => {
    expect(readHash(writeHash(FULL))).toEqual(FULL);
  });

  it('is empty for the first look', () => {
    expect(writeHash(DEFAULTS)).toBe('#');
    expect(readHash('')).toEqual(DEFAULTS);
  });

  it('keeps commas and slashes readable', () => {
    expect(writeHash({ ...DEFAULTS, selection: { layer: 'areas', id: '5' }, circle: { lon: 1.5, lat: 2 } })).toBe('#sel=areas/5&circle=1.5,2');
  });

  it.each([
    ['#map=abc', 'view'],
    ['#map=1,2', 'view'],
    ['#map=1,2,99', 'view'],
    ['#map=200,2,9', 'view'],
    ['#map=NaN,2,9', 'view'],
    ['#circle=1', 'circle'],
    ['#circle=1,89', 'circle'],
    ['#sel=buildings', 'selection'],
    ['#sel=/5', 'selection'],
    ['#sel=buildings/', 'selection'],
    ['#lang=fr', 'lang'],
    ['#theme=pink', 'theme'],
    ['#sort=worst', 'sort'],
    ['#tab=other', 'tab'],
    ['#layers=,,:,-', 'layers'],
  ] as const)('falls back to the default for %s', (hash, field) => {
    expect(readHash(hash)[field]).toEqual(DEFAULTS[field]);
  });

  it('holds opacity and pitch to their ranges', () => {
    expect(readHash('#layers=water:7').layers).toEqual({ water: { visible: true, opacity: 1 } });
    expect(readHash('#map=1,2,3,0,89').view?.pitch).toBe(60);
  });

  it('survives text that looks like markup', () => {
    const state = { ...DEFAULTS, type: '"><script>&x=1', area: '区#1 & 2' };
    expect(readHash(writeHash(state))).toEqual(state);
  });
});
