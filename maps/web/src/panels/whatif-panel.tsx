import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';

import { t } from '../i18n';
import { isNarrow } from '../state/store';
import { clear, fault, history, isBusy, opened, save, stepBack, stepForward } from '../state/whatif';
import { Icon } from '../ui/icon';
import { Fault } from '../ui/parts';
import { RunControls, WithRun } from './run-controls';
import { EditList } from './whatif-edits';
import { WhatIfResult } from './whatif-result';
import { SavedScenarios } from './whatif-saved';
import { WhatIfTools } from './whatif-tools';

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

/** Change facilities, streets, gates and paths on the map, and read at once who gains and who loses. */
export function WhatIfPanel(): JSX.Element {
  const answer = (
    <>
      {fault.value !== null && <Fault error={fault.value} title={t('whatif.failed')} />}
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
            <WhatIfTools />
            <EditList />
            <Bar />
          </div>
          {!isNarrow.value && answer}
          <SavedScenarios />
        </div>
      )}
    </WithRun>
  );
}
