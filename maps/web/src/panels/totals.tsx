import type { JSX } from 'preact';

import type { FacilityType, RunDetail, Totals as TotalsRow } from '../api/types';
import { formatCount, formatMetres, formatMinutes, formatShare, formatTime } from '../format';
import { countedTitle, groupTitle, layerTitleOf, profileNameOf, t, tOr, typeNameOf } from '../i18n';
import { column, demandGroup, lang, profileByCode, profileCode, runValue, screen, totals, typeByCode, typeCode, typesWithoutSites } from '../state/store';
import { Icon } from '../ui/icon';
import { Popover, Skeleton, StackedBar } from '../ui/parts';

const shareOf = (part: number | null, whole: number): number | null => (part === null || whole === 0 ? null : part / whole);

function Fact({ title, children }: { title: string; children: preact.ComponentChildren }): JSX.Element {
  return (
    <>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </>
  );
}

export function Certainty({ value }: { value: string | null }): JSX.Element | null {
  if (value === null) return null;
  return <span class={`certainty is-${value}`}>{tOr(`certainty.${value}`, value)}</span>;
}

/** The limit and radius the run used, else the pack's. */
function limitsOf(type: FacilityType | undefined): { limit_s: number | null; radius_m: number | null } {
  return { limit_s: column.value?.limit_s ?? type?.limit_s ?? null, radius_m: column.value?.radius_limit_m ?? type?.radius_m ?? null };
}

function How({ type, run }: { type: FacilityType | undefined; run: RunDetail }): JSX.Element {
  const language = lang.value;
  const { limit_s: limit, radius_m: radius } = limitsOf(type);
  const pace = profileByCode.value.get(profileCode.value)?.pace_m_s;
  const versions = Object.entries(run.versions).map(([layer, version]) => `${layerTitleOf(layer)} ${version}`);
  return (
    <Popover label={t('totals.how')} button={<><Icon name="circle-question" size={14} /><span>{t('totals.how')}</span></>} class="how">
      <h2>{t('totals.how')}</h2>
      <p>{t('how.definition')}</p>
      <dl class="facts">
        <Fact title={t('how.limit')}>{formatMinutes(limit, language)}{limit !== null && ` (${limit} s)`}</Fact>
        <Fact title={t('how.radius')}>{formatMetres(radius, language)}</Fact>
        <Fact title={t('how.profile')}>{profileNameOf(profileCode.value)}{pace !== undefined && ` · ${t('how.pace', { n: pace })}`}</Fact>
        <Fact title={t('how.group')}>{column.value && !screen.value.everyone ? countedTitle(column.value) : groupTitle(demandGroup.value)}</Fact>
        <Fact title={t('how.clause')}>{type?.clause ?? '–'}</Fact>
        <Fact title={t('how.certainty')}><Certainty value={type?.certainty ?? null} /></Fact>
        <Fact title={t('how.run')}>{formatTime(run.created_at, language)}</Fact>
        <Fact title={t('how.versions')}>{versions.join(' · ')}</Fact>
      </dl>
    </Popover>
  );
}

function TestLine({ title, icon, covered, people, isMain = false }: { title: string; icon: string; covered: number | null; people: number; isMain?: boolean }): JSX.Element {
  const share = shareOf(covered, people);
  return (
    <div class={`test-line ${isMain ? 'is-main' : ''}`}>
      <span class="test-name"><Icon name={icon} size={13} /> {title}</span>
      <span class="test-track" aria-hidden="true"><span style={{ width: `${(share ?? 0) * 100}%` }} /></span>
      <span class="test-share">{formatShare(share, lang.value)}</span>
    </div>
  );
}

export function Figures({ row }: { row: TotalsRow }): JSX.Element {
  const language = lang.value;
  const { people, covered, gap, unknown, radius_covered: radius } = row;
  const difference = radius === null ? 0 : radius - covered;
  const parts = [{ kind: 'covered', share: covered }, { kind: 'gap', share: gap }, { kind: 'unknown', share: unknown }];
  const words = parts.map(({ kind, share }) => `${tOr(`totals.${kind}`, kind)} ${formatCount(share, language)}`).join(', ');
  return (
    <>
      <p class="headline">
        <strong>{formatCount(gap, language)}</strong>
        <span>{t('totals.peopleInGap')}<br /><small>{t('totals.ofPeople', { n: formatCount(people, language) })}</small></span>
      </p>
      <StackedBar parts={parts} label={words} />
      <ul class="parts">
        {parts.map(({ kind, share }) => (
          <li key={kind}>
            <span class={`dot part-${kind}`} aria-hidden="true" />
            {tOr(`totals.${kind}`, kind)} <b data-people={kind}>{formatCount(share, language)}</b> <small>{formatShare(shareOf(share, people), language)}</small>
          </li>
        ))}
      </ul>
      <div class="tests">
        <TestLine title={t('totals.walk')} icon="person-walking" covered={covered} people={people} isMain />
        <TestLine title={t('totals.radius')} icon="bullseye" covered={radius} people={people} />
      </div>
      {difference > 0 && <p class="finding"><Icon name="triangle-exclamation" size={12} /> {t('totals.difference', { n: formatCount(difference, language) })}</p>}
    </>
  );
}

/** The whole city's figures for the type on show, and how they came about. */
export function Totals(): JSX.Element {
  const row = totals.value;
  const run = runValue.value;
  const code = typeCode.value;
  if (!run || code === null) return <Skeleton lines={5} />;
  return (
    <section class="totals" aria-label={typeNameOf(code)}>
      {typesWithoutSites.value.has(code) && <p class="finding"><Icon name="triangle-exclamation" size={12} /> {t('totals.noneLoaded')}</p>}
      {row ? <Figures row={row} /> : <p class="none">{t('state.nothing')}</p>}
      <How type={typeByCode.value.get(code)} run={run} />
    </section>
  );
}
