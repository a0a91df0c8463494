/** The whole map as a value: from what is loaded, chosen and computed to one MapLibre style. */
import type { LayerSpecification, SourceSpecification, StyleSpecification } from 'maplibre-gl';

import { apiUrl } from '../api/client';
import type { FacilityType, LayerInfo } from '../api/types';
import type { Lang, LayerState, Theme } from '../state/url';
import { baseLabels, buildingLayers, compoundLayers, landLayers, railLayers, streetLayers, waterLayers, type LayerLook, type LookOf } from './base-layers';
import { draftLayers, groundLayers, groundMarks } from './ground-layers';
import {
  areaEdgeLayers, areaLabels, circleLayers, coverageLayers, facilityLayers, gapAreaEdges, gapAreaLayers, pointLayers, referenceLayers, selectionLayers, startLayers, type GapLook,
} from './overlay-layers';
import { PALETTES } from './palette';
import { changeLayers, markerLayers } from './whatif-layers';

export const COVERAGE = 'coverage';
/** Layers with a look of their own; every other one is drawn by geometry as a reference layer. */
const DRAWN = new Set(['landuse', 'water', 'compounds', 'streets', 'railway', 'buildings', 'areas', 'facilities', 'gates', 'incidents']);
const HIDDEN_AT_FIRST = new Set(['incidents', 'population', 'gates']);
const FIRST_ZOOM: Record<string, number> = { buildings: 12, compounds: 12, gates: 14, streets: 8, facilities: 8, incidents: 9, landuse: 8 };
const LAST_TILE_ZOOM = 16;
const COVERAGE_FIRST_ZOOM = 9;

export interface StyleInput {
  theme: Theme;
  lang: Lang;
  layers: readonly LayerInfo[];
  types: readonly FacilityType[];
  states: Readonly<Record<string, LayerState>>;
  gap: GapLook & { run: string | null; profile: string };
  isSolid: boolean;
  /** A scenario is tried out: changed buildings are drawn over the result. */
  isWhatIf?: boolean;
  /** Streets and gates are there to be clicked. */
  isPicking?: boolean;
}

/** How a layer is shown: what was chosen for it, else its first look. */
export function lookOf(states: Readonly<Record<string, LayerState>>, layer: LayerInfo | undefined, id: string): LayerLook {
  const state = states[id];
  const isKnown = id === COVERAGE || DRAWN.has(id);
  const first = isKnown && !HIDDEN_AT_FIRST.has(id);
  const isThere = id === COVERAGE || (layer !== undefined && layer.rows > 0);
  return { visible: isThere && (state?.visible ?? first), opacity: state?.opacity ?? 1 };
}

/** Tile address template; braces must survive, so the path is not put through `URL`. */
export function tileTemplate(path: string, params: Record<string, string | number> = {}): string {
  const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)])).toString();
  return `${apiUrl('.')}tiles/${path}/{z}/{x}/{y}.mvt${query ? `?${query}` : ''}`;
}

function vectorSource(layer: LayerInfo): SourceSpecification {
  return {
    type: 'vector',
    tiles: [tileTemplate(encodeURIComponent(layer.id), { v: layer.version })],
    minzoom: FIRST_ZOOM[layer.id] ?? 6,
    maxzoom: LAST_TILE_ZOOM,
    ...(layer.extent ? { bounds: layer.extent } : {}),
  };
}

function coverageSource(input: StyleInput, run: string, type: string): SourceSpecification {
  const { profile } = input.gap;
  const { extent, version } = input.layers.find((layer) => layer.id === 'buildings') ?? { extent: null, version: 0 };
  return {
    type: 'vector',
    tiles: [tileTemplate(COVERAGE, { run, type, profile, v: version })],
    minzoom: COVERAGE_FIRST_ZOOM,
    maxzoom: LAST_TILE_ZOOM,
    ...(extent ? { bounds: extent } : {}),
  };
}

const EMPTY = { type: 'FeatureCollection', features: [] } as const;
export const DATA_SOURCES = ['gap-areas', 'gap-labels', 'area-labels', 'circles', 'start', 'selected', 'whatif', 'whatif-ground', 'whatif-draft'] as const;
export type DataSource = (typeof DATA_SOURCES)[number];

function buildSources(input: StyleInput): Record<string, SourceSpecification> {
  const sources: Record<string, SourceSpecification> = {};
  for (const layer of input.layers) if (layer.rows > 0) sources[layer.id] = vectorSource(layer);
  const { run, type } = input.gap;
  if (run && type) sources[COVERAGE] = coverageSource(input, run, type);
  for (const id of DATA_SOURCES) {
    sources[id] = { type: 'geojson', data: { ...EMPTY, features: [] }, ...(id === 'gap-areas' ? { promoteId: 'area_code' } : {}) };
  }
  return sources;
}

function buildLayers(input: StyleInput): LayerSpecification[] {
  const colours = PALETTES[input.theme];
  const infos = new Map(input.layers.map((layer) => [layer.id, layer]));
  const look: LookOf = (id) => lookOf(input.states, infos.get(id), id);
  const cover = look(COVERAGE);
  const gap: GapLook = { ...input.gap, mode: cover.visible ? input.gap.mode : 'none', opacity: cover.opacity * input.gap.opacity };
  const onlyType = gap.mode !== 'none' && input.states.facilities?.visible !== true ? gap.type : null;
  const others = input.layers.filter((layer) => !DRAWN.has(layer.id) && layer.rows > 0);
  return [
    ...landLayers(colours, look),
    ...gapAreaLayers(colours, gap),
    ...waterLayers(colours, look),
    ...compoundLayers(colours, look, { isDimmed: gap.mode === 'area' }),
    ...streetLayers(colours, look),
    ...railLayers(colours, look),
    ...referenceLayers(colours, look, others, input.layers),
    ...areaEdgeLayers(colours, look),
    ...buildingLayers(colours, look, { isDimmed: gap.mode === 'area', isSolid: input.isSolid && gap.mode !== 'building' }),
    ...coverageLayers(colours, gap, input.isSolid),
    ...changeLayers(colours, input.isWhatIf === true),
    ...gapAreaEdges(colours, gap),
    ...circleLayers(colours, input.lang === 'zh' ? ' 分钟' : ' min'),
    ...selectionLayers(colours),
    ...groundLayers(colours),
    ...baseLabels(colours, look),
    ...pointLayers(colours, look, input.isPicking === true),
    ...areaLabels(colours, look, gap),
    ...facilityLayers(colours, look, input.types, onlyType),
    ...startLayers(colours),
    ...groundMarks(colours),
    ...markerLayers(colours, input.types),
    ...draftLayers(colours),
  ];
}

/** Leaves out layers whose source is not loaded: MapLibre refuses them. */
export function buildStyle(input: StyleInput): StyleSpecification {
  const sources = buildSources(input);
  const layers = buildLayers(input).filter((layer) => !('source' in layer) || layer.source in sources);
  return { version: 8, name: `onemap-${input.theme}`, sources, layers, light: { anchor: 'viewport', color: '#ffffff', intensity: 0.3 } };
}
