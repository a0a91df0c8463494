import type { JSX } from 'preact';

import { apiUrl, type Params } from '../api/client';
import { areasPath, buildingsPath } from '../api/endpoints';
import { groupTitle, isAgeGroup, levelTitle, t } from '../i18n';
import { areaName } from '../map/bind';
import { change } from '../state/actions';
import { BUILDING_LEVEL, column, levelName, levels, profileCode, runValue, screen, typeCode } from '../state/store';
import { Icon } from '../ui/icon';
import { Segmented } from '../ui/parts';
import { Ranking } from './ranking';
import { RunControls, WithRun } from './run-controls';
import { Totals } from './totals';

const FORMATS = ['csv', 'xlsx', 'geojson'] as const;

export function ExportLinks({ path, params, title }: { path: string; params: Params; title: string }): JSX.Element {
  return (
    <p class="export">
      <Icon name="download" size={12} /> <span>{title}</span>
      {FORMATS.map((format) => (
        <a key={format} href={apiUrl(path, { ...params, f: format })} download>{format.toUpperCase()}</a>
      ))}
    </p>
  );
}

function WhoSwitch(): JSX.Element | null {
  const own = column.value?.demand_group;
  const basis = column.value?.people_basis;
  if (own === undefined || own === 'all') return null;
  // without ages both choices would count the same people
  if (basis === 'all') return isAgeGroup(own) ? <p class="muted" data-testid="counted">{t('gap.noAges', { group: groupTitle(own) })}</p> : null;
  return (
    <>
      <Segmented label={t('gap.who')} value={screen.value.everyone ? 'all' : 'own'} onChange={(value) => change({ everyone: value === 'all' })}
        options={[{ value: 'own', label: t('gap.ownGroup', { group: groupTitle(own) }) }, { value: 'all', label: t('gap.everyone') }]} />
      {basis === 'mixed' && !screen.value.everyone && <p class="muted" data-testid="counted">{t('gap.someAges')}</p>}
    </>
  );
}

function LevelTabs(): JSX.Element {
  const options = [...levels.value.map((row) => ({ value: row.level, label: levelTitle(row) })), { value: BUILDING_LEVEL, label: t('gap.building') }];
  return <Segmented label={t('gap.level')} options={options} value={levelName.value} onChange={(level) => change({ level, area: level === BUILDING_LEVEL ? screen.peek().area : null })} />;
}

/** Buildings of one area only, until the chip is closed. */
function AreaChip(): JSX.Element | null {
  const { area } = screen.value;
  if (area === null || levelName.value !== BUILDING_LEVEL) return null;
  return (
    <button type="button" class="chip" onClick={() => change({ area: null })}>
      {t('rank.inArea', { name: areaName(area) ?? area })} <Icon name="xmark" size={10} />
    </button>
  );
}

function Exports(): JSX.Element | null {
  const detail = runValue.value;
  const type = typeCode.value;
  if (!detail || type === null) return null;
  const id = String(detail.id);
  const shared = { type, profile: profileCode.value };
  const isBuilding = levelName.value === BUILDING_LEVEL;
  return (
    <footer class="exports" aria-label={t('export.title')}>
      {!isBuilding && <ExportLinks title={t('export.areas')} path={areasPath(id)} params={{ ...shared, level: levelName.value }} />}
      <ExportLinks title={t('export.buildings')} path={buildingsPath(id)} params={{ ...shared, area: screen.value.area }} />
    </footer>
  );
}

/** Choose run, type, people and level; read the totals; walk down the ranking. */
export function GapPanel(): JSX.Element {
  return (
    <WithRun>
      {(detail) => (
        <div class="gap-panel">
          <div class="controls">
            <RunControls detail={detail} canOrder />
            <WhoSwitch />
          </div>
          <Totals />
          <div class="ranking-head">
            <h2>{t('rank.title')}</h2>
            <LevelTabs />
            <AreaChip />
          </div>
          <Ranking />
          <Exports />
        </div>
      )}
    </WithRun>
  );
}
