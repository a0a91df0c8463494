/** Ties the scenario being tried out to the map. */
import { effect, signal } from '@preact/signals';
import type { Feature, FeatureCollection } from 'geojson';

import { t, typeNameOf, type TextKey } from '../i18n';
import { isNarrow } from '../state/store';
import { cancelDrag, chosenId, drag, drop, isPlacing, isWhatIf, know, markers, place, states } from '../state/whatif';
import { addPoint, change, chosenGround, endPath, ground, isDrawing, isPicking, knownGround, path, tool } from '../state/whatif-ground';
import type { Marker } from '../whatif/edits';
import type { GroundRow, KnownGround, PathPoint } from '../whatif/ground';
import { EMPTY } from './gap-areas';
import { middleOf } from './geometry';
import { mountGroundTool } from './ground-tool';
import type { PlannerMap } from './planner-map';
import { mountWhatIfTool } from './whatif-tool';

/** What stands beside a marker. */
export const markerText = (marker: Marker): string => `${t(`whatif.${marker.kind}`)} · ${marker.name ?? typeNameOf(marker.type)}`;

function collect(rows: readonly Marker[], chosen: number | null): FeatureCollection {
  const features = rows.flatMap((marker): Feature[] => {
    const { id, kind, type, from, place: { lon, lat } } = marker;
    const point: Feature = { type: 'Feature', geometry: { type: 'Point', coordinates: [lon, lat] }, properties: { id, kind, type, chosen: id === chosen, text: markerText(marker) } };
    if (from === null) return [point];
    return [{ type: 'Feature', geometry: { type: 'LineString', coordinates: [[from.lon, from.lat], [lon, lat]] }, properties: { kind } }, point];
  });
  return { type: 'FeatureCollection', features };
}

/** What a row of streets, gates and paths says, on the map and in the list. */
export function groundText(row: GroundRow): string {
  if (row.kind === 'path') return t(row.state === 'closed' ? 'whatif.closed' : row.steps ? 'whatif.newSteps' : 'whatif.newPath');
  return t(`whatif.${row.kind}.${row.state}` as TextKey);
}

const lookOf = (row: GroundRow): string => (row.state === 'closed' ? 'closed' : row.kind === 'path' && row.steps ? 'steps' : 'open');

function collectGround(rows: readonly GroundRow[], known: ReadonlyMap<string, KnownGround>, chosen: string | null): FeatureCollection {
  const features = rows.flatMap((row): Feature[] => {
    const key = `${row.kind}/${row.id}`;
    const geometry = row.kind === 'path' ? row.line : known.get(key)?.shape;
    if (geometry === undefined) return [];
    const properties = { id: row.id, kind: row.kind, look: lookOf(row), text: groundText(row), chosen: key === chosen };
    const middle = row.kind === 'gate' ? null : middleOf(geometry);
    const label: Feature[] = middle === null ? [] : [{ type: 'Feature', geometry: { type: 'Point', coordinates: [middle.lon, middle.lat] }, properties }];
    return [{ type: 'Feature', geometry, properties }, ...label];
  });
  return { type: 'FeatureCollection', features };
}

/** The next stretch begins at the last point, which may have gone since the pointer moved. */
function fromLast(pointer: readonly Feature[], last: number[] | undefined): Feature[] {
  return pointer.flatMap((one): Feature[] => {
    if (one.geometry.type !== 'LineString' || one.properties?.part !== 'next') return [one];
    const to = one.geometry.coordinates.at(-1);
    return last && to ? [{ ...one, geometry: { type: 'LineString', coordinates: [last, to] } }] : [];
  });
}

/** The path as far as it is drawn, and what the pointer adds to it. */
function collectDraft(places: readonly PathPoint[], pointer: readonly Feature[]): FeatureCollection {
  const coordinates = places.map(({ lon, lat }) => [lon, lat]);
  const points = places.map(({ lon, lat, isOn }): Feature => ({ type: 'Feature', geometry: { type: 'Point', coordinates: [lon, lat] }, properties: { part: 'point', isOn } }));
  const line: Feature[] = coordinates.length < 2 ? [] : [{ type: 'Feature', geometry: { type: 'LineString', coordinates }, properties: { part: 'path' } }];
  return { type: 'FeatureCollection', features: [...line, ...points, ...fromLast(pointer, coordinates.at(-1))] };
}

function bindGround(map: PlannerMap): (() => void)[] {
  const pointer = signal<readonly Feature[]>([]);
  mountGroundTool(map.map, {
    mode: () => (isPicking.peek() ? 'pick' : isDrawing.peek() ? 'draw' : null),
    onPick: change,
    path: () => path.peek(),
    onPoint: addPoint,
    onEnd: endPath,
    onPointer: (features) => (pointer.value = features),
  });
  return [
    effect(() => map.setData('whatif-ground', collectGround(isWhatIf.value ? ground.value : [], knownGround.value, chosenGround.value))),
    effect(() => map.setData('whatif-draft', isPicking.value || isDrawing.value ? collectDraft(path.value, pointer.value) : EMPTY)),
  ];
}

export function bindWhatIf(map: PlannerMap): (() => void)[] {
  return [
    ...bindGround(map),
    effect(() => map.setData('whatif', collect(isWhatIf.value ? markers.value : [], chosenId.value))),
    effect(() => map.setChanged(states.value)),
    mountWhatIfTool(map.map, {
      isOn: () => isWhatIf.peek() && tool.peek() === 'facility',
      isPlacing: () => isPlacing.peek(),
      onPlace: (at) => {
        place(at);
        if (isNarrow.peek()) map.flyTo(at, map.map.getZoom()); // the sheet comes up over where it was placed
      },
      onChoose: (facility) => {
        if (typeof facility === 'object' && facility !== null) know(facility);
        chosenId.value = typeof facility === 'number' ? facility : (facility?.id ?? null);
      },
      onDrag: drag,
      onDrop: drop,
      onCancel: cancelDrag,
    }),
  ];
}
