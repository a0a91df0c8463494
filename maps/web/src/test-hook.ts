/** `window.__onemap`: what browser tests may hold on to. `?test=1` stops everything that moves. */
import type { Map as MapLibreMap } from 'maplibre-gl';

import type { UrlState } from './state/url';

export const isTestMode = new URLSearchParams(location.search).get('test') === '1';

export interface TestHook {
  /** Settled once the map has drawn everything it was first asked for. */
  ready: Promise<void>;
  map: MapLibreMap | null;
  state: () => UrlState;
  errors: string[];
}

declare global {
  interface Window {
    __onemap: TestHook;
  }
}
