import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';

import { apiUrl } from '../api/client';
import { itemsPath } from '../api/endpoints';
import type { LayerInfo } from '../api/types';
import { formatCount, formatShare, formatTime, NO_VALUE } from '../format';
import { fieldTitle, layerTitle, t, typeNameOf } from '../i18n';
import { showBox } from '../map/bind';
import { referenceColour } from '../map/overlay-layers';
import { PALETTES, type Palette } from '../map/palette';
import { COVERAGE, lookOf } from '../map/style';
import { setLayer } from '../state/actions';
import { catalogue, catalogueValue, lang, runValue, screen, theme, typeCode } from '../state/store';
import { Icon } from '../ui/icon';
import { EmptyState, Fault, IconButton, Skeleton, Swatch } from '../ui/parts';
import { CategoryLegend, CoverageLegend, StreetLegend } from './legend';
import { tableLayer } from './table-view';

type GroupId = 'results' | 'people' | 'services' | 'places' | 'reference';

const GROUP_OF: Record<string, GroupId> = {
  coverage: 'results', buildings: 'people', population: 'people', compounds: 'people', gates: 'people',
  facilities: 'services', incidents: 'services', areas: 'places', streets: 'places',
};
const GROUPS: readonly GroupId[] = ['results', 'people', 'services', 'places', 'reference'];

type Look = Parameters<typeof Swatch>[0];

const swatches = (colours: Palette): Record<string, Look> => ({
  [COVERAGE]: { colour: colours.missing[2] },
  buildings: { colour: colours.building[1] },
  compounds: { colour: colours.wall, kind: 'hollow' },
  streets: { colour: colours.casing.major, kind: 'line' },
  railway: { colour: colours.rail, kind: 'line' },
  areas: { colour: colours.border, kind: 'hollow' },
  water: { colour: colours.water },
  landuse: { colour: colours.landuse.green ?? colours.land },
  incidents: { colour: colours.incident, kind: 'point' },
  gates: { colour: colours.gateOpen, kind: 'point' },
  facilities: { colour: colours.category.medical ?? colours.text, kind: 'point' },
  population: { colour: colours.population },
});

/** Reference layers take the colours the map gives them, in the same order. */
function SwatchOf({ id }: { id: string }): JSX.Element {
  const colours = PALETTES[theme.value];
  const look = swatches(colours)[id] ?? { colour: referenceColour(colours, catalogueValue.value?.layers ?? [], id) };
  return <Swatch {...look} />;
}

function LegendOf({ id }: { id: string }): JSX.Element | null {
  if (id === COVERAGE) return <CoverageLegend />;
  if (id === 'facilities') return <CategoryLegend />;
  if (id === 'streets') return <StreetLegend />;
  return null;
}

function Fields({ layer }: { layer: LayerInfo }): JSX.Element | null {
  if (layer.fields.length === 0) return null;
  return (
    <details class="fields">
      <summary>{t('layers.fields')} ({layer.fields.length})</summary>
      <ul>
        {layer.fields.map((field) => (
          <li key={field.name}>
            {fieldTitle(layer.id, field.name)} <code>{field.name}</code> <small>{field.type}</small>
            {field.sensitive && <span class="sensitive">{t('layers.sensitive')}</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}

function LayerDetails({ id, layer }: { id: string; layer: LayerInfo | undefined }): JSX.Element {
  const look = lookOf(screen.value.layers, layer, id);
  const language = lang.value;
  const opacityText = formatShare(look.opacity, language).replace(/[.,]0/, '');
  return (
    <div class="layer-details">
      <LegendOf id={id} />
      <label class="slider">
        <span>{t('layers.opacity')}</span>
        <input type="range" min="0" max="1" step="0.05" value={look.opacity} aria-valuetext={opacityText}
          onInput={(event) => setLayer(id, { opacity: Number(event.currentTarget.value) }, { isStep: false })} />
        <output>{opacityText}</output>
      </label>
      {layer && (
        <>
          <dl class="facts compact">
            <dt>{t('layers.source')}</dt><dd>{layer.source ?? NO_VALUE}</dd>
            <dt>{t('layers.datum')}</dt><dd>{layer.datum ?? NO_VALUE}</dd>
            <dt>{t('layers.version')}</dt><dd>{layer.version}</dd>
            <dt>{t('layers.changed')}</dt><dd>{formatTime(layer.changed_at, language)}</dd>
          </dl>
          <Fields layer={layer} />
          <p class="layer-actions">
            <button type="button" class="text-button" onClick={() => showBox(layer.extent)}><Icon name="expand" size={11} /> {t('action.zoomTo')}</button>
            <button type="button" class="text-button" onClick={() => (tableLayer.value = layer.id)}><Icon name="table" size={11} /> {t('layers.table')}</button>
            <a class="text-button" href={apiUrl(itemsPath(layer.id), { limit: 10_000 })} download={`${layer.id}.geojson`}><Icon name="download" size={11} /> GeoJSON</a>
          </p>
        </>
      )}
    </div>
  );
}

function LayerRow({ id, layer, title }: { id: string; layer: LayerInfo | undefined; title: string }): JSX.Element {
  const isOpen = useSignal(false);
  const look = lookOf(screen.value.layers, layer, id);
  const isEmpty = id !== COVERAGE && (layer?.rows ?? 0) === 0;
  const rows = isEmpty ? t('layers.empty') : layer ? t('layers.rows', { n: formatCount(layer.rows, lang.value) }) : typeNameOf(typeCode.value ?? '');
  return (
    <li class={`layer-row ${isEmpty ? 'is-empty' : ''}`}>
      <div class="layer-line">
        <label class="check">
          <input type="checkbox" checked={look.visible} disabled={isEmpty} data-layer={id} onChange={(event) => setLayer(id, { visible: event.currentTarget.checked })} />
          <SwatchOf id={id} />
          <span class="layer-title">{title}</span>
        </label>
        <span class="layer-rows">{rows}</span>
        {!isEmpty && (
          <button type="button" class={`disclosure ${isOpen.value ? 'is-open' : ''}`} aria-expanded={isOpen.value} aria-label={`${title}: ${t('layers.details')}`} title={t('layers.details')} onClick={() => (isOpen.value = !isOpen.value)}>
            <Icon name="chevron-right" size={10} />
          </button>
        )}
      </div>
      {isOpen.value && <LayerDetails id={id} layer={layer} />}
    </li>
  );
}

interface Entry {
  id: string;
  title: string;
  layer: LayerInfo | undefined;
}

/** All layers with results on top, by group, those whose title or id matches only. */
export function groupLayers(entries: readonly Entry[], query: string): { group: GroupId; entries: Entry[] }[] {
  const wanted = query.trim().toLowerCase();
  const found = entries.filter((entry) => `${entry.title} ${entry.id}`.toLowerCase().includes(wanted));
  return GROUPS.map((group) => ({ group, entries: found.filter((entry) => (GROUP_OF[entry.id] ?? 'reference') === group) })).filter((row) => row.entries.length > 0);
}

export function LayerTree(): JSX.Element {
  const query = useSignal('');
  const remote = catalogue.remote.value;
  if (remote.state === 'error') return <Fault error={remote.error} onRetry={catalogue.retry} />;
  const layers = catalogueValue.value?.layers;
  if (!layers) return <Skeleton lines={9} />;
  const entries: Entry[] = layers.map((layer) => ({ id: layer.id, title: layerTitle(layer), layer }));
  if (runValue.value) entries.unshift({ id: COVERAGE, title: t('layers.coverage'), layer: undefined });
  const isEmpty = layers.every((layer) => layer.rows === 0);
  const groups = groupLayers(entries, query.value);
  return (
    <div class="layer-tree">
      {isEmpty && <EmptyState title={t('empty.noData')} command="onemap demo" />}
      <div class="type-search">
        <Icon name="magnifying-glass" size={13} />
        <input type="search" value={query.value} placeholder={t('layers.search')} aria-label={t('layers.search')} onInput={(event) => (query.value = event.currentTarget.value)} />
        {query.value !== '' && <IconButton icon="xmark" label={t('action.clear')} onClick={() => (query.value = '')} />}
      </div>
      {groups.length === 0 && <p class="none">{t('state.nothing')}</p>}
      {groups.map(({ group, entries: rows }) => (
        <section key={group}>
          <h2>{t(`layers.group.${group}`)}</h2>
          <ul>
            {rows.map((entry) => <LayerRow key={entry.id} {...entry} />)}
          </ul>
        </section>
      ))}
    </div>
  );
}
