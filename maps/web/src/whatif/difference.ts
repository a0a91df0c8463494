/** What a difference says: who gains, who loses, where, and how each building is coloured. */
import type { AreaChange, BuildingChange, Difference, TypeChange } from '../api/scenario-types';

/** How a building is drawn: its number is the state the map's layers read. */
export const CHANGE = { none: 0, gain: 1, loss: 2, nearer: 3, farther: 4 } as const;
export type ChangeState = (typeof CHANGE)[keyof typeof CHANGE];

export const TOP_AREAS = 5;

/** Types that anything changes for, for one profile: most people first. */
export function changedTypes(difference: Difference, profile: string): TypeChange[] {
  const moved = (row: TypeChange): number => row.people_gained + row.people_lost;
  return difference.types
    .filter((row) => row.profile === profile && (row.buildings_changed > 0 || moved(row) > 0))
    .sort((a, b) => moved(b) - moved(a) || b.buildings_changed - a.buildings_changed);
}

export interface AreaRow {
  key: string;
  code: string | null;
  name: string | null;
  change: number;
  gap: number;
}

/** The areas of one level whose people covered change most; ties in the order of their codes. */
export function topAreas(difference: Difference, wanted: { type: string; profile: string; level: string; group: string }): AreaRow[] {
  const isMeant = (row: AreaChange): boolean => row.type === wanted.type && row.profile === wanted.profile && row.level === wanted.level && row.demand_group === wanted.group;
  return difference.areas
    .filter(isMeant)
    .map((row) => ({ key: row.area_code ?? `rest-${row.parent_code ?? ''}`, code: row.area_code, name: row.name, change: row.after.covered - row.before.covered, gap: row.after.gap }))
    .filter((row) => row.change !== 0)
    .sort((a, b) => Math.abs(b.change) - Math.abs(a.change) || (a.key < b.key ? -1 : 1))
    .slice(0, TOP_AREAS);
}

export function changeOf(row: BuildingChange): ChangeState {
  if (row.status_after === 'covered' && row.status_before !== 'covered') return CHANGE.gain;
  if (row.status_before === 'covered' && row.status_after !== 'covered') return CHANGE.loss;
  const before = row.reach_s_before ?? Infinity;
  const after = row.reach_s_after ?? Infinity;
  if (after === before) return CHANGE.none;
  return after < before ? CHANGE.nearer : CHANGE.farther;
}

/** The state of every changed building for one type and profile. */
export function buildingStates(difference: Difference, type: string, profile: string): Map<number, ChangeState> {
  const states = new Map<number, ChangeState>();
  for (const row of difference.buildings) {
    if (row.type !== type || row.profile !== profile) continue;
    const state = changeOf(row);
    if (state !== CHANGE.none) states.set(row.building_id, state);
  }
  return states;
}
