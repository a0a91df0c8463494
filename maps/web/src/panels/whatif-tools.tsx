import type { JSX } from 'preact';

import { formatMetres } from '../format';
import { t, tOr } from '../i18n';
import { plannerMap } from '../map/bind';
import { isNarrow, lang, screen, sheet, typeByCode, typeCode } from '../state/store';
import { capacity, isPlacing, place } from '../state/whatif';
import { addPoint, change, chooseTool, dropPoint, endPath, giveUpPath, hasSteps, path, tool, TOOLS, type Tool } from '../state/whatif-ground';
import { Icon } from '../ui/icon';
import { IconButton, Segmented } from '../ui/parts';
import { lengthOf, looseEnds } from '../whatif/ground';

/** Gates are in the tiles from here on. */
const GATE_ZOOM = 14;

export const unitOf = (type: string | null): string => tOr(`unit.${typeByCode.value.get(type ?? '')?.capacity_unit ?? ''}`, '');

/** What the keyboard takes where a mouse would click: the middle of the map. */
const MiddleButton = ({ label, onClick }: { label: string; onClick: () => void }): JSX.Element => <IconButton icon="location-crosshairs" label={label} onClick={onClick} class="middle-button" />;

function PlaceTools(): JSX.Element {
  const unit = unitOf(typeCode.value);
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
        <MiddleButton label={t('whatif.placeMiddle')} onClick={() => { const middle = plannerMap.value?.middle(); if (middle) place(middle); }} />
      </div>
      <p class="muted">{t('whatif.hint')}</p>
    </>
  );
}

function StreetTools(): JSX.Element {
  const isFar = (screen.value.view?.zoom ?? 0) < GATE_ZOOM;
  const onMiddle = (): void => {
    const found = plannerMap.value?.groundInMiddle();
    if (found) change(found);
  };
  return (
    <div class="tool-line">
      <p class="muted">{t('whatif.hintStreet')}{isFar && ` ${t('whatif.hintZoom')}`}</p>
      <MiddleButton label={t('whatif.pickMiddle')} onClick={onMiddle} />
    </div>
  );
}

/** How long the path is so far, and the ways to end it. */
export function PathBar(): JSX.Element {
  const places = path.value;
  const loose = looseEnds(places);
  return (
    <div class="path-bar">
      <span data-testid="path-length">
        {t('whatif.drawing', { n: places.length, length: formatMetres(lengthOf(places), lang.value) })}
        {loose !== null && <small>{t(`whatif.loose.${loose}`)}</small>}
      </span>
      <IconButton icon="rotate-left" label={t('whatif.dropPoint')} onClick={dropPoint} />
      <button type="button" class="button is-main" disabled={places.length < 2} onClick={endPath} data-testid="path-end"><Icon name="check" size={12} /> {t('whatif.endPath')}</button>
      <button type="button" class="button" onClick={giveUpPath}>{t('whatif.giveUp')}</button>
    </div>
  );
}

function PathTools(): JSX.Element {
  const onMiddle = (): void => {
    const middle = plannerMap.value?.snapMiddle();
    if (middle) addPoint(middle);
  };
  return (
    <>
      <div class="tool-line">
        <label class="check"><input type="checkbox" checked={hasSteps.value} onChange={(event) => (hasSteps.value = event.currentTarget.checked)} /> {t('whatif.hasSteps')}</label>
        <MiddleButton label={t('whatif.addMiddle')} onClick={onMiddle} />
      </div>
      {path.value.length > 0 && !isNarrow.value ? <PathBar /> : <p class="muted">{t(isNarrow.value ? 'whatif.hintPathTouch' : 'whatif.hintPath')}</p>}
    </>
  );
}

/** What the map is held with: facilities are placed and dragged, streets and gates clicked, paths drawn. */
export function WhatIfTools(): JSX.Element {
  return (
    <>
      <Segmented label={t('whatif.tool')} options={TOOLS.map((value) => ({ value, label: t(`whatif.tool.${value}`) }))} value={tool.value} onChange={(value) => chooseTool(value as Tool)} />
      {tool.value === 'facility' ? <PlaceTools /> : tool.value === 'street' ? <StreetTools /> : <PathTools />}
    </>
  );
}
