import type { JSX } from 'preact';

import type { LayerInfo } from '../api/types';
import { formatCount, formatTime, NO_VALUE } from '../format';
import { layerTitle, t } from '../i18n';
import { catalogueValue, lang, runValue } from '../state/store';
import { Icon } from '../ui/icon';
import { Popover } from '../ui/parts';

export interface Freshness {
  layer: LayerInfo;
  used: number | string | null;
  isStale: boolean;
}

/** Which version of each layer the run used, beside the version there is now. */
export function compareVersions(layers: readonly LayerInfo[], versions: Readonly<Record<string, number | string>>): Freshness[] {
  return layers
    .filter((layer) => layer.rows > 0)
    .map((layer) => {
      const used = versions[layer.id] ?? null;
      return { layer, used, isStale: used !== null && String(used) !== String(layer.version) };
    });
}

/** When the figures were computed, and whether anything has changed since. */
export function Freshness(): JSX.Element | null {
  const run = runValue.value;
  const layers = catalogueValue.value?.layers;
  if (!layers) return null;
  const rows = compareVersions(layers, run?.versions ?? {});
  const stale = rows.filter((row) => row.isStale).length;
  const state = !run ? 'none' : stale > 0 ? 'stale' : 'fresh';
  const time = run ? t('fresh.run', { time: formatTime(run.created_at, lang.value) }) : t('fresh.none');
  const verdict = stale > 0 ? t('fresh.stale', { n: stale }) : t('fresh.current');
  const button = (
    <span class={`freshness is-${state}`}>
      <span class="freshness-light" aria-hidden="true" />
      <span class="freshness-text">{time}</span>
      {stale > 0 && <Icon name="triangle-exclamation" size={12} />}
    </span>
  );
  return (
    <Popover label={`${t('fresh.title')}: ${time}${run ? `, ${verdict}` : ''}`} button={button} class="freshness-popover">
      <h2>{t('fresh.title')}</h2>
      <p>
        {time}
        {run && ` · ${verdict}`}
        {typeof run?.duration_s === 'number' && ` · ${t('fresh.duration', { n: run.duration_s.toFixed(1) })}`}
      </p>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">{t('fresh.layer')}</th>
            <th scope="col" class="number">{t('fresh.used')}</th>
            <th scope="col" class="number">{t('fresh.now')}</th>
            <th scope="col">{t('fresh.changed')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ layer, used, isStale }) => (
            <tr key={layer.id} class={isStale ? 'is-stale' : ''}>
              <th scope="row">{layerTitle(layer)}</th>
              <td class="number">{used ?? NO_VALUE}</td>
              <td class="number">{formatCount(layer.version, lang.value)}</td>
              <td>{formatTime(layer.changed_at, lang.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Popover>
  );
}
