/** What every panel on a run begins with: the run itself, or why there is none, and the choice of run, type and profile. */
import type { JSX } from 'preact';

import type { RunDetail, RunInfo } from '../api/types';
import { formatTime } from '../format';
import { profileNameOf, t } from '../i18n';
import { change } from '../state/actions';
import { valueOf } from '../state/resource';
import { lang, layerById, profileCode, run, runs, runValue, screen } from '../state/store';
import { EmptyState, Fault, Segmented, Select, Skeleton } from '../ui/parts';
import { RunOrder } from './run-order';
import { TypePicker } from './type-picker';

/** No run yet: the command that makes one, and where there is something to judge the button that orders it. */
function NoRun(): JSX.Element {
  const hasBuildings = (layerById.value.get('buildings')?.rows ?? 0) > 0;
  return (
    <>
      <EmptyState title={t('empty.noRun')} command="onemap gaps run" />
      {hasBuildings && <div class="controls"><RunOrder /></div>}
    </>
  );
}

/** Shows its content once a run is read; until then a skeleton, the fault, or how to make a run. */
export function WithRun({ children }: { children: (detail: RunDetail) => JSX.Element }): JSX.Element {
  const remote = run.remote.value;
  if (remote.state === 'error') return remote.error.isNotReady ? <NoRun /> : <Fault error={remote.error} onRetry={run.retry} />;
  const detail = runValue.value;
  return detail ? children(detail) : <Skeleton lines={9} />;
}

/** @param least - fewer runs leave nothing to choose */
function RunSelect({ least }: { least: number }): JSX.Element | null {
  const list = valueOf(runs.remote.value) ?? [];
  if (list.length < least) return null;
  const labelOf = ({ name, id, created_at: made, request }: RunInfo): string =>
    [name ?? id, ...(typeof request?.at !== 'string' ? [] : [t('gap.runAt', { time: formatTime(request.at, lang.value) })]), formatTime(made, lang.value)].join(' · ');
  const options = list.map((row, index) => ({ value: index === 0 ? 'latest' : String(row.id), label: `${labelOf(row)}${index === 0 ? ` (${t('gap.runLatest')})` : ''}` }));
  const value = screen.value.run === options[0]?.value || screen.value.run === String(list[0]?.id) ? 'latest' : screen.value.run;
  return <Select label={t('gap.run')} options={options} value={value} onChange={(chosen) => change({ run: chosen })} />;
}

/** @param canOrder - a new run can be ordered here */
export function RunControls({ detail, canOrder = false }: { detail: RunDetail; canOrder?: boolean }): JSX.Element {
  const profiles = detail.profiles.map((code) => ({ value: code, label: profileNameOf(code) }));
  return (
    <>
      {canOrder ? <RunOrder beside={<RunSelect least={1} />} /> : <RunSelect least={2} />}
      <TypePicker />
      {profiles.length > 1 && <Segmented label={t('gap.profile')} options={profiles} value={profileCode.value} onChange={(profile) => change({ profile })} />}
    </>
  );
}
