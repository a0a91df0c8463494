import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';

import { ApiError } from '../api/client';
import { searchPlaces } from '../api/endpoints';
import type { SearchHit } from '../api/types';
import { plannerMap } from '../map/bind';
import { t, tOr } from '../i18n';
import { select } from '../state/actions';
import { Icon } from '../ui/icon';

const DEBOUNCE_MS = 180;
const LAYER_OF_KIND: Record<string, string> = { area: 'areas', building: 'buildings', facility: 'facilities', compound: 'compounds', street: 'streets' };

const text = signal('');
const hits = signal<SearchHit[] | null>(null);
const fault = signal<string | null>(null);
const active = signal(-1);
const isOpen = signal(false);

let timer = 0;
let running: AbortController | null = null;

function search(query: string): void {
  clearTimeout(timer);
  running?.abort();
  text.value = query;
  active.value = -1;
  if (query.trim() === '') {
    hits.value = null;
    isOpen.value = false;
    return;
  }
  timer = window.setTimeout(() => {
    const control = new AbortController();
    running = control;
    searchPlaces(query.trim(), control.signal).then(
      (found) => {
        if (control.signal.aborted) return;
        hits.value = found;
        fault.value = null;
        isOpen.value = true;
      },
      (error: unknown) => {
        if (control.signal.aborted) return;
        hits.value = [];
        fault.value = error instanceof ApiError ? error.message : String(error);
        isOpen.value = true;
      },
    );
  }, DEBOUNCE_MS);
}

function open(hit: SearchHit): void {
  isOpen.value = false;
  text.value = hit.name;
  const map = plannerMap.peek();
  const [west, south, east, north] = hit.bbox ?? [0, 0, 0, 0];
  if (hit.bbox && (east > west || north > south)) map?.fit(hit.bbox);
  else map?.flyTo(hit);
  const layer = LAYER_OF_KIND[hit.kind] ?? hit.kind;
  select({ layer, id: String(hit.id) });
}

function onKey(event: KeyboardEvent): void {
  const list = hits.value ?? [];
  if (event.key === 'Escape') isOpen.value = false;
  else if (event.key === 'ArrowDown') active.value = Math.min(active.value + 1, list.length - 1);
  else if (event.key === 'ArrowUp') active.value = Math.max(active.value - 1, 0);
  else if (event.key === 'Enter') {
    const hit = list[Math.max(active.value, 0)];
    if (hit && isOpen.value) open(hit);
  } else return;
  event.preventDefault();
}

function Hits(): JSX.Element | null {
  const list = hits.value;
  if (!isOpen.value || list === null) return null;
  if (list.length === 0) {
    return (
      <p class="search-none" role="status">
        {fault.value ?? t('search.none', { q: text.value })}
      </p>
    );
  }
  return (
    <ul class="search-hits" id="search-hits" role="listbox" aria-label={t('search.label')}>
      {list.map((hit, index) => (
        <li key={`${hit.kind}/${hit.id}`} id={`search-hit-${index}`} role="option" aria-selected={index === active.value} class={index === active.value ? 'is-active' : ''}
          onPointerDown={(event) => event.preventDefault()} onClick={() => open(hit)}>
          <span class="search-kind">{tOr(`search.kind.${hit.kind}`, tOr(`layer.${hit.kind}`, hit.kind))}</span>
          <span class="search-name">{hit.name}</span>
          {hit.detail !== null && <span class="search-detail">{hit.detail}</span>}
        </li>
      ))}
    </ul>
  );
}

export function SearchBox(): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <search class="search">
      <Icon name="magnifying-glass" size={14} />
      <input ref={input} id="search" type="search" autocomplete="off" spellcheck={false} value={text.value} placeholder={t('search.label')} aria-label={t('search.label')}
        role="combobox" list={undefined} aria-expanded={isOpen.value} aria-controls="search-hits" aria-autocomplete="list" aria-activedescendant={active.value >= 0 ? `search-hit-${active.value}` : undefined}
        onInput={(event) => search(event.currentTarget.value)} onKeyDown={onKey} onFocus={() => (isOpen.value = hits.value !== null)} onBlur={() => (isOpen.value = false)} />
      <Hits />
    </search>
  );
}
