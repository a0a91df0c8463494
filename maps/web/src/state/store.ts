/** Everything the screen knows: the choices in the address, and what was fetched for them. */
import { computed, signal } from '@preact/signals';

import {
  fetchAreaRows,
  fetchBuildingReach,
  fetchCatalogue,
  fetchCircles,
  fetchGapBuildings,
  fetchItem,
  fetchRun,
  fetchRuns,
} from '../api/endpoints';
import type { AreaRow, FacilityType, LayerInfo, LevelInfo, Profile, RunColumn, RunDetail, Totals } from '../api/types';
import { createResource, valueOf } from './resource';
import { readHash, type Lang, type Theme, type UrlState } from './url';

export const BUILDING_LEVEL = 'building';
const MOST_BUILDINGS_LISTED = 20_000;

/** The one writable description of the screen; everything else follows from it. */
export const screen = signal<UrlState>(readHash(location.hash));

const remembered = (name: string): string | null => {
  try {
    return localStorage.getItem(`onemap.${name}`);
  } catch {
    return null; // storage is switched off: the address still carries the choice
  }
};

const prefersDark = (): boolean => matchMedia('(prefers-color-scheme: dark)').matches;

export const lang = computed<Lang>(() => screen.value.lang ?? (remembered('lang') === 'en' ? 'en' : 'zh'));
export const theme = computed<Theme>(() => {
  const chosen = screen.value.theme ?? remembered('theme');
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return prefersDark() ? 'dark' : 'light';
});

/** True while the next click on the map draws circles instead of opening a card. */
export const isCircleTool = signal(false);
/** A row or feature under the pointer, shown in the table and on the map alike. */
export const hovered = signal<{ kind: 'area' | 'building'; id: string } | null>(null);
export const NARROW = '(max-width: 820px)';
export const isNarrow = signal(matchMedia(NARROW).matches);
/** Which height the bottom sheet of a phone stands at. */
export const sheet = signal<'peek' | 'half' | 'full'>('half');

export const catalogue = createResource(() => 'catalogue', (_inputs, abort) => fetchCatalogue(abort), { keepsLast: true });
export const catalogueValue = computed(() => valueOf(catalogue.remote.value));

export const runs = createResource(() => 'runs', (_inputs, abort) => fetchRuns(abort), { keepsLast: true });
export const run = createResource(() => screen.value.run, (id, abort) => fetchRun(id, abort), { keepsLast: true });
export const runValue = computed(() => valueOf(run.remote.value));

const byCode = <T extends { code: string }>(rows: readonly T[]): Map<string, T> =>
  new Map(rows.map((row) => [row.code, row]));

export const typeByCode = computed<Map<string, FacilityType>>(() => byCode(catalogueValue.value?.types ?? []));
export const profileByCode = computed<Map<string, Profile>>(() => byCode(catalogueValue.value?.profiles ?? []));
export const layerById = computed<Map<string, LayerInfo>>(
  () => new Map((catalogueValue.value?.layers ?? []).map((layer) => [layer.id, layer])),
);
export const levels = computed<LevelInfo[]>(() => {
  const judged = runValue.value?.levels;
  return (catalogueValue.value?.levels ?? []).filter((row) => row.areas > 0 && (judged?.includes(row.level) ?? true));
});

/** Types of a run without a single facility: their gap says what was loaded, not what stands there. */
export function findTypesWithoutSites(columns: readonly RunColumn[]): ReadonlySet<string> {
  return new Set(columns.filter((row) => row.facilities === 0).map((row) => row.type));
}

export const typesWithoutSites = computed(() => findTypesWithoutSites(runValue.value?.columns ?? []));

/** The type with sites and most people in the gap; one without sites only where no other was judged. */
export function firstType(detail: Pick<RunDetail, 'types' | 'columns' | 'totals'>): string | null {
  const empty = findTypesWithoutSites(detail.columns);
  const order = [...detail.totals].sort((a, b) => Number(empty.has(a.type)) - Number(empty.has(b.type)) || b.gap - a.gap);
  return order[0]?.type ?? detail.types[0] ?? null;
}

/** The type on show: the chosen one, else the one the run finds most people without. */
export const typeCode = computed<string | null>(() => {
  const detail = runValue.value;
  const chosen = screen.value.type;
  if (!detail) return chosen;
  const judged = new Set(detail.types);
  if (chosen !== null && judged.has(chosen)) return chosen;
  return firstType(detail);
});

export const profileCode = computed<string>(() => {
  const profiles = runValue.value?.profiles ?? [];
  const chosen = screen.value.profile;
  return profiles.length === 0 || profiles.includes(chosen) ? chosen : (profiles[0] ?? chosen);
});

/** The deepest level but one is what a planner reads first: communities before single grids. */
export const levelName = computed<string>(() => {
  const chosen = screen.value.level;
  const known = levels.value.map((row) => row.level);
  if (chosen === BUILDING_LEVEL || known.includes(chosen)) return chosen;
  if (known.includes('community')) return 'community';
  return known.at(-1) ?? BUILDING_LEVEL;
});

export const column = computed<RunColumn | null>(
  () =>
    runValue.value?.columns.find((row) => row.type === typeCode.value && row.profile === profileCode.value) ?? null,
);

/** Which people are counted: the type's own group, or everybody. */
export const demandGroup = computed<string | null>(() =>
  screen.value.everyone ? 'all' : (column.value?.demand_group ?? null),
);

export const totals = computed<Totals | null>(() => {
  const row = (runValue.value?.totals ?? []).find(
    (one) => one.type === typeCode.value && one.profile === profileCode.value,
  );
  if (!row || demandGroup.value !== 'all' || column.value?.demand_group === 'all') return row ?? null;
  return sumAreas(row, valueOf(areaRows.remote.value) ?? []);
});

/** Everybody's totals, added up from the areas of one level, which always hold everybody. */
export function sumAreas(own: Totals, rows: readonly AreaRow[]): Totals | null {
  if (rows.length === 0 || rows.some((row) => row.demand_group !== 'all' || row.type !== own.type)) return null;
  const sum = (valueOf_: (row: AreaRow) => number | null): number => rows.reduce((total, row) => total + (valueOf_(row) ?? 0), 0);
  const people = sum((row) => row.people);
  const covered = sum((row) => row.covered);
  return {
    ...own, demand_group: 'all', people, covered, gap: sum((row) => row.gap), unknown: sum((row) => row.unknown),
    share_covered: people > 0 ? covered / people : null,
    radius_covered: own.radius_covered === null ? null : sum((row) => row.radius_covered),
  };
}

const gapQuery = computed(() => {
  const detail = runValue.value;
  const type = typeCode.value;
  return detail && type ? { run: String(detail.id), type, profile: profileCode.value } : null;
});

export const areaRows = createResource(
  () => {
    const query = gapQuery.value;
    const level = levelName.value === BUILDING_LEVEL ? (levels.value[0]?.level ?? '') : levelName.value;
    return query && level ? { ...query, level, demandGroup: demandGroup.value } : null;
  },
  (inputs, abort) => fetchAreaRows(inputs, abort),
  { keepsLast: true },
);

export const gapBuildings = createResource(
  () => {
    const query = gapQuery.value;
    if (!query || levelName.value !== BUILDING_LEVEL) return null;
    return { ...query, area: screen.value.area, most: MOST_BUILDINGS_LISTED };
  },
  (inputs, abort) => fetchGapBuildings(inputs, abort),
  { keepsLast: true },
);

export const selectedItem = createResource(
  () => screen.value.selection,
  (selection, abort) => fetchItem(selection.layer, selection.id, abort),
);

export const buildingReach = createResource(
  () => {
    const { selection } = screen.value;
    const detail = runValue.value;
    if (selection?.layer !== 'buildings' || !detail) return null;
    return { run: String(detail.id), building: selection.id, profile: profileCode.value };
  },
  (inputs, abort) => fetchBuildingReach(inputs.run, inputs.building, inputs.profile, abort),
);

export const circles = createResource(
  () => {
    const { circle } = screen.value;
    return circle && { ...circle, profile: profileCode.value };
  },
  (inputs, abort) => fetchCircles(inputs.lon, inputs.lat, inputs.profile, abort),
);

export const isCardOpen = computed(() => screen.value.selection !== null || screen.value.circle !== null);
