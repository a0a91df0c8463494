/** One function per route of scenarios. */
import { getJson, sendJson } from './client';
import type { Draft, Edit, ScenarioBrief, ScenarioDetail } from './scenario-types';

/** Changed buildings asked for: those whose status changes come first. */
const BUILDINGS = 5_000;

const pathOf = (id: number): string => `scenarios/${id}`;

/** What edits would change; nothing is stored. */
export const tryEdits = (run: string, edits: readonly Edit[], signal?: AbortSignal): Promise<Draft> =>
  sendJson('POST', 'scenarios', { run, edits }, { dry: true, buildings: BUILDINGS }, signal);

export const saveScenario = (run: string, edits: readonly Edit[], name: string | null): Promise<ScenarioDetail> =>
  sendJson('POST', 'scenarios', { run, edits, ...(name === null ? {} : { name }) }, { buildings: BUILDINGS });

export const fetchScenarios = (signal?: AbortSignal): Promise<{ scenarios: ScenarioBrief[]; next: number | null }> => getJson('scenarios', { limit: 50 }, signal);

export const fetchScenario = (id: number): Promise<ScenarioDetail> => getJson(pathOf(id), { buildings: BUILDINGS });

export const deleteScenario = (id: number): Promise<null> => sendJson('DELETE', pathOf(id));

/** Set the edits of a stale scenario on the newest run. */
export const rebaseScenario = (id: number): Promise<ScenarioDetail> => sendJson('POST', `${pathOf(id)}/rebase`, { run: 'latest' }, { buildings: BUILDINGS });
