import { describe, expect, it } from 'vitest';

import { boundsOf, labelPoint, middleOf } from '../src/map/geometry';

const square = (west: number, south: number, size: number): number[][] => [
  [west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south],
];

describe('label points', () => {
  it('are the middle of a square', () => {
    expect(labelPoint({ type: 'Polygon', coordinates: [square(0, 0, 2)] })).toEqual([1, 1]);
  });

  it('stand in the largest part', () => {
    expect(labelPoint({ type: 'MultiPolygon', coordinates: [[square(0, 0, 1)], [square(10, 10, 4)]] })).toEqual([12, 12]);
  });

  it('stay inside a horseshoe and out of a hole', () => {
    const shoe = [[0, 0], [3, 0], [3, 3], [2, 3], [2, 1], [1, 1], [1, 3], [0, 3], [0, 0]];
    const [x = NaN, y = NaN] = labelPoint({ type: 'Polygon', coordinates: [shoe] }) ?? [];
    expect(x <= 1 || x >= 2 || y <= 1).toBe(true);
    const [holeX = NaN] = labelPoint({ type: 'Polygon', coordinates: [square(0, 0, 4), square(1, 1, 2)] }) ?? [];
    expect(holeX < 1 || holeX > 3).toBe(true);
  });

  it('are the point of a point and nothing of nothing', () => {
    expect(labelPoint({ type: 'Point', coordinates: [5, 6] })).toEqual([5, 6]);
    expect(labelPoint(null)).toBeNull();
  });
});

describe('boxes', () => {
  it('hold every part', () => {
    expect(boundsOf({ type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 2] }, { type: 'LineString', coordinates: [[-1, 5], [0, 0]] }] })).toEqual([-1, 0, 1, 5]);
  });

  it('are nothing for what is empty', () => {
    expect(boundsOf(null)).toBeNull();
    expect(boundsOf({ type: 'MultiPolygon', coordinates: [] })).toBeNull();
  });
});

describe('the middle of a line', () => {
  it('is half way along it, not half way through its corners', () => {
    expect(middleOf({ type: 'LineString', coordinates: [[0, 0], [1, 0], [2, 0], [10, 0]] })?.lon).toBeCloseTo(5, 9);
  });
  it('is that of the longest of several', () => {
    expect(middleOf({ type: 'MultiLineString', coordinates: [[[0, 0], [1, 0]], [[5, 0], [9, 0]]] })?.lon).toBeCloseTo(7, 9);
  });
  it('is the point itself where there is no line', () => {
    expect(middleOf({ type: 'Point', coordinates: [3, 4] })).toEqual({ lon: 3, lat: 4 });
    expect(middleOf({ type: 'LineString', coordinates: [[3, 4], [3, 4]] })).toEqual({ lon: 3, lat: 4 });
  });
});
