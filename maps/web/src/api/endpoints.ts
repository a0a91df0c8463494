/** One function per route the planner map reads. */
import { apiUrl, getJson, sendJson } from './client';
import type {
  AreaRow,
  BuildingReach,
  BuildingRow,
  Catalogue,
  Circles,
  Item,
  ItemPage,
  Job,
  Page,
  RunDetail,
  RunInfo,
  RunRequest,
  SearchHit,
} from './types';

export interface GapQuery {
  run: string;
  type: string;
  profile: string;
}

export const CIRCLE_MINUTES = [5, 10, 15] as const;

export const fetchCatalogue = (signal?: AbortSignal): Promise<Catalogue> => getJson('api/catalogue', {}, signal);

export async function fetchRuns(signal?: AbortSignal): Promise<RunInfo[]> {
  return (await getJson<{ runs: RunInfo[] }>('gaps/runs', {}, signal)).runs;
}

export const fetchRun = (run: string, signal?: AbortSignal): Promise<RunDetail> =>
  getJson(`gaps/runs/${encodeURIComponent(run)}`, {}, signal);

/** Order a run; it is computed beside the server. */
export const orderRun = async (order: RunRequest): Promise<Job> => (await sendJson<{ job: Job }>('POST', 'gaps/runs', order)).job;

const jobPath = (id: string): string => `jobs/${encodeURIComponent(id)}`;
export const cancelJob = (id: string): Promise<Job> => sendJson('DELETE', jobPath(id));
export const fetchJob = (id: string): Promise<Job> => getJson(jobPath(id));

/** Follow a job; a stream that broke off is taken up again, unless `isOver` says that the server refuses it. */
export function followJob(id: string, onChange: (job: Job) => void, onLost: (isOver: boolean) => void): void {
  const source = new EventSource(apiUrl(`${jobPath(id)}/events`));
  for (const name of ['progress', 'done', 'failed', 'cancelled']) {
    source.addEventListener(name, (event: MessageEvent<string>) => {
      if (name !== 'progress') source.close();
      onChange(JSON.parse(event.data) as Job);
    });
  }
  source.onerror = () => onLost(source.readyState === EventSource.CLOSED);
}

export const areasPath = (run: string): string => `gaps/runs/${encodeURIComponent(run)}/areas`;
export const buildingsPath = (run: string): string => `gaps/runs/${encodeURIComponent(run)}/buildings`;
export const itemsPath = (layer: string): string => `ogc/collections/${encodeURIComponent(layer)}/items`;

/** Follow `next` until the list ends or `most` rows are here; a cut list says so. */
async function readAllPages<Row>(
  readPage: (after: string | null) => Promise<Page<Row>>,
  most: number,
): Promise<{ rows: Row[]; isCut: boolean }> {
  const rows: Row[] = [];
  let after: string | null = null;
  do {
    const page: Page<Row> = await readPage(after);
    rows.push(...page.rows);
    after = page.next;
  } while (after !== null && rows.length < most);
  return { rows, isCut: after !== null };
}

export async function fetchAreaRows(
  query: GapQuery & { level: string; demandGroup: string | null },
  signal?: AbortSignal,
): Promise<AreaRow[]> {
  const { run, type, profile, level, demandGroup } = query;
  const params = { type, profile, level, demand_group: demandGroup, limit: 10_000 };
  const { rows } = await readAllPages<AreaRow>(
    (after) => getJson(areasPath(run), { ...params, after }, signal),
    100_000,
  );
  return rows;
}

export async function fetchGapBuildings(
  query: GapQuery & { area: string | null; most: number },
  signal?: AbortSignal,
): Promise<{ rows: BuildingRow[]; isCut: boolean }> {
  const { run, type, profile, area, most } = query;
  const params = { type, profile, area, status: 'gap', limit: Math.min(most, 10_000) };
  return readAllPages((after) => getJson(buildingsPath(run), { ...params, after }, signal), most);
}

export const fetchBuildingReach = (
  run: string,
  building: string,
  profile: string,
  signal?: AbortSignal,
): Promise<BuildingReach> => getJson(`${buildingsPath(run)}/${encodeURIComponent(building)}`, { profile }, signal);

export const fetchCircles = (lon: number, lat: number, profile: string, signal?: AbortSignal): Promise<Circles> =>
  getJson('circles', { lon, lat, minutes: CIRCLE_MINUTES.join(','), profile }, signal);

export const fetchItem = (layer: string, id: string, signal?: AbortSignal): Promise<Item> =>
  getJson(`${itemsPath(layer)}/${encodeURIComponent(id)}`, {}, signal);

export const fetchItems = (
  layer: string,
  params: { limit: number; after?: string | null; bbox?: string },
  signal?: AbortSignal,
): Promise<ItemPage> => getJson(itemsPath(layer), params, signal);

export async function searchPlaces(text: string, signal?: AbortSignal): Promise<SearchHit[]> {
  return (await getJson<{ results: SearchHit[] }>('search', { q: text }, signal)).results;
}
