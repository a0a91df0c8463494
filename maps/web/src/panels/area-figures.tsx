import type { JSX } from 'preact';

import { t, typeNameOf } from '../i18n';
import { change } from '../state/actions';
import { valueOf } from '../state/resource';
import { areaRows, BUILDING_LEVEL, typeCode } from '../state/store';
import { Icon } from '../ui/icon';
import { Figures } from './totals';

/** An area's people covered and in the gap, for the type and level on show. */
export function AreaFigures({ code }: { code: string }): JSX.Element | null {
  const row = valueOf(areaRows.remote.value)?.find((one) => one.area_code === code);
  if (row?.type !== typeCode.value) return null;
  return (
    <section class="card-section" data-area={code}>
      <h3>{t('card.areaGap', { type: typeNameOf(row.type) })}</h3>
      <Figures row={row} />
      <button type="button" class="text-button" onClick={() => change({ level: BUILDING_LEVEL, area: code, selection: null })}>
        <Icon name="house" size={12} /> {t('card.areaBuildings')}
      </button>
    </section>
  );
}
