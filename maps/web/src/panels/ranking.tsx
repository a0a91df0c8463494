import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';

import type { AreaRow, BuildingRow } from '../api/types';
import { formatCount, formatMinutes, formatShare, NO_VALUE } from '../format';
import { t, type TextKey } from '../i18n';
import { areaBox, areaName, pickArea, plannerMap, showBox } from '../map/bind';
import { change, select } from '../state/actions';
import { valueOf } from '../state/resource';
import { areaRows, BUILDING_LEVEL, gapBuildings, hovered, lang, levelName, screen } from '../state/store';
import type { SortKey } from '../state/url';
import { Fault, Skeleton } from '../ui/parts';

const PAGE_ROWS = 60;

export interface RankRow {
  id: string;
  name: string;
  gap: number;
  people: number;
  /** Share covered of an area, null for a building. */
  share: number | null;
  /** Seconds over the limit of a building; null where no way was found. */
  missing_s: number | null;
  place: { lon: number; lat: number } | null;
  /** Where a building stands. */
  detail: string | null;
}

export const fromArea = (row: AreaRow, unassigned: string): RankRow => ({
  id: row.area_code ?? '', name: row.name ?? row.area_code ?? unassigned, gap: row.gap, people: row.people, share: row.share_covered, missing_s: null, place: null, detail: null,
});

export const fromBuilding = (row: BuildingRow): RankRow => ({
  id: String(row.building_id),
  name: row.name ?? row.source_id ?? String(row.building_id),
  detail: row.area_code === null ? null : areaName(row.area_code),
  gap: row.people,
  people: row.people,
  share: null,
  missing_s: row.reach_s === null ? null : row.reach_s - row.limit_s,
  place: { lon: row.lon, lat: row.lat },
});

/** Worst first for figures, alphabetical for names; ties keep a steady order by name and id. */
export function sortRows(rows: readonly RankRow[], key: SortKey, language: string): RankRow[] {
  const names = new Intl.Collator(language === 'zh' ? 'zh-CN' : 'en', { numeric: true });
  const byName = (a: RankRow, b: RankRow): number => names.compare(a.name, b.name) || names.compare(a.id, b.id);
  const worst: Record<SortKey, (row: RankRow) => number> = {
    gap: (row) => -row.gap,
    people: (row) => -row.people,
    share: (row) => row.share ?? -(row.missing_s ?? Infinity),
    name: () => 0,
  };
  return [...rows].sort((a, b) => {
    const first = worst[key](a);
    const second = worst[key](b);
    return first < second ? -1 : first > second ? 1 : byName(a, b);
  });
}

function SortHeader({ sortKey, text, isNumber = true }: { sortKey: SortKey; text: TextKey; isNumber?: boolean }): JSX.Element {
  const isOn = screen.value.sort === sortKey;
  return (
    <th scope="col" class={isNumber ? 'number' : ''} aria-sort={isOn ? (sortKey === 'name' || sortKey === 'share' ? 'ascending' : 'descending') : 'none'}>
      <button type="button" class={isOn ? 'is-on' : ''} title={t('rank.sortBy', { what: t(text) })} onClick={() => change({ sort: sortKey })}>
        {t(text)}
      </button>
    </th>
  );
}

function pick(row: RankRow, isBuilding: boolean): void {
  if (row.id === '') return;
  if (isBuilding) {
    if (row.place) plannerMap.peek()?.flyTo(row.place, 17);
    select({ layer: 'buildings', id: row.id });
    return;
  }
  showBox(areaBox(row.id));
  pickArea(row.id);
}

function Row({ row, rank, most, isBuilding }: { row: RankRow; rank: number; most: number; isBuilding: boolean }): JSX.Element {
  const language = lang.value;
  const kind = isBuilding ? 'building' : 'area';
  const isChosen = isBuilding ? screen.value.selection?.id === row.id : screen.value.area === row.id;
  const isHovered = hovered.value?.kind === kind && hovered.value.id === row.id;
  const last = isBuilding ? (row.missing_s === null ? t('rank.noRoute') : `+${formatMinutes(row.missing_s, language)}`) : formatShare(row.share, language);
  return (
    <tr data-id={row.id} class={`${isChosen ? 'is-chosen' : ''} ${isHovered ? 'is-hovered' : ''}`} aria-selected={isChosen}
      onPointerEnter={() => (hovered.value = { kind, id: row.id })} onPointerLeave={() => (hovered.value = null)} onClick={() => pick(row, isBuilding)}>
      <td class="rank">{rank}</td>
      <th scope="row">
        <button type="button" onClick={(event) => { event.stopPropagation(); pick(row, isBuilding); }} onFocus={() => (hovered.value = { kind, id: row.id })} onBlur={() => (hovered.value = null)}>{row.name}{row.detail !== null && <small> {row.detail}</small>}</button>
        <span class="rank-bar" aria-hidden="true" style={{ width: `${most > 0 ? (row.gap / most) * 100 : 0}%` }} />
      </th>
      <td class="number strong">{formatCount(row.gap, language)}</td>
      {!isBuilding && <td class="number">{formatCount(row.people, language)}</td>}
      <td class="number">{last || NO_VALUE}</td>
    </tr>
  );
}

function useRows(isBuilding: boolean): { rows: RankRow[] | null; isCut: boolean } {
  if (isBuilding) {
    const list = valueOf(gapBuildings.remote.value);
    return { rows: list?.rows.map(fromBuilding) ?? null, isCut: list?.isCut ?? false };
  }
  return { rows: valueOf(areaRows.remote.value)?.map((row) => fromArea(row, t('rank.unassigned'))) ?? null, isCut: false };
}

/** Areas or buildings with people in the gap, worst first; in step with the map both ways. */
export function Ranking(): JSX.Element | null {
  const isBuilding = levelName.value === BUILDING_LEVEL;
  const resource = isBuilding ? gapBuildings : areaRows;
  const remote = resource.remote.value;
  const shownRows = useSignal(PAGE_ROWS);
  const { area } = screen.value;
  useEffect(() => {
    if (area !== null) document.querySelector(`.ranking tr[data-id="${CSS.escape(area)}"]`)?.scrollIntoView({ block: 'nearest' });
  }, [area]);
  if (remote.state === 'error') return <Fault error={remote.error} onRetry={resource.retry} />;
  const { rows, isCut } = useRows(isBuilding);
  if (rows === null) return <Skeleton lines={8} />;
  if (isBuilding && rows.length === 0) return <p class="none">{t('rank.none')}</p>;
  const sorted = sortRows(rows, screen.value.sort, lang.value);
  const most = Math.max(...rows.map((row) => row.gap), 0);
  const left = sorted.length - shownRows.value;
  return (
    <section class={`ranking ${remote.state === 'loading' ? 'is-loading' : ''}`} aria-busy={remote.state === 'loading'}>
      <table>
        <caption class="visually-hidden">{t('rank.title')}</caption>
        <thead>
          <tr>
            <th scope="col" class="rank">#</th>
            <SortHeader sortKey="name" text="rank.name" isNumber={false} />
            <SortHeader sortKey="gap" text="rank.gap" />
            {!isBuilding && <SortHeader sortKey="people" text="rank.people" />}
            <SortHeader sortKey="share" text={isBuilding ? 'rank.missing' : 'rank.share'} />
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, shownRows.value).map((row, index) => (
            <Row key={row.id} row={row} rank={index + 1} most={most} isBuilding={isBuilding} />
          ))}
        </tbody>
      </table>
      {left > 0 && (
        <button type="button" class="text-button more" onClick={() => (shownRows.value += PAGE_ROWS)}>
          {t('action.showMore', { n: Math.min(left, PAGE_ROWS) })}
        </button>
      )}
      {isCut && <p class="none">{t('rank.cut', { n: formatCount(rows.length, lang.value) })}</p>}
    </section>
  );
}
