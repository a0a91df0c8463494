import type { JSX } from 'preact';

import type { Difference, TypeChange } from '../api/scenario-types';
import { formatCount } from '../format';
import { countedTitle, groupTitle, t, typeNameOf } from '../i18n';
import { areaName } from '../map/bind';
import { change } from '../state/actions';
import { BUILDING_LEVEL, column, hovered, lang, levelName, levels, profileCode, typeCode } from '../state/store';
import { difference, isTrying } from '../state/whatif';
import { changedTypes, topAreas } from '../whatif/difference';
import { unitOf } from './whatif-tools';

const signed = (value: number): string => (value === 0 ? '0' : `${value > 0 ? '+' : '−'}${formatCount(Math.abs(value), lang.value)}`);

function Figure({ kind, value, text }: { kind: 'gain' | 'loss'; value: number; text: string }): JSX.Element {
  return (
    <div class={`change-figure is-${kind} ${value === 0 ? 'is-none' : ''}`}>
      <strong data-change={kind}>{value === 0 ? '0' : signed(kind === 'gain' ? value : -value)}</strong>
      <span>{text}</span>
    </div>
  );
}

function TypeRows({ rows }: { rows: readonly TypeChange[] }): JSX.Element {
  return (
    <table class="change-table">
      <caption>{t('whatif.byType')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('gap.type')}</th>
          <th scope="col" class="number">{t('whatif.gainShort')}</th>
          <th scope="col" class="number">{t('whatif.lossShort')}</th>
          <th scope="col" class="number">{t('whatif.buildings')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.type} class={row.type === typeCode.value ? 'is-chosen' : ''}>
            <th scope="row"><button type="button" aria-pressed={row.type === typeCode.value} onClick={() => change({ type: row.type })}>{typeNameOf(row.type)}</button></th>
            <td class="number is-gain">{signed(row.people_gained)}</td>
            <td class="number is-loss">{signed(-row.people_lost)}</td>
            <td class="number">{formatCount(row.buildings_changed, lang.value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function AreaRows({ found, row }: { found: Difference; row: TypeChange }): JSX.Element | null {
  const level = levelName.value === BUILDING_LEVEL ? (levels.value.find((one) => one.level === 'community') ?? levels.value.at(-1))?.level : levelName.value;
  if (level === undefined) return null;
  const areas = topAreas(found, { type: row.type, profile: row.profile, level, group: row.demand_group });
  if (areas.length === 0) return null;
  return (
    <table class="change-table" data-testid="change-areas">
      <caption>{t('whatif.byArea', { n: areas.length })}</caption>
      <thead>
        <tr>
          <th scope="col">{t('rank.name')}</th>
          <th scope="col" class="number">{t('whatif.covered')}</th>
          <th scope="col" class="number">{t('whatif.gapNow')}</th>
        </tr>
      </thead>
      <tbody>
        {areas.map((area) => (
          <tr key={area.key} onMouseEnter={() => (hovered.value = area.code === null ? null : { kind: 'area', id: area.code })} onMouseLeave={() => (hovered.value = null)}>
            <th scope="row">{area.name ?? (area.code === null ? t('rank.unassigned') : (areaName(area.code) ?? area.code))}</th>
            <td class={`number ${area.change > 0 ? 'is-gain' : 'is-loss'}`}>{signed(area.change)}</td>
            <td class="number">{formatCount(area.gap, lang.value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Facilities and what they hold, where the edits change that. */
function Supply({ row: { type, before, after } }: { row: TypeChange }): JSX.Element | null {
  const count = (value: number | null): string => formatCount(value, lang.value);
  const parts = [
    ...(before.facilities === after.facilities ? [] : [t('whatif.facilityChange', { before: count(before.facilities), after: count(after.facilities) })]),
    ...(before.capacity === after.capacity ? [] : [t('whatif.capacityChange', { before: count(before.capacity), after: count(after.capacity), unit: unitOf(type) })]),
  ];
  return parts.length === 0 ? null : <p class="supply" data-testid="whatif-supply">{parts.join(' · ')}</p>;
}

/** Who gains and who loses by the edits on the map. */
export function WhatIfResult(): JSX.Element | null {
  const found = difference.value;
  if (found === null) return isTrying.value ? <p class="muted whatif-wait" role="status"><span class="spinner" aria-hidden="true" /> {t('whatif.trying')}</p> : null;
  const profile = profileCode.value;
  const own = found.types.find((row) => row.type === typeCode.value && row.profile === profile);
  const rows = changedTypes(found, profile);
  const group = column.value?.type === own?.type && column.value ? countedTitle(column.value) : groupTitle(own?.demand_group ?? null);
  return (
    <section class={`whatif-result ${isTrying.value ? 'is-trying' : ''}`} aria-label={t('whatif.result')} data-testid="whatif-result">
      {own && (
        <>
          <h2>{typeNameOf(own.type)}</h2>
          <div class="change-figures" role="status">
            <Figure kind="gain" value={own.people_gained} text={t('whatif.gained')} />
            <Figure kind="loss" value={own.people_lost} text={t('whatif.lost')} />
          </div>
          <p class="muted">{t('whatif.summary', { n: formatCount(own.buildings_changed, lang.value), before: formatCount(own.before.gap, lang.value), after: formatCount(own.after.gap, lang.value), group })}</p>
          <Supply row={own} />
        </>
      )}
      {rows.length === 0 ? <p class="none">{t('whatif.noChange')}</p> : <TypeRows rows={rows} />}
      {own && <AreaRows found={found} row={own} />}
      {found.buildings.length < found.buildings_changed && <p class="muted">{t('whatif.shownOnly', { n: formatCount(found.buildings.length, lang.value), total: formatCount(found.buildings_changed, lang.value) })}</p>}
    </section>
  );
}
