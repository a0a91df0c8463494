import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { formatCount, formatMetres } from '../format';
import { t, typeNameOf } from '../i18n';
import { plannerMap } from '../map/bind';
import { STREET_CLASSES } from '../map/base-layers';
import { middleOf } from '../map/geometry';
import { groundText } from '../map/whatif-bind';
import { lang, typeByCode } from '../state/store';
import { chosenId, close, drop, forget, known, markers, resize } from '../state/whatif';
import { chosenGround, forgetGround, ground, knownGround, turnGate, turnStreet } from '../state/whatif-ground';
import type { Place } from '../state/url';
import { Icon } from '../ui/icon';
import { IconButton, Segmented } from '../ui/parts';
import { shift, type Marker } from '../whatif/edits';
import { lengthOf, type GateState, type GroundRow, type KnownGround, type StreetState } from '../whatif/ground';
import { CategoryBadge } from './type-picker';
import { unitOf } from './whatif-tools';

const STEP_M = 10;
const LONG_STEP_M = 100;
const ARROWS: Record<string, [east: number, north: number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const CAPACITY_MAX = 1_000_000;

type SiteRow = Omit<Marker, 'kind'> & { kind: Marker['kind'] | 'chosen' };

/** Another capacity takes effect when it is entered; an empty field gives back what it was. */
function Capacity({ row, title }: { row: SiteRow; title: string }): JSX.Element {
  const { id, type, capacity, capacityBefore } = row;
  const unit = unitOf(type);
  const onChange = (event: Event & { currentTarget: HTMLInputElement }): void => {
    const { value, valueAsNumber } = event.currentTarget;
    const wanted = value === '' ? null : valueAsNumber;
    if (wanted !== null && !(wanted >= 0 && wanted <= CAPACITY_MAX)) { event.currentTarget.value = String(capacity ?? ''); return; }
    if (wanted !== capacity) resize(id, id > 0 && wanted === capacityBefore ? null : wanted);
  };
  return (
    <label class="site-capacity">
      <span>{t('whatif.capacity')}</span>
      <input type="number" min="0" max={CAPACITY_MAX} step="1" inputMode="numeric" placeholder={t('whatif.capacityAny')} aria-label={t('whatif.capacityOf', { name: title })} value={capacity ?? ''} onChange={onChange} data-testid="site-capacity" />
      <span>{unit}</span>
      {capacityBefore !== null && capacityBefore !== capacity && <small>{t('whatif.before', { n: formatCount(capacityBefore, lang.value) })}</small>}
    </label>
  );
}

/** A facility of the scenario, or one of the map that was chosen: arrow keys on its grip move it. */
function Site({ row, isMarked }: { row: SiteRow; isMarked: boolean }): JSX.Element {
  const { id, kind, type, name } = row;
  const title = name ?? typeNameOf(type);
  const category = typeByCode.value.get(type)?.category;
  const isChosen = chosenId.value === id;
  const onKey = (event: KeyboardEvent): void => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    const metres = event.shiftKey ? LONG_STEP_M : STEP_M;
    drop(id, shift(row.place, arrow[0] * metres, arrow[1] * metres));
  };
  const pick = (): void => {
    chosenId.value = id;
    plannerMap.value?.flyTo(row.place);
  };
  const holds = row.capacityBefore !== null && row.capacity !== row.capacityBefore ? ` ${formatCount(row.capacityBefore, lang.value)} → ${formatCount(row.capacity, lang.value)}` : '';
  return (
    <li class={isChosen ? 'is-chosen' : ''} data-site={id}>
      {category !== undefined && <CategoryBadge category={category} />}
      <button type="button" class="site-name" aria-pressed={isChosen} onClick={pick}>
        <strong>{title}</strong>
        <small>{t(`whatif.${kind}`)}{kind !== 'closed' && holds}{name !== null && ` · ${typeNameOf(type)}`}</small>
      </button>
      {kind !== 'closed' && (
        <button type="button" class="icon-button" aria-label={t('whatif.moveKeys', { name: title })} title={t('whatif.moveKeys', { name: title })} onFocus={() => (chosenId.value = id)} onKeyDown={onKey}>
          <Icon name="up-down-left-right" size={14} />
        </button>
      )}
      {id > 0 && kind !== 'closed' && <IconButton icon="ban" label={t('whatif.close', { name: title })} onClick={() => close(id)} />}
      {isMarked && <IconButton icon="xmark" label={t('whatif.forget', { name: title })} onClick={() => forget(id)} />}
      {isChosen && kind !== 'closed' && <Capacity row={row} title={title} />}
    </li>
  );
}

function streetClass(highway: string | null): 'major' | 'mid' | 'path' | 'minor' {
  const names = Object.entries(STREET_CLASSES) as ['major' | 'mid' | 'path', string[]][];
  return names.find(([, classes]) => classes.includes(highway ?? ''))?.[0] ?? 'minor';
}

function titleOf(row: GroundRow, found: KnownGround | undefined): string {
  if (row.kind === 'path') return `${t('whatif.path')} ${-row.id}`;
  if (found && found.name !== null) return found.name;
  return `${row.kind === 'gate' ? t('whatif.gate') : t(`street.${streetClass(found?.kind === 'street' ? found.highway : null)}`)} ${row.id}`;
}

const placesOf = (row: GroundRow): Place[] => (row.kind === 'path' ? row.line.coordinates.map(([lon, lat]) => ({ lon, lat })) : []);


function iconOf({ kind, state }: GroundRow): string {
  if (kind === 'gate') return state === 'closed' ? 'door-closed' : 'door-open';
  return kind === 'path' ? 'route' : state === 'closed' ? 'ban' : 'road';
}

const GATE_STATES: readonly GateState[] = ['all', 'residents', 'closed'];
const STREET_STATES: readonly StreetState[] = ['open', 'closed'];

/** A street or gate with the states it can have, or a drawn path. */
function Ground({ row }: { row: GroundRow }): JSX.Element {
  const key = `${row.kind}/${row.id}`;
  const found = knownGround.value.get(key);
  const title = titleOf(row, found);
  const isChosen = chosenGround.value === key;
  const pick = (): void => {
    const shape = row.kind === 'path' ? row.line : found?.shape;
    const at = shape === undefined ? null : middleOf(shape);
    chosenId.value = null;
    chosenGround.value = key;
    if (at) plannerMap.value?.flyTo(at);
  };
  const detail = row.kind === 'path' ? `${groundText(row)} · ${formatMetres(lengthOf(placesOf(row)), lang.value)}` : groundText(row);
  return (
    <li class={isChosen ? 'is-chosen' : ''} data-ground={key}>
      <span class={`ground-badge is-${row.state === 'closed' ? 'loss' : 'gain'}`}><Icon name={iconOf(row)} size={13} /></span>
      <button type="button" class="site-name" aria-pressed={isChosen} onClick={pick}>
        <strong>{title}</strong>
        <small>{detail}</small>
      </button>
      <IconButton icon="xmark" label={t('whatif.forget', { name: title })} onClick={() => forgetGround(row)} />
      {isChosen && row.kind !== 'path' && (
        <div class="ground-states">
          {row.kind === 'gate'
            ? <Segmented label={title} options={GATE_STATES.map((value) => ({ value, label: t(`whatif.gate.${value}`) }))} value={row.state} onChange={(value) => turnGate(row.id, value as GateState)} />
            : <Segmented label={title} options={STREET_STATES.map((value) => ({ value, label: t(`whatif.street.${value}`) }))} value={row.state} onChange={(value) => turnStreet(row.id, value as StreetState)} />}
        </div>
      )}
    </li>
  );
}

/** Everything a scenario does, each with a way to take it back; what was changed last is in sight. */
export function EditList(): JSX.Element | null {
  const list = useRef<HTMLUListElement>(null);
  const rows = markers.value;
  const id = chosenId.value;
  const lit = chosenGround.value;
  useEffect(() => {
    const row = list.current?.querySelector<HTMLElement>(id === null ? `[data-ground="${lit}"]` : `[data-site="${id}"]`);
    if (row && list.current) list.current.scrollTop += Math.min(row.offsetTop - list.current.scrollTop, 0) + Math.max(row.offsetTop + row.offsetHeight - list.current.scrollTop - list.current.clientHeight, 0);
  }, [id, lit, rows.length, ground.value.length]);
  const chosen = id !== null && !rows.some((row) => row.id === id) ? known.value.get(id) : undefined;
  if (rows.length === 0 && !chosen && ground.value.length === 0) return null;
  return (
    <ul class="sites" ref={list} aria-label={t('whatif.sites')}>
      {chosen && <Site key={chosen.id} row={{ ...chosen, kind: 'chosen', from: null, capacityBefore: chosen.capacity }} isMarked={false} />}
      {rows.map((row) => <Site key={row.id} row={row} isMarked />)}
      {ground.value.map((row) => <Ground key={`${row.kind}/${row.id}`} row={row} />)}
    </ul>
  );
}
