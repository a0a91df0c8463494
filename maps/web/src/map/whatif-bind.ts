/** Ties the scenario being tried out to the map. */
import { effect } from '@preact/signals';
import type { Feature, FeatureCollection } from 'geojson';

import { t, typeNameOf } from '../i18n';
import { isNarrow } from '../state/store';
import { cancelDrag, chosenId, drag, drop, isPlacing, isWhatIf, know, markers, place, states } from '../state/whatif';
import type { Marker } from '../whatif/edits';
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

export function bindWhatIf(map: PlannerMap): (() => void)[] {
  return [
    effect(() => map.setData('whatif', collect(isWhatIf.value ? markers.value : [], chosenId.value))),
    effect(() => map.setChanged(states.value)),
    mountWhatIfTool(map.map, {
      isOn: () => isWhatIf.peek(),
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
