/** MapLibre with its worker taken from our own host as a file, so that the page needs no blob: worker. */
import { setWorkerUrl } from 'maplibre-gl';
import 'maplibre-gl/dist/maplibre-gl.css';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';

setWorkerUrl(new URL(workerUrl, import.meta.url).href);

export { Map, AttributionControl, ScaleControl, type GeoJSONSource, type MapGeoJSONFeature, type MapMouseEvent } from 'maplibre-gl';

export interface PointGeometry {
  x: number;
  y: number;
}
