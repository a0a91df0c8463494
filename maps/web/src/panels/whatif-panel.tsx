import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';

import { t, tOr, typeNameOf } from '../i18n';
import { plannerMap } from '../map/bind';
import { isNarrow, sheet, typeByCode, typeCode } from '../state/store';
import {
  capacity, chosenId, clear, close, drop, edits, fault, forget, history, isBusy, isPlacing, known, markers, opened, place, save, stepBack, stepForward,
} from '../state/whatif';
import { Icon } from '../ui/icon';
import { Fault, IconButton } from '../ui/parts';
import { shift, type Marker } from '../whatif/edits';
import { RunControls, WithRun } from './run-controls';
import { CategoryBadge } from './type-picker';
import { WhatIfResult } from './whatif-result';
import { SavedScenarios } from './whatif-saved';

const STEP_M = 10;
const LONG_STEP_M = 100;
const ARROWS: Record<string, [east: number, north: number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function PlaceTools(): JSX.Element {
  const unit = tOr(`unit.${typeByCode.value.get(typeCode.value ?? '')?.capacity_unit ?? ''}`, '');
  const onPlace = (): void => {
    isPlacing.value = !isPlacing.value;
    if (isPlacing.value && isNarrow.value) sheet.value = 'peek';
  };
  return (
    <>
      <div class="place-tools">
        <div class="field">
          <label for="whatif-capacity">{t('whatif.capacity')}{unit === '' ? '' : ` (${unit})`}</label>
          <input id="whatif-capacity" type="number" min="0" max="1000000" step="1" inputMode="numeric" placeholder={t('whatif.capacityAny')} value={capacity.value ?? ''}
            onInput={(event) => { const { value, valueAsNumber } = event.currentTarget; capacity.value = value === '' || !(valueAsNumber >= 0) ? null : valueAsNumber; }} />
        </div>
        <button type="button" class="button is-main" aria-pressed={isPlacing.value} disabled={typeCode.value === null} onClick={onPlace} data-testid="whatif-place">
          <Icon name="plus" size={12} /> {t(isPlacing.value ? 'whatif.placing' : 'whatif.place')}
        </button>
        <IconButton icon="location-crosshairs" label={t('whatif.placeMiddle')} onClick={() => { const middle = plannerMap.value?.middle(); if (middle) place(middle); }} />
      </div>
      <p class="muted">{t('whatif.hint')}</p>
    </>
  );
}

/** A facility of the scenario, or one of the map that was chosen: arrow keys on its grip move it. */
function Site({ row, isMarked }: { row: Omit<Marker, 'kind'> & { kind: Marker['kind'] | 'chosen' }; isMarked: boolean }): JSX.Element {
  const { id, kind, type, name } = row;
  const title = name ?? typeNameOf(type);
  const category = typeByCode.value.get(type)?.category;
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
  return (
    <li class={chosenId.value === id ? 'is-chosen' : ''} data-site={id}>
      {category !== undefined && <CategoryBadge category={category} />}
      <button type="button" class="site-name" aria-pressed={chosenId.value === id} onClick={pick}>
        <strong>{title}</strong>
        <small>{t(`whatif.${kind}`)}{name !== null && ` · ${typeNameOf(type)}`}</small>
      </button>
      {kind !== 'closed' && (
        <button type="button" class="icon-button" aria-label={t('whatif.moveKeys', { name: title })} title={t('whatif.moveKeys', { name: title })} onFocus={() => (chosenId.value = id)} onKeyDown={onKey}>
          <Icon name="up-down-left-right" size={14} />
        </button>
      )}
      {id > 0 && kind !== 'closed' && <IconButton icon="ban" label={t('whatif.close', { name: title })} onClick={() => close(id)} />}
      {isMarked && <IconButton icon="xmark" label={t('whatif.forget', { name: title })} onClick={() => forget(id)} />}
    </li>
  );
}

function Sites(): JSX.Element | null {
  const rows = markers.value;
  const id = chosenId.value;
  const chosen = id !== null && !rows.some((row) => row.id === id) ? known.value.get(id) : undefined;
  const others = edits.value.filter((edit) => !['add_facility', 'move_facility', 'close_facility'].includes(edit.op)).length;
  if (rows.length === 0 && !chosen && others === 0) return null;
  return (
    <>
      <ul class="sites" aria-label={t('whatif.sites')}>
        {chosen && <Site key={chosen.id} row={{ ...chosen, kind: 'chosen', from: null }} isMarked={false} />}
        {rows.map((row) => <Site key={row.id} row={row} isMarked />)}
      </ul>
      {others > 0 && <p class="muted">{t('whatif.others', { n: others })}</p>}
    </>
  );
}

function Bar(): JSX.Element {
  const name = useSignal('');
  const { past, now, future } = history.value;
  const stored = opened.value;
  const onSave = (event: Event): void => {
    event.preventDefault();
    void save(name.value.trim() || null).then(() => (name.value = ''));
  };
  return (
    <>
      <div class="whatif-bar" role="toolbar" aria-label={t('whatif.steps')}>
        <button type="button" class="button" disabled={past.length === 0} onClick={stepBack} data-testid="whatif-undo"><Icon name="rotate-left" size={12} /> {t('whatif.undo')}</button>
        <button type="button" class="button" disabled={future.length === 0} onClick={stepForward} data-testid="whatif-redo"><Icon name="rotate-right" size={12} /> {t('whatif.redo')}</button>
        <button type="button" class="button" disabled={now.length === 0} onClick={clear}><Icon name="xmark" size={12} /> {t('whatif.clear')}</button>
      </div>
      {now.length > 0 && (stored === null ? (
        <form class="save-line" onSubmit={onSave}>
          <input type="text" maxLength={200} value={name.value} placeholder={t('whatif.name')} aria-label={t('whatif.name')} onInput={(event) => (name.value = event.currentTarget.value)} />
          <button type="submit" class="button is-main" disabled={isBusy.value} data-testid="whatif-save"><Icon name="floppy-disk" size={12} /> {t('whatif.save')}</button>
        </form>
      ) : (
        <p class="saved-note" role="status" data-testid="whatif-is-saved"><Icon name="check" size={12} /> {t('whatif.isSaved', { name: stored.name ?? t('whatif.unnamed', { id: stored.id }) })}</p>
      ))}
    </>
  );
}

/** Place, move and close facilities on the map, and read at once who gains and who loses. */
export function WhatIfPanel(): JSX.Element {
  const answer = (
    <>
      {fault.value !== null && <Fault error={fault.value} />}
      <WhatIfResult />
    </>
  );
  return (
    <WithRun>
      {(detail) => (
        <div class="whatif">
          {isNarrow.value && answer}
          <div class="controls">
            <RunControls detail={detail} />
            <PlaceTools />
            <Sites />
            <Bar />
          </div>
          {!isNarrow.value && answer}
          <SavedScenarios />
        </div>
      )}
    </WithRun>
  );
}
