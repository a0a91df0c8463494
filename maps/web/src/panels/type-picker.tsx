import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import type { FacilityType } from '../api/types';
import { formatMetres, formatMinutes, formatShare } from '../format';
import { categoryName, t, typeName } from '../i18n';
import { PALETTES } from '../map/palette';
import { change } from '../state/actions';
import { catalogueValue, lang, profileCode, runValue, theme, typeByCode, typeCode, typesWithoutSites } from '../state/store';
import { Icon } from '../ui/icon';
import { categoryShapeName } from '../ui/icon-shapes';

interface Group {
  category: string;
  types: FacilityType[];
}

const isMatch = (type: FacilityType, query: string): boolean =>
  `${type.code} ${type.name_zh} ${type.name_en}`.toLowerCase().includes(query.trim().toLowerCase());

/** Types by category in the pack's order, those that match only. */
export function groupTypes(types: readonly FacilityType[], query: string): Group[] {
  const groups = new Map<string, FacilityType[]>();
  for (const type of types) {
    if (isMatch(type, query)) groups.set(type.category, [...(groups.get(type.category) ?? []), type]);
  }
  return [...groups].map(([category, rows]) => ({ category, types: rows }));
}

export function CategoryBadge({ category }: { category: string }): JSX.Element {
  const colour = PALETTES[theme.value].category[category] ?? PALETTES[theme.value].text;
  return (
    <span class="category-badge" style={{ backgroundColor: colour }} aria-hidden="true">
      <Icon name={categoryShapeName(category)} size={11} />
    </span>
  );
}

export function limitText(type: FacilityType): string {
  const walk = type.limit_s === null ? null : t('gap.minutesWalk', { n: formatMinutes(type.limit_s, lang.value) });
  const radius = type.radius_m === null ? t('gap.noRadius') : t('gap.metresRadius', { n: formatMetres(type.radius_m, lang.value) });
  return [walk, radius].filter((part) => part !== null).join(' · ');
}

function TypeOption({ type, share, isActive, onPick }: { type: FacilityType; share: number | null | undefined; isActive: boolean; onPick: () => void }): JSX.Element {
  const isChosen = type.code === typeCode.value;
  const isJudged = runValue.value?.types.includes(type.code) ?? false;
  const isEmpty = typesWithoutSites.value.has(type.code);
  const figure = isEmpty ? t('gap.noneLoaded') : isJudged ? formatShare(share, lang.value) : type.testable ? t('gap.notInRun') : t('gap.notTestable');
  return (
    <li id={`type-${type.code}`} role="option" aria-selected={isChosen} aria-disabled={!isJudged} class={`type-option ${isActive ? 'is-active' : ''} ${isEmpty ? 'is-empty' : ''}`} onPointerDown={(event) => event.preventDefault()} onClick={isJudged ? onPick : undefined}
      title={type.not_judged_reason ?? undefined}>
      <span class="type-option-name">{typeName(type)}</span>
      <span class="type-option-figure">{figure}</span>
    </li>
  );
}

/** Facility type: a button that opens a searchable list grouped by category, with the share covered beside each. */
export function TypePicker(): JSX.Element {
  const isOpen = useSignal(false);
  const query = useSignal('');
  const active = useSignal<string | null>(null);
  const root = useRef<HTMLDivElement>(null);
  const chosen = typeByCode.value.get(typeCode.value ?? '');
  const groups = groupTypes(catalogueValue.value?.types ?? [], query.value);
  const judged = new Set(runValue.value?.types ?? []);
  const pickable = groups.flatMap((group) => group.types).filter((type) => judged.has(type.code));
  const shares = new Map((runValue.value?.totals ?? []).filter((row) => row.profile === profileCode.value).map((row) => [row.type, row.share_covered]));

  useEffect(() => {
    if (isOpen.value) root.current?.querySelector<HTMLInputElement>('input')?.focus();
  }, [isOpen.value]);
  useEffect(() => {
    if (active.value !== null) document.getElementById(`type-${active.value}`)?.scrollIntoView({ block: 'nearest' });
  }, [active.value]);

  const close = (): void => {
    isOpen.value = false;
    query.value = '';
    active.value = null;
  };
  const pick = (code: string): void => {
    close();
    change({ type: code });
    root.current?.querySelector('button')?.focus();
  };
  const move = (step: number): void => {
    const at = pickable.findIndex((type) => type.code === (active.value ?? typeCode.value));
    active.value = pickable[Math.min(Math.max(at + step, 0), pickable.length - 1)]?.code ?? null;
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      close();
      root.current?.querySelector('button')?.focus();
    } else if (event.key === 'ArrowDown') move(1);
    else if (event.key === 'ArrowUp') move(-1);
    else if (event.key === 'Enter') {
      const code = active.value ?? pickable[0]?.code;
      if (code !== undefined) pick(code);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="field type-picker" ref={root}>
      <span class="field-label" id="type-label">{t('gap.type')}</span>
      <button type="button" class="type-button" aria-haspopup="listbox" aria-expanded={isOpen.value} aria-labelledby="type-label type-value" onClick={() => (isOpen.value ? close() : (isOpen.value = true))}>
        {chosen && <CategoryBadge category={chosen.category} />}
        <span id="type-value" class="type-value">
          <strong>{chosen ? typeName(chosen) : (typeCode.value ?? '–')}</strong>
          {chosen && <small>{limitText(chosen)}</small>}
        </span>
        <Icon name="chevron-down" size={11} />
      </button>
      {isOpen.value && (
        <div class="type-list" onKeyDown={onKey} onFocusOut={(event) => { if (!root.current?.contains(event.relatedTarget as Node | null)) close(); }}>
          <div class="type-search">
            <Icon name="magnifying-glass" size={13} />
            <input type="search" value={query.value} placeholder={t('gap.typeSearch')} aria-label={t('gap.typeSearch')} role="combobox" list={undefined} aria-expanded="true" aria-controls="type-options"
              aria-activedescendant={active.value === null ? undefined : `type-${active.value}`} onInput={(event) => { query.value = event.currentTarget.value; active.value = null; }} />
          </div>
          {groups.length === 0 && <p class="none">{t('gap.typeNone')}</p>}
          <ul id="type-options" role="listbox" aria-label={t('gap.type')}>
            {groups.map((group) => (
              <li key={group.category} role="presentation">
                <p class="type-category"><CategoryBadge category={group.category} /> {categoryName(group.category)}</p>
                <ul role="group" aria-label={categoryName(group.category)}>
                  {group.types.map((type) => (
                    <TypeOption key={type.code} type={type} share={shares.get(type.code)} isActive={type.code === active.value} onPick={() => pick(type.code)} />
                  ))}
                </ul>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
