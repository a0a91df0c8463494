/** What every panel on a run begins with: the run itself, or why there is none, and the choice of run, type and profile. */
import type { JSX } from 'preact';

import type { RunDetail } from '../api/types';
import { formatTime } from '../format';
import { profileNameOf, t } from '../i18n';
import { change } from '../state/actions';
import { valueOf } from '../state/resource';
import { lang, profileCode, run, runs, runValue, screen } from '../state/store';
import { EmptyState, Fault, Segmented, Select, Skeleton } from '../ui/parts';
import { TypePicker } from './type-picker';

/** Shows its content once a run is read; until then a skeleton, the fault, or the command that makes a run. */
export function WithRun({ children }: { children: (detail: RunDetail) => JSX.Element }): JSX.Element {
  const remote = run.remote.value;
  if (remote.state === 'error') {
    if (remote.error.isNotReady) return <EmptyState title={t('empty.noRun')} command="onemap gaps run" />;
    return <Fault error={remote.error} onRetry={run.retry} />;
  }
  const detail = runValue.value;
  return detail ? children(detail) : <Skeleton lines={9} />;
}

function RunSelect(): JSX.Element | null {
  const list = valueOf(runs.remote.value) ?? [];
  if (list.length < 2) return null;
  const options = list.map((row, index) => ({
    value: index === 0 ? 'latest' : String(row.id),
    label: `${row.name ?? row.id} · ${formatTime(row.created_at, lang.value)}${index === 0 ? ` (${t('gap.runLatest')})` : ''}`,
  }));
  return <Select label={t('gap.run')} options={options} value={screen.value.run} onChange={(value) => change({ run: value })} />;
}

export function RunControls({ detail }: { detail: RunDetail }): JSX.Element {
  const profiles = detail.profiles.map((code) => ({ value: code, label: profileNameOf(code) }));
  return (
    <>
      <RunSelect />
      <TypePicker />
      {profiles.length > 1 && <Segmented label={t('gap.profile')} options={profiles} value={profileCode.value} onChange={(profile) => change({ profile })} />}
    </>
  );
}
