/** Ties the living map to the screen's state, in both directions. */
import { computed, effect, signal, untracked } from '@preact/signals';
import type { FeatureCollection } from 'geojson';

import type { Bbox, Item } from '../api/types';
import { formatCount } from '../format';
import { t } from '../i18n';
import { change, drawCircle, moveView, select } from '../state/actions';
import { createResource, valueOf } from '../state/resource';
import { isWhatIf } from '../state/whatif';
import { isDrawing, isPicking } from '../state/whatif-ground';
import {
  areaRows, BUILDING_LEVEL, catalogueValue, circles, hovered, isCardOpen, isCircleTool, isNarrow, lang, levelName, profileCode, runValue, screen, selectedItem, theme, typeCode,
} from '../state/store';
import { EMPTY, fetchAllAreas, fetchAreaShapes, joinRows, namesAsPoints, type AreaShape } from './gap-areas';
import { boundsOf } from './geometry';
import type { GroundHit } from './hit';
import { PALETTES, peopleBreaks } from './palette';
import { PlannerMap, type Padding } from './planner-map';
import { buildStyle, type StyleInput } from './style';
import { bindWhatIf } from './whatif-bind';

/** The map once it is there; panels use it to fly and to fit. */
export const plannerMap = signal<PlannerMap | null>(null);
/** What lies under the place that the present circles start from. */
export const ground = signal<GroundHit[]>([]);
export const mapError = signal<string | null>(null);
export const isMapReady = signal(false);
export const isSolid = signal(false);

const areaShapes = createResource(
  () => {
    const detail = runValue.value;
    const level = levelName.value;
    if (!detail || level === BUILDING_LEVEL || typeCode.value === null) return null;
    return { run: String(detail.id), level };
  },
  (inputs, abort) =>
    fetchAreaShapes({ ...inputs, type: typeCode.peek() ?? '', profile: profileCode.peek() }, abort),
);

const allAreas = createResource(
  () => catalogueValue.value?.layers.find((layer) => layer.id === 'areas' && layer.rows > 0)?.version ?? null,
  (_version, abort) => fetchAllAreas(abort),
);

const shapesNow = (): ReadonlyMap<string, AreaShape> => valueOf(areaShapes.remote.value) ?? new Map<string, AreaShape>();

const PICKED = { streets: { visible: true }, gates: { visible: true } };

/** How strongly the run's result shows below what a scenario changes. */
const BELOW_CHANGES = 0.42;

export const gapBreaks = (): number[] => peopleBreaks((valueOf(areaRows.remote.value) ?? []).map((row) => row.gap));

/** The box of an area of the level on show, when its shape is here. */
export const areaBox = (code: string): Bbox | null => shapesNow().get(code)?.box ?? null;

const areaByCode = computed(() => new Map((valueOf(allAreas.remote.value) ?? []).map((shape) => [shape.code, shape])));

/** The name of an area. */
export const areaName = (code: string): string | null => areaByCode.value.get(code)?.name ?? shapesNow().get(code)?.name ?? null;

/** Choose an area of the gap view: its row, its outline and, where its row is known, its card. */
export function pickArea(code: string): void {
  const id = areaByCode.peek().get(code)?.id ?? null;
  change({ area: code, circle: null, selection: id === null ? null : { layer: 'areas', id } });
}

export function styleInput(): StyleInput {
  const { layers } = screen.value;
  // what is clicked or drawn upon has to be seen
  const states = isPicking.value ? { ...layers, ...PICKED } : isDrawing.value ? { ...layers, streets: PICKED.streets } : layers;
  const detail = runValue.value;
  const type = typeCode.value;
  const mode = !detail || type === null ? 'none' : levelName.value === BUILDING_LEVEL || isWhatIf.value ? 'building' : 'area';
  return {
    theme: theme.value,
    lang: lang.value,
    layers: catalogueValue.value?.layers ?? [],
    types: catalogueValue.value?.types ?? [],
    states,
    isSolid: isSolid.value && !isWhatIf.value,
    isWhatIf: isWhatIf.value,
    isPicking: isPicking.value,
    gap: { mode, opacity: isWhatIf.value ? BELOW_CHANGES : 1, type, breaks: mode === 'area' ? gapBreaks() : [], run: detail ? String(detail.id) : null, profile: profileCode.value },
  };
}

const asCollection = (item: Item | null): FeatureCollection =>
  item?.geometry ? { type: 'FeatureCollection', features: [{ type: 'Feature', geometry: item.geometry, properties: {} }] } : EMPTY;

function bindData(map: PlannerMap): (() => void)[] {
  return [
    effect(() => {
      const rows = valueOf(areaRows.remote.value) ?? [];
      const language = lang.value;
      const { polygons, labels } = joinRows(shapesNow(), rows, (row) => (row.gap > 0 ? formatCount(row.gap, language) : ''));
      map.setData('gap-areas', polygons);
      map.setData('gap-labels', labels);
    }),
    effect(() => map.setData('area-labels', namesAsPoints(valueOf(allAreas.remote.value) ?? []))),
    effect(() => {
      const found = valueOf(circles.remote.value);
      const features = [...(found?.features ?? [])].sort((a, b) => b.properties.minutes - a.properties.minutes);
      map.setData('circles', { type: 'FeatureCollection', features });
    }),
    effect(() => {
      const { circle } = screen.value;
      map.setData('start', circle ? { type: 'FeatureCollection', features: [{ type: 'Feature', geometry: { type: 'Point', coordinates: [circle.lon, circle.lat] }, properties: {} }] } : EMPTY);
    }),
    effect(() => {
      const { selection, area } = screen.value;
      if (selection) map.setData('selected', asCollection(valueOf(selectedItem.remote.value)));
      else {
        const shape = area === null ? undefined : shapesNow().get(area);
        map.setData('selected', shape ? asCollection({ type: 'Feature', geometry: shape.geometry, properties: {} }) : EMPTY);
      }
    }),
  ];
}

function bindGround(map: PlannerMap): () => void {
  return effect(() => {
    const { circle } = screen.value;
    ground.value = circle && isMapReady.value ? map.under(circle) : [];
  });
}

function bindView(map: PlannerMap): (() => void)[] {
  return [
    effect(() => {
      const { view } = screen.value;
      if (!view) return;
      const now = map.view();
      const isSame = Math.abs(now.lon - view.lon) < 1e-5 && Math.abs(now.lat - view.lat) < 1e-5 && Math.abs(now.zoom - view.zoom) < 0.01;
      if (!isSame && !map.map.isMoving()) map.jumpTo(view);
    }),
    effect(() => {
      const mark = hovered.value;
      map.markArea(mark?.kind === 'area' ? mark.id : null);
    }),
    effect(() => {
      const solid = isSolid.value;
      untracked(() => map.turn(solid ? { pitch: 52 } : { pitch: 0, bearing: 0 }));
    }),
  ];
}

/** Fly to the selected thing when it is not on screen (a row of a list, a search hit). */
export function showBox(box: Bbox | null): void {
  if (box) plannerMap.peek()?.fit(box);
}

export const boxOf = (item: Item | null): Bbox | null => boundsOf(item?.geometry ?? null);

/** Room the panels take from the map, in pixels; in step with layout.css. */
export function freePadding(): Padding {
  const free = { top: 8, right: 8, bottom: 8, left: 8 };
  if (isNarrow.value) return { ...free, right: 64, bottom: innerHeight * 0.5 };
  return { ...free, left: 392, right: isCardOpen.value ? 468 : 56 };
}

/** Make the map in a container; returns what undoes it. */
export function mountMap(container: HTMLElement, isAnimated: boolean): () => void {
  const input = untracked(styleInput);
  const { view } = screen.peek();
  isSolid.value = (view?.pitch ?? 0) > 20;
  const map = new PlannerMap({
    container,
    style: buildStyle(input),
    colours: PALETTES[input.theme],
    view,
    extent: catalogueValue.peek()?.extent ?? null,
    padding: freePadding(),
    isAnimated,
    label: untracked(() => t('map.label')),
    events: {
      onView: moveView,
      onPick: select,
      onArea: pickArea,
      onGround: drawCircle,
      onHoverArea: (code) => (hovered.value = code === null ? null : { kind: 'area', id: code }),
      onError: (message) => (mapError.value = message),
      isCircleTool: () => isCircleTool.peek(),
      isWhatIf: () => isWhatIf.peek(),
    },
  });
  void map.ready.then(() => (isMapReady.value = true));
  const undo = [
    effect(() => {
      const next = styleInput();
      map.setStyle(buildStyle(next), PALETTES[next.theme]);
    }),
    ...bindData(map),
    ...bindView(map),
    bindGround(map),
    ...bindWhatIf(map),
  ];
  plannerMap.value = map;
  return () => {
    undo.forEach((dispose) => dispose());
    plannerMap.value = null;
    map.destroy();
  };
}
