/** What a click on the map means. */
import type { Selection } from '../state/url';
import type { Map as MapLibreMap, MapGeoJSONFeature, PointGeometry } from './maplibre';

/** Things small enough to be meant when clicked, the first kind hit wins. */
const TARGETS: readonly (readonly string[])[] = [
  ['facility', 'facility-dot'],
  ['gate', 'incident'],
  ['coverage', 'coverage-solid', 'coverage-point', 'coverage-wide', 'building', 'building-solid', 'building-point'],
];
const TOLERANCE_PX = 5;

/** What lies below a place and is too large to be what a click means: named on the circle's card instead. */
const GROUND: Record<string, string> = {
  'area-hit': 'areas', compound: 'compounds', street: 'streets', 'street-path': 'streets', water: 'water', waterway: 'water', rail: 'railway', landuse: 'landuse',
};

const idOf = (feature: MapGeoJSONFeature): string | null => {
  const id: unknown = feature.properties.id ?? feature.properties.building_id ?? feature.id;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : null;
};

const layerOf = (feature: MapGeoJSONFeature): string => (feature.source === 'coverage' ? 'buildings' : feature.source);

const present = (map: MapLibreMap, ids: readonly string[]): string[] => ids.filter((id) => map.getLayer(id) !== undefined);

/** Below this zoom a footprint is too small to be meant where areas carry the message. */
const BUILDINGS_BEFORE_AREAS_ZOOM = 15.5;

/** The small thing under a point, or null when the click is on open ground. */
export function hitTarget(map: MapLibreMap, point: PointGeometry): Selection | null {
  const hasAreas = map.getLayer('gap-area') !== undefined && map.getLayoutProperty('gap-area', 'visibility') === 'visible';
  const targets = hasAreas && map.getZoom() < BUILDINGS_BEFORE_AREAS_ZOOM ? TARGETS.slice(0, -1) : TARGETS;
  const box: [[number, number], [number, number]] = [
    [point.x - TOLERANCE_PX, point.y - TOLERANCE_PX],
    [point.x + TOLERANCE_PX, point.y + TOLERANCE_PX],
  ];
  for (const [rank, ids] of targets.entries()) {
    const isArea = rank === TARGETS.length - 1; // footprints are hit exactly, points with a little help
    const features = map.queryRenderedFeatures(isArea ? [point.x, point.y] : box, { layers: present(map, ids) });
    const feature = features[0];
    const id = feature && idOf(feature);
    if (feature && id !== null && id !== undefined) return { layer: layerOf(feature), id };
  }
  return null;
}

export interface GroundHit extends Selection {
  name: string | null;
}

/** Compounds, streets and other layers below a point, once each. */
export function groundAt(map: MapLibreMap, point: PointGeometry): GroundHit[] {
  const own = present(map, Object.keys(GROUND));
  const extra = map.getLayersOrder().filter((id) => id.startsWith('ref-'));
  const seen = new Map<string, GroundHit>();
  for (const feature of map.queryRenderedFeatures([point.x, point.y], { layers: [...own, ...extra] })) {
    const id = idOf(feature);
    if (id === null) continue;
    const name: unknown = feature.properties.name;
    if (feature.source === 'areas' && feature.properties.level === 'city') continue;
    seen.set(`${feature.source}/${id}`, { layer: feature.source, id, name: typeof name === 'string' ? name : null });
  }
  return [...seen.values()];
}

/** The code of the gap area under a point. */
export function gapAreaAt(map: MapLibreMap, point: PointGeometry): string | null {
  const feature = map.queryRenderedFeatures([point.x, point.y], { layers: present(map, ['gap-area']) })[0];
  const code: unknown = feature?.properties.area_code;
  return typeof code === 'string' ? code : null;
}
