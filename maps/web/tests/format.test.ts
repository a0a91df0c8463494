import { describe, expect, it } from 'vitest';

import { formatCount, formatFact, formatMetres, formatMinutes, formatPlace, formatShare, formatTime, NO_VALUE } from '../src/format';

describe('numbers as text', () => {
  it('groups thousands and never shows decimals of people', () => {
    expect(formatCount(1234567, 'zh')).toBe('1,234,567');
    expect(formatCount(0, 'en')).toBe('0');
  });

  it('writes seconds as minutes with one decimal at most', () => {
    expect(formatMinutes(900, 'zh')).toBe('15 分');
    expect(formatMinutes(905.2, 'en')).toBe('15.1 min');
  });

  it('writes shares with one decimal', () => {
    expect(formatShare(0.4117, 'en')).toBe('41.2%');
    expect(formatShare(1, 'zh')).toBe('100.0%');
  });

  it('writes metres without decimals', () => {
    expect(formatMetres(1234.6, 'zh')).toBe('1,235 米');
    expect(formatMetres(300, 'en')).toBe('300 m');
  });

  it('puts latitude first, as people read places', () => {
    expect(formatPlace(114.5, 31.25)).toBe('31.25000, 114.50000');
  });

  it.each([null, undefined])('shows %s as no value, never as nought', (value) => {
    for (const format of [formatCount, formatShare, formatMinutes, formatMetres, formatFact]) expect(format(value, 'zh')).toBe(NO_VALUE);
    expect(formatTime(value, 'en')).toBe(NO_VALUE);
  });

  it('tells facts of every kind apart', () => {
    expect(formatFact(true, 'zh')).toBe('是');
    expect(formatFact(false, 'en')).toBe('no');
    expect(formatFact(12.345, 'en')).toBe('12.35');
    expect(formatFact('2011-09-11', 'en')).toBe('2011-09-11');
    expect(formatFact({ a: 1 }, 'en')).toBe('{"a":1}');
    expect(formatFact('', 'en')).toBe(NO_VALUE);
  });
});
