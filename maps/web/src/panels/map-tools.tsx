import type { JSX } from 'preact';

import { t } from '../i18n';
import { isSolid, plannerMap, showBox } from '../map/bind';
import { catalogueValue, isCircleTool } from '../state/store';
import { isWhatIf } from '../state/whatif';
import { IconButton } from '../ui/parts';

/** Buttons on the map: circles, zoom, north, solid view, whole city. */
export function MapTools(): JSX.Element {
  const map = plannerMap.value;
  return (
    <div class="map-tools" role="toolbar" aria-label={t('map.label')} aria-orientation="vertical">
      {!isWhatIf.value && (
        <div class="tool-group">
          <IconButton icon="bullseye" label={t('circle.tool')} isPressed={isCircleTool.value} onClick={() => (isCircleTool.value = !isCircleTool.value)} />
        </div>
      )}
      <div class="tool-group is-zoom">
        <IconButton icon="plus" label={t('map.zoomIn')} onClick={() => map?.zoomBy(1)} />
        <IconButton icon="minus" label={t('map.zoomOut')} onClick={() => map?.zoomBy(-1)} />
      </div>
      <div class="tool-group">
        <IconButton icon="cube" label={isSolid.value ? t('map.flat') : t('map.tilt')} isPressed={isSolid.value} onClick={() => (isSolid.value = !isSolid.value)} />
        <IconButton icon="compass" label={t('map.north')} onClick={() => map?.turn({ bearing: 0 })} />
        <IconButton icon="house" label={t('map.home')} onClick={() => showBox(catalogueValue.value?.extent ?? null)} />
      </div>
    </div>
  );
}
