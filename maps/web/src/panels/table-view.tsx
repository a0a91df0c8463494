import { effect, signal, untracked } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { ApiError } from '../api/client';
import { fetchItems } from '../api/endpoints';
import type { Item } from '../api/types';
import { formatFact } from '../format';
import { fieldTitle, layerTitleOf, t } from '../i18n';
import { boxOf, showBox } from '../map/bind';
import { select } from '../state/actions';
import { lang } from '../state/store';
import { Fault, IconButton, Skeleton } from '../ui/parts';

/** The layer whose rows are listed over the map; null when the table is closed. */
export const tableLayer = signal<string | null>(null);

const PAGE_ROWS = 100;
const HIDDEN = new Set(['properties', 'geom', 'geometry']);

interface TableState {
  rows: Item[];
  after: string | null;
  isLoading: boolean;
  error: ApiError | null;
}

const EMPTY: TableState = { rows: [], after: null, isLoading: false, error: null };
const table = signal<TableState>(EMPTY);

async function readMore(layer: string): Promise<void> {
  const before = table.peek();
  table.value = { ...before, isLoading: true, error: null };
  try {
    const page = await fetchItems(layer, { limit: PAGE_ROWS, after: before.after });
    if (tableLayer.peek() !== layer) return;
    const next = page.links?.find((link) => link.rel === 'next');
    const after = next ? new URL(next.href, document.baseURI).searchParams.get('after') : null;
    table.value = { rows: [...before.rows, ...page.features], after, isLoading: false, error: null };
  } catch (error) {
    table.value = { ...before, isLoading: false, error: error instanceof ApiError ? error : new ApiError(-1, { detail: String(error) }) };
  }
}

effect(() => {
  const layer = tableLayer.value;
  untracked(() => {
    table.value = EMPTY;
    if (layer !== null) void readMore(layer);
  });
});

const FIRST = ['name', 'code', 'source_id'];

/** Names and identities first, where the rows came from last. */
function columnsOf(rows: readonly Item[]): string[] {
  const names = new Set(rows.slice(0, 50).flatMap((row) => Object.keys(row.properties)));
  const rank = (name: string): number => (name === 'source' ? 2 : FIRST.includes(name) ? -1 / (1 + FIRST.indexOf(name)) : 1);
  return [...names].filter((name) => !HIDDEN.has(name)).sort((a, b) => rank(a) - rank(b));
}

function Rows({ layer }: { layer: string }): JSX.Element {
  const { rows } = table.value;
  const columns = columnsOf(rows);
  const open = (row: Item): void => {
    showBox(boxOf(row));
    select({ layer, id: String(row.id ?? '') });
    tableLayer.value = null;
  };
  return (
    <table class="plain wide">
      <thead>
        <tr>{columns.map((name) => <th key={name} scope="col">{fieldTitle(layer, name)}</th>)}</tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id} onClick={() => open(row)}>
            {columns.map((name, index) => {
              const value = formatFact(row.properties[name], lang.value);
              return <td key={name} class={typeof row.properties[name] === 'number' ? 'number' : ''}>{index === 0 ? <button type="button" onClick={() => open(row)}>{value}</button> : value}</td>;
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The rows of one layer, a page at a time. */
export function TableView({ layer }: { layer: string }): JSX.Element {
  const { rows, after, isLoading, error } = table.value;
  return (
    <>
      {rows.length > 0 && <div class="table-scroll"><Rows layer={layer} /></div>}
      {isLoading && rows.length === 0 && <Skeleton lines={8} />}
      {error && <Fault error={error} onRetry={() => void readMore(layer)} />}
      {!isLoading && !error && rows.length === 0 && <p class="none">{t('state.nothing')}</p>}
      {after !== null && <button type="button" class="text-button more" disabled={isLoading} onClick={() => void readMore(layer)}>{t('table.more')}</button>}
    </>
  );
}

/** The table over the map, closed by Escape. */
export function TableDialog(): JSX.Element | null {
  const layer = tableLayer.value;
  const root = useRef<HTMLElement>(null);
  useEffect(() => {
    if (layer !== null) root.current?.focus();
  }, [layer]);
  if (layer === null) return null;
  const title = t('table.title', { layer: layerTitleOf(layer) });
  return (
    <section class="table-dialog" role="dialog" aria-label={title} tabIndex={-1} ref={root} onKeyDown={(event) => { if (event.key === 'Escape') tableLayer.value = null; }}>
      <header>
        <h2>{title}</h2>
        <IconButton icon="xmark" label={t('action.close')} onClick={() => (tableLayer.value = null)} />
      </header>
      <TableView layer={layer} />
    </section>
  );
}
