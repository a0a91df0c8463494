import { describe, expect, it } from 'vitest';

import { compareRuns } from '../src/state/newer';

const total = (gap: number) => ({ type: 'T', profile: 'adult', people: 9, covered: 9 - gap, gap, unknown: 0, share_covered: null, radius_covered: null });
const judged = (id: number, gap: number, version = 1) => ({ id, versions: { streets: version }, totals: [total(gap)] });

describe('a newer run', () => {
  it('is another one, or the same with other figures', () => {
    expect(compareRuns(judged(1, 3), judged(2, 3))).toBe('run');
    expect(compareRuns(judged(1, 3), judged(1, 4))).toBe('figures');
    expect(compareRuns(judged(1, 3), judged(1, 3, 2))).toBe('figures');
    expect(compareRuns(judged(1, 3), judged(1, 3))).toBeNull();
  });
});
