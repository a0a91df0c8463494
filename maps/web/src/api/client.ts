/** Fetching JSON from our own host, and errors a screen can show. */
import type { Problem } from './types';

export type Params = Record<string, string | number | boolean | null | undefined>;

/** An answer that is not the data asked for: a problem document, a lost network or a page that is not JSON. */
export class ApiError extends Error {
  readonly status: number;
  readonly title: string;
  readonly hint: string | null;
  readonly parameter: string | null;

  constructor(status: number, problem: Problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.title = problem.title ?? '';
    this.hint = problem.hint ?? null;
    this.parameter = problem.parameter ?? null;
  }

  /** The thing asked for does not exist yet (nothing loaded, no run): an empty state, not a fault. */
  get isNotReady(): boolean {
    return this.status === 503 && this.hint !== null;
  }
}

/** Absolute address of an API path, below whatever prefix the page was served from. */
export function apiUrl(path: string, params: Params = {}): string {
  const url = new URL(path.replace(/^\//, ''), document.baseURI);
  url.hash = '';
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  return url.href;
}

async function readProblem(response: Response): Promise<Problem> {
  if (!(response.headers.get('content-type') ?? '').includes('json')) return { title: response.statusText };
  try {
    return (await response.json()) as Problem;
  } catch {
    return { title: response.statusText };
  }
}

/**
 * Read one JSON answer.
 *
 * @throws ApiError for any status other than 2xx and, with status 0, when the server cannot be reached.
 */
export async function getJson<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(apiUrl(path, params), {
      headers: { accept: 'application/geo+json, application/json' },
      credentials: 'same-origin',
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { title: 'network', detail: error instanceof Error ? error.message : String(error) });
  }
  if (!response.ok) throw new ApiError(response.status, await readProblem(response));
  return (await response.json()) as T;
}

/**
 * Send JSON, or nothing, and read the JSON answer; null where the answer has no content.
 *
 * @throws ApiError as `getJson` does.
 */
export async function sendJson<T>(method: 'POST' | 'DELETE', path: string, body: unknown = null, params: Params = {}, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(apiUrl(path, params), {
      method,
      headers: { accept: 'application/json', ...(body === null ? {} : { 'content-type': 'application/json' }) },
      credentials: 'same-origin',
      ...(body === null ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { title: 'network', detail: error instanceof Error ? error.message : String(error) });
  }
  if (!response.ok) throw new ApiError(response.status, await readProblem(response));
  return (response.status === 204 ? null : await response.json()) as T;
}
