/** Notices that a newer run is there, or that the run on show was brought up to date, and offers to show it. */
import { signal } from '@preact/signals';

import { fetchRun } from '../api/endpoints';
import type { RunDetail } from '../api/types';
import { change } from './actions';
import { catalogue, run, runs, runValue, screen } from './store';

const LOOK_EVERY_MS = 30_000;

type Judged = Pick<RunDetail, 'id' | 'versions' | 'totals'>;

/** What a newer answer means for the one on show: another run, other figures of the same run, or nothing. */
export function compareRuns(shown: Judged, found: Judged): 'run' | 'figures' | null {
  if (String(found.id) !== String(shown.id)) return 'run';
  const figures = ({ versions, totals }: Judged): string => JSON.stringify([versions, totals]);
  return figures(found) === figures(shown) ? null : 'figures';
}

export const newer = signal<'run' | 'figures' | null>(null);

async function look(): Promise<void> {
  const shown = runValue.peek();
  if (!shown || document.hidden) return;
  const latest = await fetchRun('latest').catch(() => null); // a lost server is told of where something was asked for
  if (latest === null || shown !== runValue.peek()) return;
  const isAnother = String(latest.id) !== String(shown.id);
  if (isAnother && screen.peek().run !== 'latest') return; // an older run was chosen on purpose
  newer.value = compareRuns(shown, latest);
}

/** Look now and then, and when somebody comes back to the page; returns what stops it. */
export function watchRuns(): () => void {
  const onLook = (): void => void look();
  const timer = setInterval(onLook, LOOK_EVERY_MS);
  document.addEventListener('visibilitychange', onLook);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', onLook);
  };
}

/** Show the newest run with the layers it was made from: what is drawn belongs to its figures. */
export function showNewer(): void {
  newer.value = null;
  change({ run: 'latest' });
  runs.retry();
  run.retry();
  catalogue.retry();
}
