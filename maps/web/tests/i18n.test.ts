import { describe, expect, it } from 'vitest';

import { bandTitle, countedTitle, groupTitle, translate } from '../src/i18n';
import { en } from '../src/i18n/en';
import { zh, type TextKey } from '../src/i18n/zh';
import { screen } from '../src/state/store';

const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '').sort();

describe('texts', () => {
  it('have the same holes in both languages', () => {
    for (const key of Object.keys(zh) as TextKey[]) expect([key, holes(en[key])]).toEqual([key, holes(zh[key])]);
  });

  it('are Chinese in one and not in the other', () => {
    const han = /\p{Script=Han}/u;
    expect(Object.values(en).filter((text) => han.test(text))).toEqual([]);
    expect(Object.entries(zh).filter(([, text]) => /[A-Za-z]{4,}/.test(text.replace(/\{\w+\}|onemap[\w ]*|WebGL/g, '')))).toEqual([]);
  });

  it('fill their holes and leave unknown ones alone', () => {
    expect(translate('en', 'legend.between', { a: 2, b: '5 min' })).toBe('2–5 min');
    expect(translate('en', 'legend.between', { a: 2 })).toBe('2–{b}');
  });

  it('speak of one thing in the singular', () => {
    expect(translate('en', 'layers.rows', { n: '1' })).toBe('1 row');
    expect(translate('en', 'layers.rows', { n: '1,001' })).toBe('1,001 rows');
    expect(translate('zh', 'layers.rows', { n: 1 })).toBe('1 条');
  });

  it('say who is counted where ages are not loaded', () => {
    screen.value = { ...screen.value, lang: 'en' };
    const counted = (people_basis: string, demand_group = 'a00_02'): string =>
      countedTitle({ type: 'T', profile: 'adult', limit_s: 300, demand_group, people_basis });
    expect(counted('group')).toBe('ages 0–2');
    expect(counted('mixed')).toBe('ages 0–2; everybody where no ages are loaded');
    expect(counted('all')).toBe('everybody (no ages loaded)');
    expect(counted('all', 'households')).toBe('everybody');
    expect(counted('all', 'all')).toBe('everybody');
  });

  it('name age bands and groups of them', () => {
    screen.value = { ...screen.value, lang: 'en' };
    expect(bandTitle('a80_up')).toBe('80+');
    expect(groupTitle('a60_64+a65_79+a80_up')).toBe('60+');
    expect(groupTitle('a06_11+a12_14')).toBe('ages 6–14');
    expect(groupTitle('a00_02+a60_64')).toBe('0–2, 60–64');
    expect(groupTitle('all')).toBe('everybody');
    expect(groupTitle('households')).toBe('households');
  });
});
