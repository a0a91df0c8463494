/** Little plane geometry for labels and boxes; degrees in, degrees out, good enough for placing text. */
import type { Geometry, Polygon, Position } from 'geojson';

import type { Bbox } from '../api/types';

function walkPositions(geometry: Geometry, visit: (position: Position) => void): void {
  const walk = (value: unknown): void => {
    if (!Array.isArray(value)) return;
    if (typeof value[0] === 'number') visit(value as Position);
    else value.forEach(walk);
  };
  if (geometry.type === 'GeometryCollection') geometry.geometries.forEach((part) => walkPositions(part, visit));
  else walk(geometry.coordinates);
}

export function boundsOf(geometry: Geometry | null): Bbox | null {
  if (!geometry) return null;
  const box: Bbox = [Infinity, Infinity, -Infinity, -Infinity];
  walkPositions(geometry, ([lon = NaN, lat = NaN]) => {
    box[0] = Math.min(box[0], lon);
    box[1] = Math.min(box[1], lat);
    box[2] = Math.max(box[2], lon);
    box[3] = Math.max(box[3], lat);
  });
  return box.every(Number.isFinite) ? box : null;
}

function ringArea(ring: Position[]): number {
  let sum = 0;
  ring.forEach(([x = 0, y = 0], index) => {
    const [nextX = 0, nextY = 0] = ring[(index + 1) % ring.length] ?? [];
    sum += x * nextY - nextX * y;
  });
  return sum / 2;
}

/** Where a scan line through the middle of the ring is inside for longest. */
function insidePoint(rings: Position[][], lat: number): { point: [number, number]; width: number } | null {
  const crossings: number[] = [];
  for (const ring of rings) {
    ring.forEach(([x = 0, y = 0], index) => {
      const [nextX = 0, nextY = 0] = ring[(index + 1) % ring.length] ?? [];
      if (y > lat !== nextY > lat) crossings.push(x + ((lat - y) / (nextY - y)) * (nextX - x));
    });
  }
  crossings.sort((a, b) => a - b);
  let best: { point: [number, number]; width: number } | null = null;
  for (let index = 0; index + 1 < crossings.length; index += 2) {
    const west = crossings[index] ?? 0;
    const east = crossings[index + 1] ?? 0;
    if (!best || east - west > best.width) best = { point: [(west + east) / 2, lat], width: east - west };
  }
  return best;
}

/** A point inside the largest part, where a label has room. */
export function labelPoint(geometry: Geometry | null): [number, number] | null {
  if (!geometry) return null;
  if (geometry.type === 'Point') return [geometry.coordinates[0] ?? 0, geometry.coordinates[1] ?? 0];
  const parts: Polygon['coordinates'][] =
    geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.type === 'MultiPolygon' ? geometry.coordinates : [];
  const largest = [...parts].sort((a, b) => Math.abs(ringArea(b[0] ?? [])) - Math.abs(ringArea(a[0] ?? [])))[0];
  const box = largest && boundsOf({ type: 'Polygon', coordinates: largest });
  if (!largest || !box) {
    const whole = boundsOf(geometry);
    return whole && [(whole[0] + whole[2]) / 2, (whole[1] + whole[3]) / 2];
  }
  return widestPoint(largest, box);
}

/** The middle if it is wide enough there, else where the part is widest. */
function widestPoint(rings: Position[][], box: Bbox): [number, number] | null {
  const candidates = [0.5, 0.4, 0.6, 0.3, 0.7].map((share) => insidePoint(rings, box[1] + share * (box[3] - box[1])));
  const widest = candidates.filter((row) => row !== null).sort((a, b) => b.width - a.width)[0];
  const middle = candidates[0];
  if (middle && widest && middle.width > 0.6 * widest.width) return middle.point;
  return widest?.point ?? null;
}

/** Half way along a line, or along the longest of several; anything else has its label point. */
export function middleOf(geometry: Geometry): { lon: number; lat: number } | null {
  const lines = geometry.type === 'LineString' ? [geometry.coordinates] : geometry.type === 'MultiLineString' ? geometry.coordinates : null;
  const [lon, lat] = lines === null ? (labelPoint(geometry) ?? []) : halfWay(lines);
  return lon === undefined || lat === undefined ? null : { lon, lat };
}

function halfWay(lines: Position[][]): Position {
  const stretches = (line: Position[]): { from: Position; to: Position; length: number }[] => line.slice(1).map((to, index) => {
    const from = line[index] ?? to;
    const wide = Math.cos(((to[1] ?? 0) * Math.PI) / 180);
    return { from, to, length: Math.hypot(((to[0] ?? 0) - (from[0] ?? 0)) * wide, (to[1] ?? 0) - (from[1] ?? 0)) };
  });
  const sum = (parts: { length: number }[]): number => parts.reduce((total, part) => total + part.length, 0);
  const parts = lines.map(stretches).sort((a, b) => sum(b) - sum(a))[0] ?? [];
  let left = sum(parts) / 2;
  for (const { from, to, length } of parts) {
    if (length >= left && length > 0) return [0, 1].map((axis) => (from[axis] ?? 0) + (left / length) * ((to[axis] ?? 0) - (from[axis] ?? 0)));
    left -= length;
  }
  return lines[0]?.[0] ?? [];
}
