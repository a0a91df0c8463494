import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';

import type { ScenarioBrief } from '../api/scenario-types';
import { formatCount, formatTime } from '../format';
import { layerTitleOf, t } from '../i18n';
import { valueOf } from '../state/resource';
import { lang } from '../state/store';
import { isBusy, open, opened, rebase, remove, saved } from '../state/whatif';
import { Icon } from '../ui/icon';
import { Fault, IconButton, Skeleton } from '../ui/parts';

const nameOf = (row: ScenarioBrief): string => row.name ?? t('whatif.unnamed', { id: row.id });

/** Why the figures of a stored scenario are old, and the way to newer ones. */
function Stale({ row }: { row: ScenarioBrief }): JSX.Element {
  const layers = row.changed_layers.map(layerTitleOf).join(lang.value === 'zh' ? '、' : ', ');
  return (
    <p class="finding">
      <Icon name="triangle-exclamation" size={12} />
      <span>
        {t('whatif.stale', { layers: layers || '–' })}{' '}
        <button type="button" class="text-button" disabled={isBusy.value} onClick={() => void rebase(row.id)}>{t('whatif.rebase')}</button>
      </span>
    </p>
  );
}

function Row({ row }: { row: ScenarioBrief }): JSX.Element {
  const isSure = useSignal(false);
  const isOpen = opened.value?.id === row.id;
  const language = lang.value;
  return (
    <li class={isOpen ? 'is-open' : ''} data-scenario={row.id}>
      <div class="saved-line">
        <button type="button" class="saved-name" aria-current={isOpen} disabled={isBusy.value} onClick={() => void open(row.id)}>
          <strong>{nameOf(row)}</strong>
          <small>
            {formatTime(row.changed_at, language)} · <span class="is-gain">+{formatCount(row.people_gained, language)}</span> <span class="is-loss">−{formatCount(row.people_lost, language)}</span>
            {row.stale && <> · {t('whatif.staleShort')}</>}
          </small>
        </button>
        {isSure.value
          ? <button type="button" class="text-button is-danger" onClick={() => void remove(row.id)} onBlur={() => (isSure.value = false)}>{t('whatif.deleteSure')}</button>
          : <IconButton icon="trash" label={t('whatif.delete', { name: nameOf(row) })} onClick={() => (isSure.value = true)} />}
      </div>
      {row.stale && <Stale row={row} />}
    </li>
  );
}

/** Scenarios that were saved, newest first. */
export function SavedScenarios(): JSX.Element {
  const remote = saved.remote.value;
  const list = valueOf(remote);
  return (
    <section class="whatif-saved">
      <h2>{t('whatif.saved')}</h2>
      {remote.state === 'error' ? <Fault error={remote.error} onRetry={saved.retry} /> : list === null ? <Skeleton lines={2} /> : list.scenarios.length === 0 ? <p class="muted">{t('whatif.noneSaved')}</p> : (
        <ul>{list.scenarios.map((row) => <Row key={row.id} row={row} />)}</ul>
      )}
    </section>
  );
}
