import type { JSX } from 'preact';

import { formatCount } from '../format';
import { categoryName, t, typeNameOf } from '../i18n';
import { gapBreaks } from '../map/bind';
import { MISSING_BREAKS_MIN, PALETTES } from '../map/palette';
import { COVERAGE, lookOf } from '../map/style';
import { BUILDING_LEVEL, catalogueValue, circles, column, isNarrow, lang, levelName, runValue, screen, theme, typeByCode, typeCode } from '../state/store';
import { difference, isWhatIf } from '../state/whatif';
import { Swatch } from '../ui/parts';
import { CategoryBadge } from './type-picker';

interface Entry {
  colour: string;
  text: string;
}

const Entries = ({ entries }: { entries: readonly Entry[] }): JSX.Element => (
  <ul class="legend-entries">
    {entries.map((entry) => <li key={entry.text}><Swatch colour={entry.colour} /> {entry.text}</li>)}
  </ul>
);

/** Only the classes that can occur: reach is searched to twice the limit, so nobody misses by more than the limit. */
function buildingEntries(): Entry[] {
  const colours = PALETTES[theme.value];
  const [a, b, c] = MISSING_BREAKS_MIN;
  const most = (column.value?.limit_s ?? Infinity) / 60;
  const unit = lang.value === 'zh' ? ' 分' : ' min';
  const missing = [
    { from: 0, text: t('legend.under', { a: `${a}${unit}` }) }, { from: a, text: t('legend.between', { a, b: `${b}${unit}` }) },
    { from: b, text: t('legend.between', { a: b, b: `${c}${unit}` }) }, { from: c, text: t('legend.over', { a: `${c}${unit}` }) },
  ];
  return [
    { colour: colours.covered, text: t('legend.coveredWithin') },
    ...missing.flatMap(({ from, text }, index) => (from < most ? [{ colour: colours.missing[index] ?? colours.noRoute, text }] : [])),
    { colour: colours.noRoute, text: t('legend.noRoute') },
    { colour: colours.unknown, text: t('legend.unknown') },
  ];
}

function areaEntries(): Entry[] {
  const colours = PALETTES[theme.value];
  const breaks = gapBreaks();
  const count = (value: number): string => formatCount(value, lang.value);
  if (breaks.length === 0) return [{ colour: 'transparent', text: t('legend.none') }];
  return [0, ...breaks].map((from, index) => {
    const to = breaks[index];
    const text = to === undefined ? `≥ ${count(from)}` : `${count(Math.max(from, 1))}–${count(to - 1)}`;
    return { colour: colours.people[index] ?? colours.people[4], text };
  });
}

export function CoverageLegend(): JSX.Element {
  const isBuilding = levelName.value === BUILDING_LEVEL || isWhatIf.value;
  return (
    <>
      <h3>{t(isBuilding ? 'legend.missing' : 'legend.peopleInGap')}</h3>
      <Entries entries={isBuilding ? buildingEntries() : areaEntries()} />
    </>
  );
}

export function CategoryLegend(): JSX.Element {
  const categories = [...new Set((catalogueValue.value?.types ?? []).map((type) => type.category))];
  return (
    <ul class="legend-entries in-columns">
      {categories.map((category) => <li key={category}><CategoryBadge category={category} /> {categoryName(category)}</li>)}
    </ul>
  );
}

export function StreetLegend(): JSX.Element {
  const { casing, street } = PALETTES[theme.value];
  const entries = [t('street.major'), t('street.mid'), t('street.minor'), t('street.path')];
  const colours = [casing.major, casing.mid, casing.minor, street.path];
  return (
    <ul class="legend-entries">
      {entries.map((text, index) => <li key={text}><Swatch colour={colours[index] ?? street.path} kind="line" /> {text}</li>)}
    </ul>
  );
}

function CircleLegend(): JSX.Element {
  const [five, ten, fifteen] = PALETTES[theme.value].circle;
  return (
    <>
      <h3>{t('legend.circles')}</h3>
      <Entries entries={[{ colour: five, text: t('legend.minutes', { n: 5 }) }, { colour: ten, text: t('legend.minutes', { n: 10 }) }, { colour: fifteen, text: t('legend.minutes', { n: 15 }) }]} />
    </>
  );
}

function ChangeLegend(): JSX.Element {
  const { gain, loss, nearer, farther } = PALETTES[theme.value].change;
  return (
    <>
      <h3>{t('whatif.legend')}</h3>
      <Entries entries={[{ colour: gain, text: t('whatif.toCovered') }, { colour: loss, text: t('whatif.toGap') }, { colour: nearer, text: t('whatif.nearer') }, { colour: farther, text: t('whatif.farther') }]} />
    </>
  );
}

/** What buildings are coloured by: the run's result, or what a scenario changes. */
function BuildingsLegend(): JSX.Element | null {
  if (!isWhatIf.value) return <CoverageLegend />;
  if (difference.value !== null) return <ChangeLegend />;
  return isNarrow.value ? null : <CoverageLegend />;
}

/** The legend on the map: of what is on show now, nothing else. */
export function Legend(): JSX.Element | null {
  const code = typeCode.value;
  const isJudged = runValue.value !== null && code !== null;
  const hasGap = isJudged && lookOf(screen.value.layers, undefined, COVERAGE).visible;
  const hasCircles = screen.value.circle !== null && circles.remote.value.state === 'ready';
  if (!hasGap && !hasCircles) return null;
  const type = typeByCode.value.get(code ?? '');
  return (
    <details class="legend" open={!isNarrow.value}>
      <summary>
        {type && hasGap && <CategoryBadge category={type.category} />} {hasGap ? typeNameOf(code) : t('legend.title')}
      </summary>
      {hasGap && <BuildingsLegend />}
      {hasCircles && <CircleLegend />}
    </details>
  );
}
