/** Bring a living map from one of our styles to the next with the least work; data sources keep their data. */
import type { LayerSpecification, Map as MapLibreMap, SourceSpecification, StyleSpecification, VectorTileSource } from 'maplibre-gl';

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

type Bag = Record<string, unknown>;

function changedKeys(before: Bag, after: Bag): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => !isSame(before[key], after[key]));
}

function updateLayer(map: MapLibreMap, before: LayerSpecification, after: LayerSpecification): void {
  const { id } = after;
  if ('filter' in after && !isSame('filter' in before ? before.filter : undefined, after.filter)) {
    map.setFilter(id, after.filter, { validate: false });
  }
  if (before.minzoom !== after.minzoom || before.maxzoom !== after.maxzoom) {
    map.setLayerZoomRange(id, after.minzoom ?? 0, after.maxzoom ?? 24);
  }
  const paint = (after.paint ?? {}) as Bag;
  for (const key of changedKeys((before.paint ?? {}), paint)) {
    map.setPaintProperty(id, key as 'fill-color', paint[key] as string, { validate: false });
  }
  const layout = (after.layout ?? {}) as Bag;
  for (const key of changedKeys((before.layout ?? {}), layout)) {
    map.setLayoutProperty(id, key as 'visibility', layout[key] as 'visible', { validate: false });
  }
}

function updateSource(map: MapLibreMap, id: string, after: SourceSpecification, before: SourceSpecification): void {
  if (after.type === 'vector' && before.type === 'vector' && !isSame(after.tiles, before.tiles)) {
    map.getSource<VectorTileSource>(id)?.setTiles(after.tiles ?? []);
  }
}

/**
 * Apply what changed between two styles made by `buildStyle`.
 *
 * @returns false when sources or layers came or went, so that the map must take the whole style anew
 */
export function applyStyle(map: MapLibreMap, before: StyleSpecification, after: StyleSpecification): boolean {
  const sameLayers = isSame(before.layers.map((layer) => layer.id), after.layers.map((layer) => layer.id));
  const sameSources = isSame(Object.keys(before.sources), Object.keys(after.sources));
  if (!sameLayers || !sameSources) return false;
  for (const [id, source] of Object.entries(after.sources)) {
    const last = before.sources[id];
    if (last) updateSource(map, id, source, last);
  }
  after.layers.forEach((layer, index) => {
    const last = before.layers[index];
    if (last && !isSame(last, layer)) updateLayer(map, last, layer);
  });
  return true;
}
