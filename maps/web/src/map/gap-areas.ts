/** Areas of the gap view: shapes fetched once per level, figures joined on as they change. */
import type { Feature, FeatureCollection, Geometry } from 'geojson';

import { getJson } from '../api/client';
import { areasPath, fetchItems } from '../api/endpoints';
import type { AreaRow, Bbox } from '../api/types';
import { boundsOf, labelPoint } from './geometry';

export interface AreaShape {
  /** Row of the areas layer; null where the answer does not tell. */
  id: string | null;
  code: string;
  name: string | null;
  level: string;
  geometry: Geometry;
  label: [number, number] | null;
  box: Bbox | null;
}

export const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] };

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

function toShape(geometry: Geometry | null, properties: Record<string, unknown>, id: string | number | null = null): AreaShape | null {
  const code = text(properties.area_code) ?? text(properties.code);
  if (!geometry || code === null) return null;
  return {
    id: id === null ? null : String(id), code, name: text(properties.name), level: text(properties.level) ?? '', geometry, label: labelPoint(geometry), box: boundsOf(geometry),
  };
}

const isShape = (shape: AreaShape | null): shape is AreaShape => shape !== null;

/** The polygons of one level of a run, by code. */
export async function fetchAreaShapes(
  inputs: { run: string; type: string; profile: string; level: string },
  signal: AbortSignal,
): Promise<Map<string, AreaShape>> {
  const { run, type, profile, level } = inputs;
  const shapes = new Map<string, AreaShape>();
  const params = { type, profile, level, demand_group: 'all', f: 'geojson' };
  const found = await getJson<FeatureCollection<Geometry | null, Record<string, unknown>>>(areasPath(run), params, signal);
  for (const { geometry, properties } of found.features) {
    const shape = toShape(geometry, properties);
    if (shape) shapes.set(shape.code, shape);
  }
  return shapes;
}

const MOST_NAMED_AREAS = 5000;

/** All areas, for names on the base map (one point each however the tiles cut them) and for their cards. */
export async function fetchAllAreas(signal: AbortSignal): Promise<AreaShape[]> {
  const shapes: AreaShape[] = [];
  let after: string | null = null;
  let read = 0;
  do {
    const page = await fetchItems('areas', { limit: 1000, after }, signal);
    read += page.features.length;
    shapes.push(...page.features.map((row) => toShape(row.geometry, row.properties, row.id ?? null)).filter(isShape));
    const next = page.links?.find((link) => link.rel === 'next');
    after = next ? new URL(next.href, document.baseURI).searchParams.get('after') : null;
  } while (after !== null && read < MOST_NAMED_AREAS);
  return shapes;
}

const pointFeature = (shape: AreaShape, properties: Record<string, unknown>): Feature[] =>
  shape.label ? [{ type: 'Feature', geometry: { type: 'Point', coordinates: shape.label }, properties }] : [];

export function namesAsPoints(shapes: readonly AreaShape[]): FeatureCollection {
  return { type: 'FeatureCollection', features: shapes.flatMap((shape) => pointFeature(shape, { name: shape.name ?? shape.code, level: shape.level })) };
}

/** Join rows to shapes: polygons carrying the figures, and one label point each. */
export function joinRows(
  shapes: ReadonlyMap<string, AreaShape>,
  rows: readonly AreaRow[],
  label: (row: AreaRow) => string,
): { polygons: FeatureCollection; labels: FeatureCollection } {
  const polygons: Feature[] = [];
  const labels: Feature[] = [];
  for (const row of rows) {
    const shape = row.area_code === null ? undefined : shapes.get(row.area_code);
    if (!shape) continue;
    const properties = { area_code: shape.code, name: row.name ?? shape.code, people: row.people, gap: row.gap, share_covered: row.share_covered };
    polygons.push({ type: 'Feature', geometry: shape.geometry, properties });
    labels.push(...pointFeature(shape, { ...properties, text: label(row) }));
  }
  return { polygons: { type: 'FeatureCollection', features: polygons }, labels: { type: 'FeatureCollection', features: labels } };
}
