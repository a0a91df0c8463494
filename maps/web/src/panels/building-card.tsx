import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';

import type { BuildingReach, Completeness, ReachResult } from '../api/types';
import { formatCount, formatMetres, formatMinutes, formatShare, NO_VALUE } from '../format';
import { AGE_BANDS, bandTitle, categoryName, fieldTitle, t, typeNameOf } from '../i18n';
import { change } from '../state/actions';
import { buildingReach, lang, profileCode, run, typeByCode, typeCode } from '../state/store';
import { Fault, Skeleton } from '../ui/parts';
import { CategoryBadge } from './type-picker';

const OF_WHICH = ['floating', 'living_alone_60_up', 'new_employment', 'households', 'dual_earner_households'];
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);

function Residents({ answer }: { answer: BuildingReach }): JSX.Element | null {
  const groups = answer.residents ?? {};
  const people = number(groups.people) ?? number(answer.building.people);
  const bands = AGE_BANDS.map((band) => ({ band, count: number(groups[band]) }));
  const most = Math.max(...bands.map((row) => row.count ?? 0), 1);
  const hasBands = bands.some((row) => row.count !== null);
  const language = lang.value;
  const others = OF_WHICH.filter((name) => number(groups[name]) !== null);
  return (
    <section class="card-section">
      <h3>{t('card.residents')} <b data-testid="building-people">{formatCount(people, language)}</b> {t('card.people')}</h3>
      {hasBands && (
        <ul class="bands">
          {bands.map(({ band, count }) => (
            <li key={band}>
              <span>{bandTitle(band)}</span>
              <span class="band-track" aria-hidden="true"><span style={{ width: `${((count ?? 0) / most) * 100}%` }} /></span>
              <b>{formatCount(count, language)}</b>
            </li>
          ))}
        </ul>
      )}
      {others.length > 0 && (
        <p class="of-which">{others.map((name) => `${fieldTitle('population', name)} ${formatCount(number(groups[name]), language)}`).join(' · ')}</p>
      )}
    </section>
  );
}

/** The completeness of the profile on show. */
export function completenessOf(answer: Pick<BuildingReach, 'completeness'>, profile: string): Completeness | null {
  const { completeness } = answer;
  if (!Array.isArray(completeness)) return completeness;
  return completeness.find((row) => row.profile === profile) ?? completeness[0] ?? null;
}

function CompletenessView({ answer }: { answer: BuildingReach }): JSX.Element | null {
  const row = completenessOf(answer, profileCode.value);
  if (!row) return null;
  const share = row.share ?? 0;
  return (
    <section class="card-section completeness">
      <h3>{t('card.completeness')}</h3>
      <div class="meter-line">
        <strong>{formatShare(row.share, lang.value)}</strong>
        <div class="meter" role="meter" aria-valuemin={0} aria-valuemax={1} aria-valuenow={share} aria-label={t('card.completeness')}><span style={{ width: `${share * 100}%` }} /></div>
      </div>
      <p>{t('card.completenessOf', { met: row.met, required: row.required })}</p>
      {row.missing.length > 0 && <p class="missing-list"><b>{t('card.missing')}</b>{row.missing.map(typeNameOf).join(lang.value === 'zh' ? '、' : ', ')}</p>}
      {row.not_judged.length > 0 && (
        <p class="muted" title={row.not_judged.map((entry) => typeNameOf(typeof entry === 'string' ? entry : entry.code)).join(', ')}>{t('card.notJudged', { n: row.not_judged.length })}</p>
      )}
    </section>
  );
}

const radiusLimit = (row: ReachResult): number | null => row.radius_limit_m ?? typeByCode.value.get(row.type)?.radius_m ?? null;

/** Whether the straight line is short enough; null where the standard sets no radius. */
export function passesRadius(distance_m: number | null, limit_m: number | null): boolean | null {
  if (limit_m === null) return null;
  return distance_m !== null && distance_m <= limit_m;
}

function Verdict({ isPassed }: { isPassed: boolean | null }): JSX.Element {
  const [mark, kind] = isPassed === null ? [NO_VALUE, 'none'] : isPassed ? ['✓', 'pass'] : ['✗', 'fail'];
  const label = isPassed === null ? t('gap.noRadius') : t(isPassed ? 'totals.covered' : 'totals.gap');
  return <span class={`verdict is-${kind}`} role="img" aria-label={label}>{mark}</span>;
}

function walkText(row: ReachResult): string {
  if (row.status === 'unknown') return t('card.notLinked');
  return row.reach_s === null ? t('card.noRoute') : formatMinutes(row.reach_s, lang.value);
}

function ReachRow({ row }: { row: ReachResult }): JSX.Element {
  const language = lang.value;
  const limit = radiusLimit(row);
  const share = row.reach_s === null ? 1 : Math.min(row.reach_s / (2 * row.limit_s), 1);
  const isWall = row.status === 'gap' && passesRadius(row.radius_m, limit) === true;
  return (
    <tr data-type={row.type} class={`is-${row.status} ${row.type === typeCode.value ? 'is-chosen' : ''}`}>
      <th scope="row">
        <button type="button" onClick={() => change({ type: row.type })}>{typeNameOf(row.type)}</button>
        <span class="reach-track" aria-hidden="true"><span class={`part-${row.status}`} style={{ width: `${share * 100}%` }} /><i /></span>
        <small>{row.facility_name ?? (row.facility_id === null ? '' : `#${row.facility_id}`)}</small>
      </th>
      <td>
        <Verdict isPassed={row.status === 'unknown' ? null : row.status === 'covered'} /> <span class="reach-value" data-reach={row.reach_s ?? ''}>{walkText(row)}</span>
        <small>{t('card.limit', { n: formatMinutes(row.limit_s, language) })}</small>
      </td>
      <td class={isWall ? 'is-finding' : ''}>
        <Verdict isPassed={passesRadius(row.radius_m, limit)} /> {formatMetres(row.radius_m, language)}
        <small>{limit === null ? t('gap.noRadius') : t('card.limit', { n: formatMetres(limit, language) })}</small>
      </td>
    </tr>
  );
}

function groupByCategory(rows: readonly ReachResult[]): [category: string, rows: ReachResult[]][] {
  const groups = new Map<string, ReachResult[]>();
  for (const row of rows) {
    const category = typeByCode.value.get(row.type)?.category ?? '';
    groups.set(category, [...(groups.get(category) ?? []), row]);
  }
  return [...groups];
}

function ReachTable({ rows }: { rows: readonly ReachResult[] }): JSX.Element {
  const onlyGaps = useSignal(false);
  const shown = onlyGaps.value ? rows.filter((row) => row.status !== 'covered') : rows;
  const walls = rows.filter((row) => row.status === 'gap' && passesRadius(row.radius_m, radiusLimit(row)) === true).length;
  return (
    <section class="card-section reach">
      <div class="section-head">
        <h3>{t('card.reach')}</h3>
        <label class="check small"><input type="checkbox" checked={onlyGaps.value} onChange={(event) => (onlyGaps.value = event.currentTarget.checked)} /> {t('card.onlyGaps')}</label>
      </div>
      {walls > 0 && <p class="finding">{t('card.findingWalls', { n: walls })}</p>}
      <table>
        <thead>
          <tr><th scope="col">{t('gap.type')}</th><th scope="col">{t('card.reachWalk')}</th><th scope="col">{t('card.reachRadius')}</th></tr>
        </thead>
        {groupByCategory(shown).map(([category, group]) => (
          <tbody key={category}>
            <tr class="reach-category"><th scope="rowgroup" colSpan={3}><CategoryBadge category={category} /> {categoryName(category)}</th></tr>
            {group.map((row) => <ReachRow key={row.type} row={row} />)}
          </tbody>
        ))}
      </table>
    </section>
  );
}

/** Residents, completeness and the reach of every type, both tests side by side. */
export function BuildingReachView(): JSX.Element {
  const remote = buildingReach.remote.value;
  if (run.remote.value.state === 'error') return <p class="none">{t('card.noRun')}</p>;
  if (remote.state === 'error') return <Fault error={remote.error} onRetry={buildingReach.retry} />;
  if (remote.state !== 'ready') return <Skeleton lines={10} />;
  const rows = remote.value.results.filter((row) => row.profile === profileCode.value);
  return (
    <>
      <Residents answer={remote.value} />
      <CompletenessView answer={remote.value} />
      <ReachTable rows={rows} />
    </>
  );
}
