import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';

import { apiUrl } from '../api/client';
import { CIRCLE_MINUTES } from '../api/endpoints';
import type { CircleProperties, Circles } from '../api/types';
import { formatCount, formatMetres, formatPlace } from '../format';
import { categoryName, layerTitleOf, profileNameOf, t, typeNameOf } from '../i18n';
import { ground } from '../map/bind';
import { PALETTES } from '../map/palette';
import { select } from '../state/actions';
import { circles, lang, profileCode, screen, theme, typeByCode } from '../state/store';
import { Icon } from '../ui/icon';
import { Fault, Segmented, Skeleton } from '../ui/parts';
import { CardHead } from './card';
import { CategoryBadge } from './type-picker';

const byMinutes = (answer: Circles): CircleProperties[] =>
  answer.features.map((feature) => feature.properties).sort((a, b) => a.minutes - b.minutes);

function Summary({ rows }: { rows: readonly CircleProperties[] }): JSX.Element {
  const language = lang.value;
  const colours = PALETTES[theme.value].circle;
  return (
    <table class="circle-summary">
      <thead>
        <tr>
          <th scope="col"><span class="visually-hidden">{t('circle.title')}</span></th>
          <th scope="col" class="number">{t('circle.people')}</th>
          <th scope="col" class="number">{t('circle.dwellings')}</th>
          <th scope="col" class="number">{t('circle.buildings')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => (
          <tr key={row.minutes} data-minutes={row.minutes}>
            <th scope="row"><span class="swatch swatch-point" style={{ backgroundColor: colours[index] ?? colours[2] }} aria-hidden="true" /> {t('circle.minutes', { n: row.minutes })}</th>
            <td class="number strong" data-testid="circle-people">{formatCount(row.people, language)}</td>
            <td class="number">{formatCount(row.dwellings, language)}</td>
            <td class="number">{formatCount(row.buildings, language)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Counted in sites, or in nothing, a capacity only repeats the number of places. */
function hasCapacity(code: string): boolean {
  const unit = typeByCode.value.get(code)?.capacity_unit ?? '';
  return unit !== '' && unit !== 'sites';
}

function Facilities({ row }: { row: CircleProperties }): JSX.Element {
  const groups = new Map<string, string[]>();
  for (const code of Object.keys(row.facilities)) {
    const category = typeByCode.value.get(code)?.category ?? '';
    groups.set(category, [...(groups.get(category) ?? []), code]);
  }
  if (groups.size === 0) return <p class="none">{t('circle.noFacilities')}</p>;
  return (
    <ul class="circle-facilities">
      {[...groups].map(([category, codes]) => (
        <li key={category}>
          <p class="type-category"><CategoryBadge category={category} /> {categoryName(category)}</p>
          <ul>
            {codes.map((code) => {
              const found = row.facilities[code];
              const capacity = hasCapacity(code) ? found?.capacity : null;
              return (
                <li key={code}>
                  <span>{typeNameOf(code)}</span>
                  <b>{formatCount(found?.count, lang.value)}</b>
                  <small>{typeof capacity === 'number' ? t('circle.capacity', { n: formatCount(capacity, lang.value) }) : ''}</small>
                </li>
              );
            })}
          </ul>
        </li>
      ))}
    </ul>
  );
}

function Under(): JSX.Element | null {
  if (ground.value.length === 0) return null;
  return (
    <p class="chips">
      <span>{t('circle.here')}</span>
      {ground.value.slice(0, 6).map((hit) => (
        <button key={`${hit.layer}/${hit.id}`} type="button" class="chip" onClick={() => select({ layer: hit.layer, id: hit.id })}>
          {hit.name ?? layerTitleOf(hit.layer)}
        </button>
      ))}
    </p>
  );
}

function Found({ answer }: { answer: Circles }): JSX.Element {
  const minutes = useSignal(String(CIRCLE_MINUTES.at(-1)));
  const rows = byMinutes(answer);
  const chosen = rows.find((row) => String(row.minutes) === minutes.value) ?? rows.at(-1);
  const { circle } = screen.value;
  const download = circle ? apiUrl('circles', { lon: circle.lon, lat: circle.lat, minutes: CIRCLE_MINUTES.join(','), profile: profileCode.value }) : '';
  return (
    <>
      <section class="card-section">
        <h3>{t('circle.inside')} <small>{profileNameOf(profileCode.value)}</small></h3>
        <Summary rows={rows} />
        {ground.value.some((hit) => hit.layer === 'compounds') && <p class="finding">{t('circle.inCompound')}</p>}
        {(answer.start.edge_m ?? 0) > 1 && <p class="muted">{t('circle.offStreet', { n: formatMetres(answer.start.edge_m, lang.value) })}</p>}
      </section>
      <section class="card-section">
        <div class="section-head">
          <h3>{t('circle.facilities')}</h3>
          <Segmented label={t('circle.minutes', { n: '' })} value={minutes.value} onChange={(value) => (minutes.value = value)} options={rows.map((row) => ({ value: String(row.minutes), label: t('circle.minutes', { n: row.minutes }) }))} />
        </div>
        {chosen && <Facilities row={chosen} />}
      </section>
      <p class="export"><Icon name="download" size={12} /> <a href={download} download="circles.geojson">GeoJSON</a></p>
    </>
  );
}

/** Who and what can be walked to from a place within 5, 10 and 15 minutes. */
export function CircleCard(): JSX.Element | null {
  const { circle } = screen.value;
  const remote = circles.remote.value;
  if (!circle) return null;
  return (
    <>
      <CardHead eyebrow={t('circle.title')} title={formatPlace(circle.lon, circle.lat)} />
      <div class="card-body">
        <Under />
        {remote.state === 'error' && <Fault error={remote.error} onRetry={circles.retry} />}
        {remote.state === 'loading' && <Skeleton lines={9} />}
        {remote.state === 'ready' && <Found answer={remote.value} />}
      </div>
    </>
  );
}
