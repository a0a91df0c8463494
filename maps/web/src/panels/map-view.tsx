import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { layerTitle, t } from '../i18n';
import { isMapReady, mapError, mountMap } from '../map/bind';
import { catalogue, catalogueValue, isCircleTool, isNarrow } from '../state/store';
import { newer, showNewer, watchRuns } from '../state/newer';
import { isPlacing } from '../state/whatif';
import { isDrawing, isPicking, path } from '../state/whatif-ground';
import { isTestMode } from '../test-hook';
import { Icon } from '../ui/icon';
import { IconButton, Segmented } from '../ui/parts';
import { TableView, tableLayer } from './table-view';
import { PathBar } from './whatif-tools';

export function canDrawMap(): boolean {
  return document.createElement('canvas').getContext('webgl2') !== null;
}

function Notices(): JSX.Element {
  return (
    <div class="notices" role="status">
      {isCircleTool.value && <p class="notice"><Icon name="bullseye" size={13} /> {t('circle.toolOn')}</p>}
      {isPlacing.value && <p class="notice"><Icon name="flask" size={13} /> {t('whatif.placeHere')}</p>}
      {isPicking.value && <p class="notice"><Icon name="flask" size={13} /> {t('whatif.pickHere')}</p>}
      {isDrawing.value && path.value.length === 0 && <p class="notice"><Icon name="flask" size={13} /> {t('whatif.drawHere')}</p>}
      {isDrawing.value && path.value.length > 0 && <div class="notice is-path">{isNarrow.value ? <PathBar /> : t('whatif.drawKeys')}</div>}
      {newer.value !== null && (
        <p class="notice is-quiet" data-testid="newer">
          <Icon name="arrows-rotate" size={13} /> {t(newer.value === 'run' ? 'newer.run' : 'newer.figures')}
          <button type="button" class="text-button" onClick={showNewer}>{t('newer.show')}</button>
          <IconButton icon="xmark" label={t('action.close')} onClick={() => (newer.value = null)} />
        </p>
      )}
      {mapError.value !== null && (
        <p class="notice is-bad">
          <Icon name="triangle-exclamation" size={13} /> {t('error.map', { what: mapError.value })}
          <IconButton icon="xmark" label={t('action.close')} onClick={() => (mapError.value = null)} />
        </p>
      )}
    </div>
  );
}

/** The map's place on the page. The map itself is plain TypeScript and lives outside Preact. */
export function MapView(): JSX.Element {
  const container = useRef<HTMLDivElement>(null);
  const isReady = catalogueValue.value !== null || catalogue.remote.value.state === 'error';
  useEffect(() => {
    if (!isReady || !container.current) return;
    return mountMap(container.current, !isTestMode);
  }, [isReady]);
  useEffect(watchRuns, []);
  return (
    <div class={`map ${isCircleTool.value ? 'is-tool' : ''}`}>
      <div class="map-canvas" ref={container} />
      {!isMapReady.value && <div class="map-loading" role="status"><span class="spinner" aria-hidden="true" /> {t('map.loading')}</div>}
      <Notices />
    </div>
  );
}

const listed = signal('areas');

/** Without WebGL: the same layers as lists and tables. */
export function NoMap(): JSX.Element {
  const layers = (catalogueValue.value?.layers ?? []).filter((layer) => layer.rows > 0);
  const layer = layers.some((row) => row.id === listed.value) ? listed.value : (layers[0]?.id ?? null);
  useEffect(() => {
    tableLayer.value = layer;
    return () => {
      tableLayer.value = null;
    };
  }, [layer]);
  return (
    <div class="no-map">
      <p class="notice"><Icon name="triangle-exclamation" size={13} /> {t('map.noWebGL')}</p>
      {layer !== null && (
        <>
          <Segmented label={t('tab.layers')} value={layer} onChange={(id) => (listed.value = id)} options={layers.map((row) => ({ value: row.id, label: layerTitle(row) }))} />
          <TableView layer={layer} />
        </>
      )}
    </div>
  );
}
