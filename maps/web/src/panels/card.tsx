import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import type { Item } from '../api/types';
import { formatCount, formatFact, formatPlace, NO_VALUE } from '../format';
import { fieldTitle, layerTitleOf, t, tOr, typeNameOf } from '../i18n';
import { areaName } from '../map/bind';
import { labelPoint } from '../map/geometry';
import { closeCard, drawCircle } from '../state/actions';
import { lang, layerById, screen, selectedItem, typeByCode } from '../state/store';
import { Icon } from '../ui/icon';
import { Fault, IconButton, Skeleton } from '../ui/parts';
import { BuildingReachView } from './building-card';
import { CircleCard } from './circle-card';
import { AreaFigures } from './area-figures';
import { CategoryBadge } from './type-picker';

const HIDDEN = new Set(['properties', 'name', 'geom', 'geometry', 'valid_to', 'load_id']);
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

export function itemTitle(item: Item, layer: string): string {
  const { name, address, source_id: sourceId, code } = item.properties;
  return text(name) ?? text(address) ?? text(code) ?? text(sourceId) ?? `${layerTitleOf(layer)} ${item.id ?? ''}`;
}

/** Facts in the catalogue's order, then whatever else the row carries. */
function factsOf(item: Item, layer: string): [name: string, value: unknown][] {
  const order = (layerById.value.get(layer)?.fields ?? []).map((field) => field.name);
  const extra = item.properties.properties;
  const all = { ...item.properties, ...(typeof extra === 'object' && extra !== null ? extra : {}) };
  const rank = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.entries(all)
    .filter(([name, value]) => !HIDDEN.has(name) && value !== null && value !== '')
    .sort(([a], [b]) => rank(a) - rank(b));
}

/** Columns whose values are words of the loading contract. */
const CODED = new Set(['use', 'level', 'opens_to', 'supply', 'method', 'foot', 'access', 'wheelchair']);

function factText(name: string, value: unknown): string {
  if (name === 'type' && typeof value === 'string' && typeByCode.value.has(value)) return `${typeNameOf(value)} (${value})`;
  if (CODED.has(name) && typeof value === 'string') return tOr(`level.${value}`, tOr(`value.${value}`, value));
  if (name.endsWith('area_code') && typeof value === 'string') return [areaName(value), value].filter(Boolean).join(' ');
  return formatFact(value, lang.value);
}

function Facts({ item, layer }: { item: Item; layer: string }): JSX.Element {
  const facts = factsOf(item, layer);
  if (facts.length === 0) return <p class="none">{t('card.noFacts')}</p>;
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <>
          <dt key={`${name}-title`}>{fieldTitle(layer, name)}</dt>
          <dd key={name} data-field={name}>{factText(name, value)}</dd>
        </>
      ))}
    </dl>
  );
}

function ItemCard({ item, layer }: { item: Item; layer: string }): JSX.Element {
  const place = labelPoint(item.geometry);
  const category = typeByCode.value.get(text(item.properties.type) ?? '')?.category;
  const info = layerById.value.get(layer);
  return (
    <>
      <CardHead eyebrow={layerTitleOf(layer)} title={itemTitle(item, layer)} badge={category === undefined ? null : <CategoryBadge category={category} />} />
      <div class="card-body">
        {layer === 'buildings' && <BuildingReachView />}
        {layer === 'areas' && <AreaFigures code={text(item.properties.code) ?? ''} />}
        <section class="card-section">
          <h3>{t('card.facts')}</h3>
          <Facts item={item} layer={layer} />
          {place && (
            <button type="button" class="text-button" onClick={() => drawCircle({ lon: place[0], lat: place[1] })}>
              <Icon name="bullseye" size={12} /> {t('card.circleHere')}
            </button>
          )}
          <p class="provenance">
            {t('card.source')}: {info?.source ?? NO_VALUE} · {t('layers.version')} {formatCount(info?.version, lang.value)}
            {place && ` · ${formatPlace(place[0], place[1])}`}
          </p>
        </section>
      </div>
    </>
  );
}

export function CardHead({ eyebrow, title, badge = null }: { eyebrow: string; title: string; badge?: JSX.Element | null }): JSX.Element {
  return (
    <header class="card-head">
      {badge}
      <div>
        <p class="eyebrow">{eyebrow}</p>
        <h2>{title}</h2>
      </div>
      <IconButton icon="xmark" label={t('action.close')} onClick={closeCard} />
    </header>
  );
}

function SelectedCard(): JSX.Element | null {
  const { selection } = screen.value;
  const remote = selectedItem.remote.value;
  if (!selection) return null;
  if (remote.state === 'ready') return <ItemCard item={remote.value} layer={selection.layer} />;
  return (
    <>
      <CardHead eyebrow={layerTitleOf(selection.layer)} title={selection.id} />
      <div class="card-body">{remote.state === 'error' ? <Fault error={remote.error} onRetry={selectedItem.retry} /> : <Skeleton lines={10} />}</div>
    </>
  );
}

/** What is known of the thing clicked, or of what can be walked to from a place. */
export function Card(): JSX.Element | null {
  const { selection, circle } = screen.value;
  const root = useRef<HTMLElement>(null);
  const key = selection ? `${selection.layer}/${selection.id}` : circle ? `${circle.lon},${circle.lat}` : '';
  useEffect(() => {
    root.current?.scrollTo({ top: 0 });
    const isTyping = document.activeElement instanceof HTMLInputElement;
    if (key !== '' && !isTyping) root.current?.focus({ preventScroll: true });
  }, [key]);
  if (key === '') return null;
  return (
    <aside class="card" ref={root} tabIndex={-1} aria-label={t('card.facts')}>
      {circle ? <CircleCard /> : <SelectedCard />}
    </aside>
  );
}
